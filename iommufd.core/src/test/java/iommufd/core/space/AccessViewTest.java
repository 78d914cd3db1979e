package iommufd.core.space;

import static iommufd.api.Access.View.DEVICE;
import static iommufd.api.Access.View.OWNER;
import static iommufd.core.space.Refusals.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Access;
import iommufd.api.AccessClient;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Which memory a copy reaches when a process maps something else after its pages were pinned: Linux's iopt_pages_rw_access. */
class AccessViewTest extends SpaceTest {
    private static final long IOVA = 16L << 20;
    private static final int PAGES = 8;
    private static final int OLD = 1;
    private static final int NEW = 2;

    private ProcessRam process;
    private SpaceAccess access;

    @BeforeEach
    void mapAProcess() {
        process = new ProcessRam(ram, PAGES);
        access = space.openAccess((iova, length) -> { });
        space.mapAt(IOVA, process, 0, PAGES * PAGE, DmaAccess.READ_WRITE);
        for (int frame = 0; frame < PAGES; frame++) {
            process.fill(frame, OLD);
            process.fill(frame + PAGES, NEW);
        }
    }

    @AfterEach
    void nothingStaysPinned() {
        access.close();
        space.unmapAll();
        assertThat(process.pinnedPages).isZero();
    }

    private byte[] read(long iova, int length, Access.View view) {
        byte[] bytes = new byte[length];
        access.read(iova, MemorySegment.ofArray(bytes), view);
        return bytes;
    }

    private void write(long iova, int length, int value, Access.View view) {
        access.write(iova, MemorySegment.ofArray(new byte[length]).fill((byte) value), view);
    }

    @Test
    void withoutPinsEveryViewIsWhatTheProcessHasNow() {
        process.mapAnew(PAGES);
        assertThat(read(IOVA, (int) (3 * PAGE), OWNER)).containsOnly(NEW);
        assertThat(read(IOVA, (int) (3 * PAGE), DEVICE)).containsOnly(NEW);
        assertThat(process.pinnedPages).isZero();
    }

    @Test
    void pinsOfPageTablesAreForCopiesThatLookAsDevicesDo() {
        ModelDomain domain = new ModelDomain();
        space.addDomain(domain);
        process.mapAnew(PAGES);
        assertThat(read(IOVA + 100, (int) (3 * PAGE), OWNER)).containsOnly(NEW);
        assertThat(read(IOVA + 100, (int) (3 * PAGE), DEVICE)).containsOnly(OLD);
        assertThat(read(IOVA + 100, 8, DEVICE)).as("one page").containsOnly(NEW);
        assertThat(read(IOVA + PAGE - 4, 8, DEVICE)).as("across a border").containsOnly(OLD);
        write(IOVA, (int) (2 * PAGE), 3, OWNER);
        assertThat(process.byteOfFrame(0)).isEqualTo((byte) OLD);
        assertThat(process.byteOfFrame(PAGES)).isEqualTo((byte) 3);
        write(IOVA, (int) (2 * PAGE), 4, DEVICE);
        assertThat(process.byteOfFrame(1)).isEqualTo((byte) 4);
        assertThat(process.byteOfFrame(PAGES + 1)).isEqualTo((byte) 3);
        space.removeDomain(domain);
    }

    @Test
    void wherePinsEndWhatTheProcessHasBegins() {
        access.pin(IOVA + PAGE, 2 * PAGE, true, new PinnedRuns(1));
        process.mapAnew(PAGES);
        byte[] bytes = read(IOVA + 1, (int) (5 * PAGE), DEVICE);
        for (int i = 0; i < bytes.length; i++) {
            long page = (i + 1) / PAGE;
            assertThat(bytes[i]).as("byte %d", i + 1).isEqualTo((byte) (page == 1 || page == 2 ? OLD : NEW));
        }
        assertThat(process.pinnedPages).isEqualTo(2);
        access.unpin(IOVA + PAGE, 2 * PAGE);
    }

