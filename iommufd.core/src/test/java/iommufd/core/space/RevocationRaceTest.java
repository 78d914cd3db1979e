package iommufd.core.space;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.UserMemory;
import iommufd.core.memory.HostPhysicalMemory;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Memory that is revoked while other threads map, copy and show it: once revoke has returned, no page table shows it. */
class RevocationRaceTest {
    private static final long PAGE = UserMemory.PAGE_BYTES;
    private static final int ROUNDS = 400;

    @Test
    void nothingShowsTheMemoryOnceRevokeHasReturned() throws Exception {
        try (HostPhysicalMemory physical = new HostPhysicalMemory(32L << 20)) {
            for (int round = 0; round < ROUNDS; round++) {
                revokeWhileMapping(physical, round);
            }
        }
    }

    private static void revokeWhileMapping(HostPhysicalMemory physical, int round) throws Exception {
        GuestRam ram = physical.allocateGuestRam(16 * PAGE, false);
        IovaSpace first = new IovaSpace(PinCharge.NONE);
        IovaSpace second = new IovaSpace(PinCharge.NONE);
        ModelDomain firstDomain = new ModelDomain();
        ModelDomain secondDomain = new ModelDomain();
        first.addDomain(firstDomain);
        CountDownLatch started = new CountDownLatch(3);
        CompletableFuture<Void> mapper = CompletableFuture.runAsync(() -> repeat(started, i -> {
            first.mapAt(i * 16 * PAGE, ram, 0, 4 * PAGE, DmaAccess.READ_WRITE);
            if (i % 3 == 0) {
                first.unmap(i * 16 * PAGE, 4 * PAGE);
            }
        }));
        CompletableFuture<Void> copier = CompletableFuture.runAsync(() -> repeat(started,
                i -> second.copy(first, i * 16 * PAGE, 2 * PAGE, DmaAccess.READ)));
        CompletableFuture<Void> attacher = CompletableFuture.runAsync(() -> repeat(started, i -> {
            second.addDomain(secondDomain);
            if (i < 99) {
                second.removeDomain(secondDomain);
            }
        }));
        started.await();
        for (int spin = 0; spin < round * 20; spin++) {
            Thread.onSpinWait();
        }
        ram.revoke();
        CompletableFuture.allOf(mapper, copier, attacher).orTimeout(30, TimeUnit.SECONDS).join();
        assertThat(firstDomain.entries).as("round %d", round).isEmpty();
        assertThat(secondDomain.entries).as("round %d", round).isEmpty();
        ram.close();
        first.removeDomain(firstDomain);
        second.removeDomain(secondDomain);
        first.close();
        second.close();
        try (GuestRam next = physical.allocateGuestRam(PAGE, false)) {
            assertThat(next.physicalAddress()).as("every pin was released, so the range is free again").isEqualTo(ram.physicalAddress());
        }
    }

    private interface Step {
        void run(long i);
    }

    private static void repeat(CountDownLatch started, Step step) {
        started.countDown();
        for (long i = 0; i < 100; i++) {
            try {
                step.run(i);
            } catch (IommufdException expected) {
                boolean race = expected.errno() == Errno.ENODEV || expected.errno() == Errno.ENOENT || expected.errno() == Errno.EEXIST;
                assertThat(race).as(expected.getMessage()).isTrue();
            }
        }
    }
}
