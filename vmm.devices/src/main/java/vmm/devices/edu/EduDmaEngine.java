package vmm.devices.edu;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The DMA engine: copies between memory and its buffer, one transfer at a time, on a thread of its own because DMA may wait. */
final class EduDmaEngine implements AutoCloseable {
    /** A transfer as the registers say. */
    private record Transfer(long source, long destination, long lengthBytes, boolean toMemory) {}

    private static final Logger LOG = LoggerFactory.getLogger(EduDmaEngine.class);

    private final DmaPort port;
    private final long addressMask;
    private final Runnable onEnd;
    private final MemorySegment buffer = Arena.ofAuto().allocate(EduRegister.BUFFER_BYTES, Long.BYTES);
    private final Thread thread;
    /** What to do; null if nothing. Guarded by this, as all below. */
    private Transfer armed;
    private boolean moving;
    private boolean stopped;

    /** @param addressMask bits of memory addresses the engine has. @param onEnd told of the end of each transfer, on the engine's thread */
    EduDmaEngine(DmaPort port, long addressMask, Runnable onEnd) {
        this.port = port;
        this.addressMask = addressMask;
        this.onEnd = onEnd;
        thread = Thread.ofPlatform().daemon().inheritInheritableThreadLocals(false).name("edu-dma").start(this::run);
    }

    synchronized void start(long source, long destination, long lengthBytes, boolean toMemory) {
        armed = new Transfer(source, destination, lengthBytes, toMemory);
        notifyAll();
    }

    private void run() {
        for (Transfer next = take(); next != null; next = take()) {
            try {
                move(next);
                onEnd.run();
            } finally {
                end();
            }
        }
    }

    /** @return null once stopped */
    private synchronized Transfer take() {
        while (armed == null && !stopped) {
            try {
                wait();
            } catch (InterruptedException nobodyDoesThat) {
                stopped = true;
            }
        }
        Transfer next = stopped ? null : armed;
        armed = null;
        moving = next != null;
        return next;
    }

    private synchronized void end() {
        moving = false;
        notifyAll();
    }

    /** What does not fit into the buffer is not moved at all. */
    private void move(Transfer transfer) {
        long inBuffer = (transfer.toMemory ? transfer.source : transfer.destination) - EduRegister.BUFFER;
        boolean inside = inBuffer >= 0 && transfer.lengthBytes >= 0 && transfer.lengthBytes <= EduRegister.BUFFER_BYTES
                && inBuffer <= EduRegister.BUFFER_BYTES - transfer.lengthBytes;
        if (!inside) {
            LOG.info("{} does not lie in the device's buffer, nothing is moved", transfer);
            return;
        }
        if (transfer.lengthBytes == 0) {
            return;
        }
        DmaStatus status = transfer.toMemory
                ? port.write(transfer.destination & addressMask, buffer, inBuffer, transfer.lengthBytes)
                : port.read(transfer.source & addressMask, buffer, inBuffer, transfer.lengthBytes);
        if (status != DmaStatus.DONE) {
            LOG.debug("{} failed: {}", transfer, port.lastFault());
        }
    }

    /** Forgets what was not begun, waits for what was, and clears the buffer. */
    synchronized void reset() {
        armed = null;
        while (moving) {
            try {
                wait();
            } catch (InterruptedException stop) {
                Thread.currentThread().interrupt();
                return;
            }
        }
        buffer.fill((byte) 0);
    }

    @Override
    public void close() {
        synchronized (this) {
            stopped = true;
            notifyAll();
        }
        try {
            thread.join();
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        }
        port.close();
    }
}
