package iommufd.core.space;

import static iommufd.core.space.Refusals.assertRefused;
import static iommufd.api.Access.View.OWNER;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.AccessClient;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Software access: pins, copies and letting go; with the kernel selftest's cases access_pin, access_pin_unmap, access_rw. */
class SpaceAccessTest extends SpaceTest {
    private static final DmaAccess RW = DmaAccess.READ_WRITE;
    private static final long BASE = 16L << 20;
    private final List<IovaRange> notified = new ArrayList<>();
    private SpaceAccess access;

    private SpaceAccess open(boolean letsGo) {
        access = space.openAccess((iova, length) -> {
            notified.add(new IovaRange(iova, iova + length - 1));
            if (letsGo) {
                access.unpin(BASE, 4 * PAGE);
            }
        });
        return access;
    }

    @Test
    void pinsAreCountedAndSharedWithPageTables() {
        open(false);
        for (int pages = 1; pages < 20; pages++) {
            long length = pages * PAGE;
            space.mapAt(BASE, memory, 0, 20 * PAGE, RW);
            PinnedRuns runs = new PinnedRuns(1);
            access.pin(BASE, length, true, runs);
            assertThat(runs.physicalAddress(0)).isEqualTo(memory.physicalAddress(0));
            access.unpin(BASE, length);
            assertThat(memory.pinnedPages()).isZero();
            access.pin(BASE, length, true, runs);
            access.pin(BASE, length, false, runs);
            access.unpin(BASE, length);
            assertThat(memory.pinnedPages()).isEqualTo(pages);
            ModelDomain domain = new ModelDomain();
            space.addDomain(domain);
            assertThat(domain.entries).hasSize(20);
            assertThat(memory.pinnedPages()).isEqualTo(20);
            assertThat(charge.pages).isEqualTo(20);
            space.removeDomain(domain);
            assertThat(memory.pinnedPages()).isEqualTo(pages);
            access.unpin(BASE, length);
            assertRefused(Errno.EINVAL, () -> access.unpin(BASE, length));
            space.unmap(BASE, 20 * PAGE);
        }
        access.close();
    }

    @Test
    void unmapAsksForPinsAndThenSucceeds() {
        open(true);
        space.mapAt(BASE, memory, 0, 4 * PAGE, RW);
        access.pin(BASE, 4 * PAGE, true, new PinnedRuns(1));
        assertThat(space.unmap(BASE, 4 * PAGE)).isEqualTo(4 * PAGE);
        assertThat(notified).containsExactly(new IovaRange(BASE, BASE + 4 * PAGE - 1));
        assertRefused(Errno.EINVAL, () -> access.unpin(BASE, 4 * PAGE));
    }

    @Test
    void anAccessThatNeverLetsGoMakesUnmapGiveUp() {
        open(false);
        space.mapAt(BASE, memory, 0, 4 * PAGE, RW);
        space.mapAt(BASE + 4 * PAGE, memory, 0, 4 * PAGE, RW);
        access.pin(BASE, 4 * PAGE, true, new PinnedRuns(1));
        assertRefused(Errno.EDEADLOCK, () -> space.unmapAll());
        assertThat(notified).hasSize(100);
        assertThat(space.mappedBytes()).isEqualTo(8 * PAGE);
        access.pin(BASE + 4 * PAGE, PAGE, true, new PinnedRuns(1));
        access.close();
        assertThat(memory.pinnedPages()).isZero();
        assertThat(space.unmapAll()).isEqualTo(8 * PAGE);
    }

    @Test
    void aMappingThatIsBeingUnmappedIsOccupiedButRefusesPins() {
        space.mapAt(BASE, memory, 0, 4 * PAGE, RW);
        List<Errno> refusals = new ArrayList<>();
        access = space.openAccess((iova, length) -> {
            try {
                access.pin(BASE, PAGE, true, new PinnedRuns(1));
            } catch (IommufdException refused) {
                refusals.add(refused.errno());
            }
            CompletableFuture.runAsync(() -> assertRefused(Errno.EEXIST, () -> space.mapAt(BASE, memory, 0, PAGE, RW)))
                    .orTimeout(5, TimeUnit.SECONDS).join();
            access.unpin(BASE, 4 * PAGE);
        });
        access.pin(BASE, 4 * PAGE, true, new PinnedRuns(1));
        space.unmap(BASE, 4 * PAGE);
        assertThat(refusals).containsExactly(Errno.EINVAL);
    }

