package vmm.devices.nvme;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What must not show while commands are executed: that hardware is exchanged, and garbage. */
@Timeout(60)
class UnderChangeTest {
    private static final int BATCH = 32;

    @TempDir
    Path directory;

    private static void run(GuestDriver guest, GuestDriver.Queue queue, long buffer, int count) {
        for (int done = 0; done < count; done += BATCH) {
            for (int i = 0; i < BATCH; i++) {
                queue.put(i % 2 == 0 ? Command.read(1, done % 1000, 2, 0).prp(buffer, buffer + 4096) : Command.write(1, done % 1000, 1, buffer));
            }
            queue.ring();
            assertThat(guest.await(queue, BATCH)).hasSize(BATCH).allMatch(c -> c.status() == 0);
        }
    }

    @Test
    void commandsSucceedWhileHardwareIsExchanged() throws InterruptedException {
        try (var board = new Board(Board.Vendor.VTD, Disks.random(directory, "a", 12))) {
            var guest = new GuestDriver(board).enable();
            var queue = guest.createQueues(1, 64);
            long buffer = guest.allocate(8192);
            var swaps = new AtomicInteger();
            Thread operator = Thread.ofPlatform().start(() -> {
                for (int i = 0; i < 20; i++) {
                    board.swap(i % 2 == 0 ? Board.Vendor.VTD : Board.Vendor.SMMUV3);
                    swaps.incrementAndGet();
                }
            });
            while (operator.isAlive()) {
                run(guest, queue, buffer, BATCH);
            }
            operator.join();
            assertThat(swaps).hasValue(20);
            assertThat(guest.register(0x1c)).isEqualTo(1);
        }
    }

    @Test
    void readsAndWritesMakeNoGarbage() {
        try (var board = new Board(Disks.random(directory, "a", 12))) {
            var guest = new GuestDriver(board).enable();
            var queue = guest.createQueues(1, 64);
            long buffer = guest.allocate(8192);
            run(guest, queue, buffer, 40_000);
            var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long allocated = 0;
            int commands = 0;
            for (int round = 0; round < 200; round++) {
                for (int i = 0; i < BATCH; i++) {
                    queue.put(i % 2 == 0 ? Command.read(1, i, 2, 0).prp(buffer, buffer + 4096) : Command.write(1, i, 1, buffer));
                }
                queue.ring();
                long before = threads.getCurrentThreadAllocatedBytes();
                commands += board.controller.doWork();
                allocated += threads.getCurrentThreadAllocatedBytes() - before;
                queue.take();
            }
            assertThat(commands).isEqualTo(200 * BATCH);
            assertThat(allocated / commands).as("bytes for each command").isZero();
        }
    }
}
