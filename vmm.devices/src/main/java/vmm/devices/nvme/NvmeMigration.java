package vmm.devices.nvme;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import vfio.device.Migration;

/**
 * How a controller moves to another host: registers, queues, features and events that wait. Blocks do not move: both hosts have
 * the same files, which are flushed when the controller stops. Commands are executed one after the other, so none is half done.
 */
final class NvmeMigration implements Migration {
    private final RunningNvme device;

    NvmeMigration(RunningNvme device) {
        this.device = device;
    }

    @Override
    public boolean peerToPeer() {
        return true;
    }

    @Override
    public void setActivity(Activity activity) {
        device.setActivity(activity);
    }

    /** Of the state nothing; but what was written is flushed meanwhile, so that little is left when the guest stands still. */
    @Override
    public boolean preCopy() {
        return true;
    }

    @Override
    public ReadableByteChannel copyRunning() {
        return new Flushing(device);
    }

    @Override
    public long stateBytes() {
        return device.save().length;
    }

    @Override
    public ReadableByteChannel copyStopped() {
        return Channels.newChannel(new ByteArrayInputStream(device.save()));
    }

    @Override
    public WritableByteChannel restore() {
        return new Arriving(device);
    }

    /** Nothing to read, ever; each look flushes. */
    private record Flushing(RunningNvme device) implements ReadableByteChannel {
        @Override
        public int read(ByteBuffer target) {
            device.flush();
            return 0;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() { }
    }

    /** What arrives, until its end. One thread. */
    private static final class Arriving implements WritableByteChannel {
        private final RunningNvme device;
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private boolean open = true;

        Arriving(RunningNvme device) {
            this.device = device;
        }

        @Override
        public int write(ByteBuffer source) {
            int count = source.remaining();
            if (bytes.size() + count > SavedState.MAX_BYTES) {
                throw new IommufdException(Errno.EINVAL, "more than %d bytes are no state of an NVMe controller".formatted(SavedState.MAX_BYTES));
            }
            byte[] part = new byte[count];
            source.get(part);
            bytes.writeBytes(part);
            return count;
        }

        @Override
        public boolean isOpen() {
            return open;
        }

        @Override
        public void close() {
            if (open) {
                open = false;
                device.restore(bytes.toByteArray());
            }
        }
    }
}
