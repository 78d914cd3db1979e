package vfio.adapter.migration;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.node.OpenNode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.ReadableByteChannel;
import vfio.adapter.uapi.VfioPrecopyInfo;
import vfio.device.Migration;

/** What a client reads a device's state from. While the device runs it ends for now ({@code ENOMSG}) rather than for good. Thread-safe. */
final class SavingFile implements OpenNode {
    private final Migration device;
    private final long initialBytes;
    private ReadableByteChannel source;
    private boolean running;
    private boolean disabled;
    private long readBytes;

    /** @param running whether the device goes on changing its state */
    SavingFile(Migration device, ReadableByteChannel source, boolean running) {
        this.device = device;
        this.source = source;
        this.running = running;
        this.initialBytes = running ? device.runningBytes() : 0;
    }

    /** The device is stopped: what is left comes from here. */
    synchronized void stopped(ReadableByteChannel rest) {
        close(source);
        source = rest;
        running = false;
    }

    /** Nothing can be read any more. */
    synchronized void disable() {
        if (!disabled) {
            disabled = true;
            close(source);
        }
    }

    private static void close(ReadableByteChannel channel) {
        try {
            channel.close();
        } catch (IOException failed) {
            throw new IommufdException(Errno.EIO, "a device's state could not be given back", failed);
        }
    }

    @Override
    public synchronized int read(Caller caller, MemorySegment target, long offset) {
        if (disabled) {
            throw new IommufdException(Errno.ENODEV, "the device has left the state in which this could be read");
        }
        try {
            int count = source.read(target.asByteBuffer());
            if (running && count <= 0) {
                throw new IommufdException(Errno.ENOMSG, "nothing more for now; the device still runs");
            }
            readBytes += Math.max(count, 0);
            return Math.max(count, 0);
        } catch (IOException failed) {
            throw new IommufdException(Errno.EIO, "the device's state cannot be read", failed);
        }
    }

    @Override
    public synchronized long ioctl(Caller caller, int request, long argument) {
        if (request != VfioPrecopyInfo.VFIO_MIG_GET_PRECOPY_INFO) {
            throw new IommufdException(Errno.ENOTTY, "a file of a device's state knows no request 0x%x".formatted(request));
        }
        MemorySegment info = MemorySegment.ofArray(new long[VfioPrecopyInfo.SIZE_BYTES / Long.BYTES]);
        caller.memory().read(argument, info);
        if (Integer.compareUnsigned(info.get(ValueLayout.JAVA_INT_UNALIGNED, 0), VfioPrecopyInfo.MIN_BYTES) < 0 || disabled || !running) {
            throw new IommufdException(Errno.EINVAL, "a struct that is too short, or the device does not run any more");
        }
        long initialLeft = Math.max(0, initialBytes - readBytes);
        VfioPrecopyInfo.flags(info, 0);
        VfioPrecopyInfo.initialBytes(info, initialLeft);
        VfioPrecopyInfo.dirtyBytes(info, initialLeft > 0 ? 0 : device.runningBytes());
        caller.memory().write(argument, info);
        return 0;
    }

    /** The client has closed it; the device's state is its own. */
    @Override
    public void close() {
        disable();
    }
}
