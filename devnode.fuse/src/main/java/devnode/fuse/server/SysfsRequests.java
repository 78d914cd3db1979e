package devnode.fuse.server;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.server.Message.Attributes;
import devnode.fuse.server.Message.In;
import devnode.fuse.server.Message.Open;
import devnode.fuse.server.Message.Out;
import devnode.fuse.server.Message.Poll;
import devnode.fuse.server.Message.Transfer;
import iommufd.api.IommufdException;
import iommufd.api.node.OpenNode;
import iommufd.api.node.SysfsEntry;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/** Answers the requests of one reader that are for a {@link SysfsTree}. */
final class SysfsRequests {
    private static final int DIRECTORY_MODE = Attributes.S_IFDIR | 0755;
    private static final int LINK_MODE = Attributes.S_IFLNK | 0777;
    private static final int READABLE_MODE = Attributes.S_IFREG | 0444;
    private static final int WRITABLE_MODE = Attributes.S_IFREG | 0644;
    /** As the kernel shows it, whatever is in the file. */
    private static final long FILE_BYTES = 4096;

    private final SysfsTree tree;
    private final SysfsFiles files;
    private final Exchange exchange;
    private final MemorySegment in;
    private final MemorySegment out;

    SysfsRequests(SysfsTree tree, SysfsFiles files, Exchange exchange) {
        this.tree = tree;
        this.files = files;
        this.exchange = exchange;
        this.in = exchange.in;
        this.out = exchange.out;
    }

    void answer() {
        switch (exchange.opcode) {
            case Opcode.LOOKUP -> lookUp(Message.string(in, In.PAYLOAD));
            case Opcode.GETATTR, Opcode.SETATTR -> attributes();
            case Opcode.READLINK -> readLink();
            case Opcode.OPEN -> open();
            case Opcode.READ -> read();
            case Opcode.WRITE -> write();
            case Opcode.RELEASE -> {
                files.release(in.get(Message.LONG, Transfer.HANDLE));
                exchange.reply(0);
            }
            case Opcode.POLL -> {
                out.set(Message.LONG, Poll.OUT_EVENTS, OpenNode.READABLE | OpenNode.WRITABLE);
                exchange.replyPayload(Poll.OUT_BYTES);
            }
            case Opcode.IOCTL -> exchange.reply(-ErrorNumber.ENOTTY);
            default -> exchange.reply(-ErrorNumber.ENOSYS);
        }
    }

    private void lookUp(String name) {
        Optional<SysfsTree.Entry> found = tree.lookUp(exchange.node(), name);
        if (found.isEmpty()) {
            exchange.reply(-ErrorNumber.ENOENT);
        } else {
            replyEntry(found.get());
        }
    }

    /** Also for the root, which programs never look up. */
    void replyEntry(SysfsTree.Entry entry) {
        out.asSlice(Out.PAYLOAD, Attributes.ENTRY_BYTES).fill((byte) 0);
        out.set(Message.LONG, Out.PAYLOAD, entry.inode());
        putAttributes(Attributes.ENTRY_ATTRIBUTES, entry.inode(), mode(entry.content()));
        exchange.replyPayload(Attributes.ENTRY_BYTES);
    }

    private void attributes() {
        // What has gone can still be looked at by who has it open, and is mounted.
        int mode = tree.entry(exchange.node()).map(entry -> mode(entry.content())).orElse(DIRECTORY_MODE);
        out.asSlice(Out.PAYLOAD, Attributes.OUT_BYTES).fill((byte) 0);
        putAttributes(Attributes.OUT_ATTRIBUTES, exchange.node(), mode);
        exchange.replyPayload(Attributes.OUT_BYTES);
    }

    private void putAttributes(int at, long inode, int mode) {
        out.set(Message.LONG, at + Attributes.INODE, inode);
        out.set(Message.LONG, at + Attributes.SIZE, (mode & Attributes.S_IFMT) == Attributes.S_IFREG ? FILE_BYTES : 0);
        out.set(Message.INT, at + Attributes.MODE, mode);
        out.set(Message.INT, at + Attributes.LINKS, 1);
        out.set(Message.INT, at + Attributes.BLOCK_SIZE, (int) FILE_BYTES);
    }

    static int mode(SysfsEntry content) {
        return switch (content) {
            case SysfsEntry.Directory _ -> DIRECTORY_MODE;
            case SysfsEntry.Link _ -> LINK_MODE;
            case SysfsEntry.DeviceNumber _ -> READABLE_MODE;
            case SysfsEntry.Attribute attribute -> attribute.store().isPresent() ? WRITABLE_MODE : READABLE_MODE;
        };
    }

    private void readLink() {
        if (tree.entry(exchange.node()).map(SysfsTree.Entry::content).orElse(null) instanceof SysfsEntry.Link(String target)) {
            byte[] bytes = target.getBytes(StandardCharsets.UTF_8);
            MemorySegment.copy(MemorySegment.ofArray(bytes), 0, out, Out.PAYLOAD, bytes.length);
            exchange.replyPayload(bytes.length);
        } else {
            exchange.reply(-ErrorNumber.ENOENT);
        }
    }

    private void open() {
        out.asSlice(Out.PAYLOAD, Open.OUT_BYTES).fill((byte) 0);
        out.set(Message.LONG, Open.OUT_HANDLE, files.open());
        out.set(Message.INT, Open.OUT_FLAGS, Open.DIRECT_IO);
        exchange.replyPayload(Open.OUT_BYTES);
    }

    private void read() {
        long offset = in.get(Message.LONG, Transfer.OFFSET);
        try {
            byte[] content = files.read(exchange.node(), in.get(Message.LONG, Transfer.HANDLE), offset);
            long bytes = Math.clamp(content.length - offset, 0L, in.get(Message.INT, Transfer.SIZE));
            MemorySegment.copy(MemorySegment.ofArray(content), Math.min(offset, content.length), out, Out.PAYLOAD, bytes);
            exchange.replyPayload(bytes);
        } catch (IommufdException refused) {
            exchange.reply(-refused.errno().number());
        }
    }

    private void write() {
        byte[] bytes = new byte[in.get(Message.INT, Transfer.SIZE)];
        MemorySegment.copy(in, Transfer.WRITE_DATA, MemorySegment.ofArray(bytes), 0, bytes.length);
        try {
            files.write(exchange.node(), bytes, in.get(Message.LONG, Transfer.OFFSET));
            out.set(Message.LONG, Transfer.OUT_WRITTEN, bytes.length);
            exchange.replyPayload(Transfer.OUT_WRITTEN_BYTES);
        } catch (IommufdException refused) {
            exchange.reply(-refused.errno().number());
        }
    }

    List<SysfsTree.Entry> list() {
        return tree.list(exchange.node());
    }
}
