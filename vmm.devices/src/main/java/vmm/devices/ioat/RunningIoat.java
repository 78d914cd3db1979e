package vmm.devices.ioat;

import iommufd.api.dma.DmaPort;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import vfio.device.DeviceHost;
import vfio.device.RunningDevice;

/**
 * An engine in the hands of a driver: a thread that looks at the registers without a break while the driver is busy, and ten thousand
 * times a second when it has not been for a while. Drivers wait for an answer by counting to some hundred.
 */
final class RunningIoat implements RunningDevice {
    private static final long BUSY_NANOS = TimeUnit.SECONDS.toNanos(3);
    private static final long NAP_NANOS = TimeUnit.MICROSECONDS.toNanos(100);
    private static final int LOOKS_BETWEEN_CLOCKS = 256;
    private static final int ALIGNMENT = 64;

    private final Arena arena = Arena.ofShared();
    private final DmaPort port;
    private final Thread thread;
    private final IoatChannel channel;
    /** Held while the channel is at work. */
    private final Object work = new Object();
    private volatile boolean closed;

    RunningIoat(DeviceHost host, String name) {
        port = host.openPort();
        channel = new IoatChannel(new ChannelRegisters(host.sharedMemory(IoatDevice.REGISTER_BAR)), port, host.interrupts(),
                arena.allocate(IoatChannel.SCRATCH_BYTES, ALIGNMENT));
        thread = Thread.ofPlatform().name("ioat-" + name).daemon().unstarted(this::poll);
        thread.start();
    }

    private void poll() {
        long lastBusyNanos = System.nanoTime();
        while (!closed) {
            boolean busy = false;
            synchronized (work) {
                for (int i = 0; i < LOOKS_BETWEEN_CLOCKS && !closed; i++) {
                    busy |= channel.step();
                    Thread.onSpinWait();
                }
            }
            long now = System.nanoTime();
            if (busy) {
                lastBusyNanos = now;
            } else if (now - lastBusyNanos > BUSY_NANOS) {
                LockSupport.parkNanos(NAP_NANOS);
            } else {
                Thread.yield();   // to a driver that counts on the same processor
            }
        }
    }

    @Override
    public long read(int bar, long offset, int widthBytes) {
        return 0;   // the pending bits: a message is never kept back
    }

    @Override
    public void write(int bar, long offset, int widthBytes, long value) {
        // Nothing but interrupt tables is trapped.
    }

    @Override
    public void sharedWritten(int bar, long offset, int lengthBytes) {
        LockSupport.unpark(thread);
    }

    @Override
    public void reset() {
        synchronized (work) {
            channel.powerOn();
        }
    }

    @Override
    public void close() {
        closed = true;
        LockSupport.unpark(thread);
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException again) {
                interrupted = true;
            }
        }
        port.close();
        arena.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
