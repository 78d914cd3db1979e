package devnode.fuse.server;

import devnode.fuse.client.ClientCall;
import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.server.Message.Attributes;
import devnode.fuse.server.Message.DirectoryEntry;
import devnode.fuse.server.Message.In;
import devnode.fuse.server.Message.Ioctl;
import devnode.fuse.server.Message.Open;
import devnode.fuse.server.Message.Out;
import devnode.fuse.server.Message.Poll;
import devnode.fuse.server.Message.Transfer;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/** Answers the requests of one reader. */
final class Requests {
    /** No write is beyond the end of such a file, which would serialise it; maps and seeks have room. */
    private static final long FILE_BYTES = 1L << 62;
    private static final int DIRECTORY_MODE = 0755;
    private static final int STATFS_BYTES = 80;
    private static final int TYPE_SHIFT = 12;

    private final FuseServer server;
    private final Reader reader;
    private final Exchange exchange;
    private final MemorySegment in;
    private final MemorySegment out;
    private final ClientCall call;
    private final SysfsRequests sysfs;

    Requests(FuseServer server, Reader reader, Exchange exchange, ClientCall call) {
        this.server = server;
        this.reader = reader;
        this.exchange = exchange;
        this.in = exchange.in;
        this.out = exchange.out;
        this.call = call;
        this.sysfs = new SysfsRequests(server.sysfs(), server.sysfsFiles(), exchange);
    }

    /** Whether the request may wait, and may then be overtaken by others. */
    boolean mayWait() {
        return switch (exchange.opcode) {
            case Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT, Opcode.RELEASE -> false;
            default -> true;
        };
    }

    /** There is no thread for the request. */
    void refuse() {
        exchange.reply(-ErrorNumber.EAGAIN);
    }

    void answer() {
        boolean forSysfs = SysfsTree.holds(exchange.node());
        switch (exchange.opcode) {
            case Opcode.OPENDIR -> openDirectory();
            case Opcode.READDIR -> readDirectory(forSysfs);
            case Opcode.STATFS -> statFileSystem();
            case Opcode.RELEASEDIR, Opcode.DESTROY -> exchange.reply(0);
            case Opcode.INTERRUPT -> interrupt();
            case Opcode.FORGET, Opcode.BATCH_FORGET -> exchange.noReply();
            default -> {
                if (forSysfs) {
                    sysfs.answer();
                } else {
                    answerForNode();
                }
            }
        }
    }

    private void answerForNode() {
        switch (exchange.opcode) {
            case Opcode.IOCTL -> ioctl();
            case Opcode.READ -> read();
            case Opcode.WRITE -> write();
            case Opcode.POLL -> poll();
            case Opcode.OPEN -> open();
            case Opcode.RELEASE -> release();
            case Opcode.LOOKUP -> lookUp();
            case Opcode.GETATTR, Opcode.SETATTR -> attributes();
            default -> exchange.reply(-ErrorNumber.ENOSYS); // the kernel does not ask again, and does without
        }
    }

    private void ioctl() {
        OpenFile file = server.files().get(in.get(Message.LONG, Ioctl.HANDLE));
        int request = in.get(Message.INT, Ioctl.REQUEST);
        long argument = in.get(Message.LONG, Ioctl.ARGUMENT);
        int inBytes = in.get(Message.INT, Ioctl.IN_BYTES);
        int outBytes = in.get(Message.INT, Ioctl.OUT_BYTES);
        if (request == FuseServer.IDENTIFY && server.isOurs(exchange.thread())) {
            out.set(Message.LONG, Ioctl.RESULT_DATA, in.get(Message.LONG, Ioctl.HANDLE));
            replyIoctl(0, Long.BYTES);
            return;
        }
        call.begin(exchange.thread());
        if ((inBytes | outBytes) != 0) {
            call.withStructure(argument, in.asSlice(Ioctl.DATA, inBytes), out.asSlice(Ioctl.RESULT_DATA, outBytes));
        }
        reader.enters(file);
        int result = NodeCalls.ioctl(file, call, request, argument);
        replyIoctl(result, call.answerBytes());
    }

    private void replyIoctl(int result, long dataBytes) {
        out.set(Message.INT, Ioctl.RESULT, result);
        out.set(Message.INT, Ioctl.RESULT + 4, 0);
        out.set(Message.LONG, Ioctl.RESULT + 8, 0);
        exchange.replyPayload(Ioctl.RESULT_BYTES + dataBytes);
    }