    @Test
    void ofAProcessThatIsGoneOnlyPinsAreLeft() {
        access.pin(IOVA, 2 * PAGE, true, new PinnedRuns(1));
        process.gone = true;
        assertThat(read(IOVA, (int) (2 * PAGE), OWNER)).containsOnly(OLD);
        assertThat(read(IOVA, 8, DEVICE)).containsOnly(OLD);
        write(IOVA, 8, 5, OWNER);
        assertThat(process.byteOfFrame(0)).isEqualTo((byte) 5);
        assertRefused(Errno.EFAULT, () -> read(IOVA + PAGE, (int) (2 * PAGE), OWNER));
        assertRefused(Errno.EFAULT, () -> read(IOVA + 2 * PAGE, 1, DEVICE));
        access.unpin(IOVA, 2 * PAGE);
    }

    @Test
    void aProcessIsCopiedByItsOwnRightsAndADeviceByThoseOfTheMapping() {
        process.readOnly.add(1);
        assertThat(read(IOVA, (int) (2 * PAGE), OWNER)).containsOnly(OLD);
        assertRefused(Errno.EFAULT, () -> read(IOVA, (int) (2 * PAGE), DEVICE));
        assertRefused(Errno.EFAULT, () -> write(IOVA + PAGE, 1, 7, OWNER));
        assertRefused(Errno.EFAULT, () -> write(IOVA + PAGE, 1, 7, DEVICE));
        assertThat(process.byteOfFrame(1)).isEqualTo((byte) OLD);
        assertThat(process.pinnedPages).isZero();
    }

    @Test
    void farMemoryIsCopiedByItsOwner() {
        for (int page = 0; page < PAGES; page++) {
            process.told[page] = FarMemory.START + 17 * PAGE + page * PAGE;
        }
        ModelDomain domain = new ModelDomain();
        space.addDomain(domain);
        for (Access.View view : Access.View.values()) {
            write(IOVA + 5, (int) (3 * PAGE), 6, view);
            assertThat(read(IOVA + 5, (int) (3 * PAGE), view)).containsOnly(6);
            assertThat(process.byteOfFrame(1)).isEqualTo((byte) 6);
            process.fill(1, OLD);
        }
        process.gone = true;
        for (Access.View view : Access.View.values()) {
            assertRefused(Errno.EFAULT, () -> read(IOVA, 8, view));
            assertRefused(Errno.EFAULT, () -> write(IOVA, (int) (3 * PAGE), 6, view));
        }
        process.gone = false;
        space.removeDomain(domain);
    }

    @Test
    void aRunMayLeaveTheWindow() {
        long end = HostMemory.SIZE_BYTES;
        HostMemory.backAnonymous(end - HostMemory.BACKING_BYTES, HostMemory.BACKING_BYTES, false);
        process.told[2] = end - PAGE;
        process.told[3] = FarMemory.START;
        HostMemory.WINDOW.asSlice(end - PAGE, PAGE).fill((byte) 9);
        byte[] bytes = read(IOVA + 2 * PAGE, (int) (2 * PAGE), DEVICE);
        assertThat(bytes[0]).isEqualTo((byte) 9);
        assertThat(bytes[(int) PAGE - 1]).isEqualTo((byte) 9);
        assertThat(bytes[(int) PAGE]).isEqualTo((byte) OLD);
        HostMemory.unback(end - HostMemory.BACKING_BYTES, HostMemory.BACKING_BYTES);
    }

    @Test
    void whatIsToldToLieNowhereIsRefused() {
        SpaceAccess copier = space.openAccess(AccessClient.WITHOUT_PINS);
        process.told[0] = FarMemory.END;
        process.told[1] = HostMemory.SIZE_BYTES - PAGE;
        assertRefused(Errno.EFAULT, () -> copier.read(IOVA, MemorySegment.ofArray(new byte[(int) PAGE + 1]), DEVICE));
        assertRefused(Errno.EFAULT, () -> copier.read(IOVA + PAGE, MemorySegment.ofArray(new byte[(int) PAGE + 1]), DEVICE));
        copier.close();
    }
}