    @Test
    void whatAHardwareQueueUsesCannotBeUnmapped() {
        SpaceAccess queue = space.openLockingAccess();
        space.mapAt(BASE, memory, 0, 4 * PAGE, RW);
        queue.pin(BASE + PAGE, PAGE, true, new PinnedRuns(1));
        assertRefused(Errno.EBUSY, () -> space.unmap(BASE, 4 * PAGE));
        assertRefused(Errno.EBUSY, () -> space.unmapAll());
        queue.unpin(BASE + PAGE, PAGE);
        assertThat(space.unmap(BASE, 4 * PAGE)).isEqualTo(4 * PAGE);
        queue.close();
    }

    @Test
    void pinsNeedAMappedAlignedAndPermittedRange() {
        open(false);
        PinnedRuns runs = new PinnedRuns(1);
        space.mapAt(BASE, memory, 0, 4 * PAGE, DmaAccess.READ);
        space.mapAt(BASE + 4 * PAGE, memory, 0, 4 * PAGE, DmaAccess.WRITE);
        assertRefused(Errno.EPERM, () -> access.pin(BASE, PAGE, true, runs));
        assertRefused(Errno.EPERM, () -> access.pin(BASE, 8 * PAGE, false, runs));
        assertRefused(Errno.EINVAL, () -> access.pin(BASE + 1, PAGE, false, runs));
        assertRefused(Errno.ENOENT, () -> access.pin(BASE + 4 * PAGE, 8 * PAGE, true, runs));
        assertRefused(Errno.ENOENT, () -> access.pin(BASE - PAGE, PAGE, true, runs));
        assertRefused(Errno.EINVAL, () -> access.pin(BASE, 0, true, runs));
        assertRefused(Errno.EOVERFLOW, () -> access.pin(-PAGE, 2 * PAGE, true, runs));
        assertThat(runs.totalBytes()).isZero();
        access.close();
        access.close();
        assertRefused(Errno.ENOENT, () -> access.pin(BASE, PAGE, false, runs));
        SpaceAccess never = space.openAccess(AccessClient.WITHOUT_PINS);
        assertRefused(Errno.EINVAL, () -> never.pin(BASE, PAGE, false, runs));
        never.close();
    }

    @Test
    void copiesReachEveryByteAcrossPagesAndAreas() {
        SpaceAccess copier = space.openAccess(AccessClient.WITHOUT_PINS);
        space.mapAt(BASE + 3, memory, 5, 2 * PAGE, RW);
        space.mapAt(BASE + 3 + 2 * PAGE, file, 20 * PAGE, 3 * PAGE, RW);
        Random random = new Random(1);
        byte[] model = new byte[(int) (5 * PAGE)];
        random.nextBytes(model);
        copier.write(BASE + 3, MemorySegment.ofArray(model), OWNER);
        for (int i = 0; i < 2000; i++) {
            int from = random.nextInt(model.length);
            int length = 1 + random.nextInt(Math.min(9000, model.length - from));
            byte[] bytes = new byte[length];
            if (random.nextBoolean()) {
                random.nextBytes(bytes);
                System.arraycopy(bytes, 0, model, from, length);
                copier.write(BASE + 3 + from, MemorySegment.ofArray(bytes), OWNER);
            } else {
                copier.read(BASE + 3 + from, MemorySegment.ofArray(bytes), OWNER);
                assertThat(bytes).isEqualTo(Arrays.copyOfRange(model, from, from + length));
            }
        }
        long physicalByte = memory.physicalAddress(5 + 17);
        assertThat(ram.segment().get(ValueLayout.JAVA_BYTE, physicalByte - ram.physicalAddress())).isEqualTo(model[17]);
        assertThat(memory.pinnedPages()).isZero();
        assertRefused(Errno.ENOENT, () -> copier.read(BASE + 3 + 5 * PAGE - 1, MemorySegment.ofArray(new byte[2]), OWNER));
        copier.close();
    }

    @Test
    void copiesRespectPermissionAndUseWhatIsPinnedAlready() {
        open(false);
        space.mapAt(BASE, memory, 0, 4 * PAGE, DmaAccess.READ);
        assertRefused(Errno.EPERM, () -> access.write(BASE, MemorySegment.ofArray(new byte[1]), OWNER));
        access.pin(BASE, PAGE, false, new PinnedRuns(1));
        memory.pinsUntilRefusal = 0;
        access.read(BASE + 8, MemorySegment.ofArray(new byte[100]), OWNER);
        assertRefused(Errno.EFAULT, () -> access.read(BASE + 8, MemorySegment.ofArray(new byte[(int) PAGE]), OWNER));
        assertThat(charge.pages).isOne();
        access.close();
    }
}