    private void read() {
        OpenFile file = server.files().get(in.get(Message.LONG, Transfer.HANDLE));
        int wanted = in.get(Message.INT, Transfer.SIZE);
        call.begin(exchange.thread()).withFlags(in.get(Message.INT, Transfer.OPEN_FLAGS));
        reader.enters(file);
        int result = NodeCalls.read(file, call, out.asSlice(Out.PAYLOAD, wanted), in.get(Message.LONG, Transfer.OFFSET));
        if (result < 0) {
            exchange.reply(result);
        } else {
            exchange.replyPayload(result);
        }
    }

    private void write() {
        OpenFile file = server.files().get(in.get(Message.LONG, Transfer.HANDLE));
        int offered = in.get(Message.INT, Transfer.SIZE);
        call.begin(exchange.thread()).withFlags(in.get(Message.INT, Transfer.OPEN_FLAGS));
        reader.enters(file);
        int result = NodeCalls.write(file, call, in.asSlice(Transfer.WRITE_DATA, offered), in.get(Message.LONG, Transfer.OFFSET));
        if (result < 0) {
            exchange.reply(result);
        } else {
            out.set(Message.LONG, Transfer.OUT_WRITTEN, result);
            exchange.replyPayload(Transfer.OUT_WRITTEN_BYTES);
        }
    }

    private void poll() {
        OpenFile file = server.files().get(in.get(Message.LONG, Poll.HANDLE));
        boolean watched = (in.get(Message.INT, Poll.FLAGS) & Poll.SCHEDULE_NOTIFY) != 0;
        reader.enters(file);
        out.set(Message.LONG, Poll.OUT_EVENTS, file.poll(in.get(Message.LONG, Poll.KERNEL_HANDLE), watched));
        exchange.replyPayload(Poll.OUT_BYTES);
    }

    private void open() {
        long inode = exchange.node();
        call.begin(exchange.thread());
        OpenFile file;
        try {
            file = FuseServer.isAwaited(inode) ? server.takeAwaited(inode) : server.open(inode, call, reader);
        } catch (IommufdException refused) {
            exchange.reply(-refused.errno().number());
            return;
        }
        // The kernel takes no file that is a stream and can be mapped.
        boolean stream = !file.positioned && file.mappableFile.isEmpty();
        int flags = Open.DIRECT_IO | Open.PARALLEL_DIRECT_WRITES | (stream ? Open.STREAM : 0);
        int backing = 0;
        if (file.mappableFile.isPresent()) {
            try {
                backing = server.backing().acquire(inode, file.mappableFile.getAsInt());
            } catch (IommufdException refused) {
                server.abandon(file);
                exchange.reply(-refused.errno().number());
                return;
            }
            flags |= Open.PASSTHROUGH;
        }
        long handle = server.files().add(file);
        out.set(Message.LONG, Open.OUT_HANDLE, handle);
        out.set(Message.INT, Open.OUT_FLAGS, flags);
        out.set(Message.INT, Open.OUT_BACKING, backing);
        if (!exchange.replyPayload(Open.OUT_BYTES)) {
            release(handle, inode);
        }
    }

    private void release() {
        release(in.get(Message.LONG, Transfer.HANDLE), exchange.node());
        exchange.reply(0);
    }

    private void release(long handle, long inode) {
        OpenFile file = server.files().remove(handle);
        if (file.mappableFile.isPresent()) {
            server.backing().release(inode);
        }
        server.abandon(file);
    }

    private void interrupt() {
        exchange.noReply();
        server.interruptRequest(in.get(Message.LONG, In.PAYLOAD));
    }

    private void lookUp() {
        String name = Message.string(in, In.PAYLOAD);
        if (exchange.node() == NodeTree.ROOT && name.startsWith(FuseServer.AWAITED_PREFIX) && server.isOurs(exchange.thread())) {
            long number = Long.parseLong(name.substring(FuseServer.AWAITED_PREFIX.length()));
            if (server.files().isAwaited(number)) {
                replyEntry(FuseServer.AWAITED_INODES + number, Attributes.S_IFREG | 0600, Permissions.DEFAULT);
                return;
            }
        }
        if (exchange.node() == NodeTree.ROOT && name.equals(FuseServer.SYSFS_ROOT) && server.isOurs(exchange.thread())) {
            sysfs.replyEntry(server.sysfs().entry(SysfsTree.ROOT).orElseThrow());
            return;
        }
        Optional<NodeTree.Entry> found = server.tree().lookUp(exchange.node(), name);
        if (found.isEmpty()) {
            exchange.reply(-ErrorNumber.ENOENT);
        } else {
            Permissions permissions = permissions(found.get());
            replyEntry(found.get().inode(), mode(found.get(), permissions), permissions);
        }
    }

