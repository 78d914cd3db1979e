package devnode.fuse.server;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import devnode.fuse.server.Message.Out;
import devnode.fuse.server.Message.Poll;
import iommufd.api.node.OpenNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalInt;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A node that is open in some client. Thread-safe. */
final class OpenFile {
    private static final Logger LOG = LoggerFactory.getLogger(OpenFile.class);
    private static final int GONE = OpenNode.ERROR | OpenNode.HANGUP;

    final OpenNode node;
    final PublishedNode owner;
    final CallGate gate = new CallGate();
    final boolean positioned;
    final OptionalInt mappableFile;
    private final int device;
    private final long number;
    private long pollHandle;
    private boolean pollArmed;

    /** @param owner the service it came from; it goes with it */
    OpenFile(OpenNode node, PublishedNode owner, int device) {
        this.node = node;
        this.owner = owner;
        this.device = device;
        this.number = owner.counts.opened();
        this.positioned = node.positioned();
        this.mappableFile = node.mappableFile();
        node.onPollChange(this::pollChanged);
    }

    /** What people know it by, such as {@code /dev/iommu#1}. */
    String name() {
        return owner.path + "#" + number;
    }

    /** @param kernelHandle what to notify when the answer changes, if {@code watched} */
    int poll(long kernelHandle, boolean watched) {
        if (watched) {
            synchronized (this) {
                pollHandle = kernelHandle;
                pollArmed = true;
            }
        }
        if (!gate.enter()) {
            return GONE;
        }
        try {
            return node.poll(); // after arming, so that no change is missed
        } catch (RuntimeException | Error failed) {
            LOG.warn("{}: poll failed", owner.path, failed);
            return OpenNode.ERROR;
        } finally {
            gate.leave();
        }
    }

    /** Wakes who waits in poll(2). Whoever still wants to know asks again. */
    private void pollChanged() {
        long kernelHandle;
        synchronized (this) {
            if (!pollArmed) {
                return;
            }
            pollArmed = false;
            kernelHandle = pollHandle;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment notice = arena.allocate(Poll.NOTIFY_BYTES, 8);
            notice.set(Message.INT, Out.LENGTH, Poll.NOTIFY_BYTES);
            notice.set(Message.INT, Out.ERROR, Poll.NOTIFY_CODE);
            notice.set(Message.LONG, Poll.NOTIFY_KERNEL_HANDLE, kernelHandle);
            long written = Linux.write(device, notice.address(), Poll.NOTIFY_BYTES);
            if (written < 0 && written != -ErrorNumber.ENOENT && written != -ErrorNumber.ENODEV) {
                LOG.warn("{}: a poll notification failed with errno {}", owner.path, -written);
            }
        }
    }

    /** Nobody gets in any more. @return false if that was so before; otherwise {@link #close} must follow */
    boolean shut() {
        return gate.shut();
    }

    /** The client has let go of it, or must. */
    void close() {
        try {
            node.close();
        } catch (RuntimeException | Error failed) {
            LOG.warn("{}: closing failed", owner.path, failed);
        }
        if (owner.trace.isOn()) {
            owner.trace.closed(name());
        }
        owner.files.remove(this); // last: whoever withdraws the service waits for it
        pollChanged();
    }
}
