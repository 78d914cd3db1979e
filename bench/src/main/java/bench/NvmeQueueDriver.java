package bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import vmm.devices.nvme.NvmeController;

/** An NVMe driver as small as it can be: one queue pair in guest RAM, random blocks, doorbells in shared memory. One thread. */
final class NvmeQueueDriver {
    /** Where guest RAM is for the device. */
    static final long IOVA = 0x1_0000_0000L;
    static final int WRITE = 1;
    static final int READ = 2;

    private static final VarHandle DOORBELL = JAVA_INT.varHandle();
    private static final long ADMIN_SUBMISSIONS = 0;
    private static final long ADMIN_COMPLETIONS = 0x1000;
    private static final long SUBMISSIONS = 0x2000;
    private static final long COMPLETIONS = 0x6000;
    private static final long BUFFERS = 1 << 20;
    private static final int ENTRIES = 256;
    private static final int BLOCKS = 64 << 8;
    private static final long PAGE = 4096;

    private final NvmeController controller;
    private final MemorySegment doorbells;
    private final MemorySegment ram;
    private int tail;
    private int head;
    private int phase = 1;
    private int adminTail;
    private long seed = 99;

    NvmeQueueDriver(NvmeController controller, MemorySegment doorbells, MemorySegment ram) {
        this.controller = controller;
        this.doorbells = doorbells;
        this.ram = ram;
    }

    /** Enables the controller and creates the queues. */
    void start() {
        controller.write(0x24, 4, 15 | 15 << 16);
        controller.write(0x28, 8, IOVA + ADMIN_SUBMISSIONS);
        controller.write(0x30, 8, IOVA + ADMIN_COMPLETIONS);
        controller.write(0x14, 4, 1 | 6 << 16 | 4 << 20);
        controller.doWork();
        admin(5, COMPLETIONS, 1);
        admin(1, SUBMISSIONS, 1 | 1 << 16);
    }

    private void admin(int opcode, long queue, int word11) {
        long at = ADMIN_SUBMISSIONS + adminTail * 64L;
        ram.asSlice(at, 64).fill((byte) 0);
        ram.set(JAVA_INT, at, opcode);
        ram.set(JAVA_LONG, at + 24, IOVA + queue);
        ram.set(JAVA_INT, at + 40, 1 | ENTRIES - 1 << 16);
        ram.set(JAVA_INT, at + 44, word11);
        DOORBELL.setRelease(doorbells, 0L, ++adminTail);
        controller.doWork();
        int status = ram.get(JAVA_INT, ADMIN_COMPLETIONS + (adminTail - 1) * 16L + 12) >>> 16;
        if (status != 1) {
            throw new IllegalStateException("admin command %d ended with 0x%x".formatted(opcode, status));
        }
    }

    /** Executes {@code count} commands on random blocks, {@code depth} at a time. */
    void run(int opcode, int count, int depth) {
        for (int done = 0; done < count; done += depth) {
            for (int i = 0; i < depth; i++) {
                submit(opcode, i);
            }
            DOORBELL.setRelease(doorbells, 8L, tail);
            int completed = 0;
            while (completed < depth) {
                controller.doWork();
                completed += take();
            }
        }
    }

    private void submit(int opcode, int buffer) {
        seed = seed * 6364136223846793005L + 1442695040888963407L;
        long at = SUBMISSIONS + tail * 64L;
        ram.set(JAVA_INT, at, opcode | buffer << 16);
        ram.set(JAVA_INT, at + 4, 1);
        ram.set(JAVA_LONG, at + 24, IOVA + BUFFERS + buffer * PAGE);
        ram.set(JAVA_LONG, at + 40, (seed >>> 33) % BLOCKS);
        ram.set(JAVA_INT, at + 48, 0);
        tail = tail + 1 & ENTRIES - 1;
    }

    private int take() {
        int taken = 0;
        while (true) {
            int last = (int) DOORBELL.getAcquire(ram, COMPLETIONS + head * 16L + 12);
            if ((last >>> 16 & 1) != phase) {
                break;
            }
            if (last >>> 17 != 0) {
                throw new IllegalStateException("a command ended with status 0x%x".formatted(last >>> 17));
            }
            taken++;
            head = head + 1 & ENTRIES - 1;
            phase ^= head == 0 ? 1 : 0;
        }
        if (taken > 0) {
            DOORBELL.setRelease(doorbells, 12L, head);
        }
        return taken;
    }
}