    private void replyEntry(long inode, int mode, Permissions permissions) {
        out.asSlice(Out.PAYLOAD, Attributes.ENTRY_BYTES).fill((byte) 0);
        out.set(Message.LONG, Out.PAYLOAD, inode);
        putAttributes(Attributes.ENTRY_ATTRIBUTES, inode, mode, permissions);
        exchange.replyPayload(Attributes.ENTRY_BYTES);
    }

    private void attributes() {
        long inode = exchange.node();
        // A node that is gone can still be looked at by who has it open.
        Optional<NodeTree.Entry> entry = server.tree().entry(inode);
        Permissions permissions = entry.map(Requests::permissions).orElse(Permissions.DEFAULT);
        int mode = entry.map(found -> mode(found, permissions)).orElse(Attributes.S_IFREG | permissions.mode());
        out.asSlice(Out.PAYLOAD, Attributes.OUT_BYTES).fill((byte) 0);
        putAttributes(Attributes.OUT_ATTRIBUTES, inode, mode, permissions);
        exchange.replyPayload(Attributes.OUT_BYTES);
    }

    private void putAttributes(int at, long inode, int mode, Permissions permissions) {
        out.set(Message.LONG, at + Attributes.INODE, inode);
        out.set(Message.LONG, at + Attributes.SIZE, (mode & Attributes.S_IFDIR) != 0 ? 0 : FILE_BYTES);
        out.set(Message.INT, at + Attributes.MODE, mode);
        out.set(Message.INT, at + Attributes.LINKS, 1);
        out.set(Message.INT, at + Attributes.USER, permissions.user());
        out.set(Message.INT, at + Attributes.GROUP, permissions.group());
        out.set(Message.INT, at + Attributes.BLOCK_SIZE, 4096);
    }

    private static Permissions permissions(NodeTree.Entry entry) {
        return entry.node().map(node -> node.permissions).orElse(new Permissions(0, 0, DIRECTORY_MODE));
    }

    private static int mode(NodeTree.Entry entry, Permissions permissions) {
        return permissions.mode() | (entry.isDirectory() ? Attributes.S_IFDIR : Attributes.S_IFREG);
    }

    private void openDirectory() {
        out.asSlice(Out.PAYLOAD, Open.OUT_BYTES).fill((byte) 0);
        exchange.replyPayload(Open.OUT_BYTES);
    }

    private record Name(long inode, String name, int mode) {}

    private List<Name> names(boolean ofSysfs) {
        return ofSysfs ? sysfs.list().stream().map(entry -> new Name(entry.inode(), entry.name(), SysfsRequests.mode(entry.content()))).toList()
                : server.tree().list(exchange.node()).stream()
                        .map(entry -> new Name(entry.inode(), entry.name(), entry.isDirectory() ? Attributes.S_IFDIR : Attributes.S_IFREG)).toList();
    }

    private void readDirectory(boolean ofSysfs) {
        List<Name> names = names(ofSysfs);
        long room = in.get(Message.INT, Transfer.SIZE);
        int bytes = 0;
        for (int index = (int) in.get(Message.LONG, Transfer.OFFSET); index < names.size(); index++) {
            byte[] name = names.get(index).name().getBytes(StandardCharsets.UTF_8);
            int length = DirectoryEntry.NAME + name.length + 7 & ~7;
            if (bytes + length > room) {
                break;
            }
            MemorySegment record = out.asSlice(Out.PAYLOAD + bytes, length);
            record.fill((byte) 0);
            record.set(Message.LONG, DirectoryEntry.INODE, names.get(index).inode());
            record.set(Message.LONG, DirectoryEntry.NEXT, index + 1);
            record.set(Message.INT, DirectoryEntry.NAME_LENGTH, name.length);
            record.set(Message.INT, DirectoryEntry.TYPE, (names.get(index).mode() & Attributes.S_IFMT) >> TYPE_SHIFT);
            record.asSlice(DirectoryEntry.NAME, name.length).copyFrom(MemorySegment.ofArray(name));
            bytes += length;
        }
        exchange.replyPayload(bytes);
    }

    private void statFileSystem() {
        out.asSlice(Out.PAYLOAD, STATFS_BYTES).fill((byte) 0);
        exchange.replyPayload(STATFS_BYTES);
    }
}
