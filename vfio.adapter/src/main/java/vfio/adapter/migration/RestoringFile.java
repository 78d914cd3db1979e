package vfio.adapter.migration;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.node.OpenNode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a client writes a device's state to. Thread-safe. */
final class RestoringFile implements OpenNode {
    private static final Logger LOG = LoggerFactory.getLogger(RestoringFile.class);

    private final WritableByteChannel target;
    private boolean disabled;

    RestoringFile(WritableByteChannel target) {
        this.target = target;
    }

    /** The state is complete: the device takes it. @throws IommufdException what the device says of it */
    synchronized void finish() {
        disabled = true;
        try {
            target.close();
        } catch (IOException failed) {
            throw new IommufdException(Errno.EIO, "the device's state cannot be restored", failed);
        }
    }

    /** The state is not wanted any more. */
    synchronized void disable() {
        if (!disabled) {
            try {
                finish();
            } catch (IommufdException incomplete) {
                LOG.debug("a state that nobody wants was incomplete: {}", incomplete.getMessage());
            }
        }
    }

    @Override
    public synchronized int write(Caller caller, MemorySegment source, long offset) {
        if (disabled) {
            throw new IommufdException(Errno.ENODEV, "the device has left the state in which this could be written");
        }
        try {
            ByteBuffer bytes = source.asByteBuffer();
            int written = 0;
            while (bytes.hasRemaining()) {
                written += target.write(bytes);
            }
            return written;
        } catch (IOException failed) {
            throw new IommufdException(Errno.EIO, "the device's state cannot be restored", failed);
        }
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) {
        throw new IommufdException(Errno.ENOTTY, "a file of a device's state knows no request 0x%x".formatted(request));
    }

    /** The client has closed it, which ends nothing: it tells by the next state. */
    @Override
    public void close() { }
}
