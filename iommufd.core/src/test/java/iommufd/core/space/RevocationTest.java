package iommufd.core.space;

import static iommufd.core.space.Refusals.assertRefused;
import static iommufd.api.Access.View.OWNER;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Memory that is taken away, and page tables that break their word. */
class RevocationTest extends SpaceTest {
    private static final DmaAccess RW = DmaAccess.READ_WRITE;
    private final ModelDomain domain = new ModelDomain();

    @Test
    void revokedMemoryLeavesEveryPageTableButStaysMapped() {
        IovaSpace other = new IovaSpace(charge);
        ModelDomain otherDomain = new ModelDomain();
        other.addDomain(otherDomain);
        space.addDomain(domain);
        space.mapAt(0x10000, memory, 0, 4 * PAGE, RW);
        space.mapAt(0x20000, file, 0, 2 * PAGE, RW);
        other.copyAt(0x30000, space, 0x11000, 2 * PAGE, RW);
        memory.revoke(0, MEMORY_PAGES * PAGE);
        assertThat(domain.entries.keySet()).containsExactly(0x20000L, 0x21000L);
        assertThat(otherDomain.entries).isEmpty();
        ModelDomain late = new ModelDomain();
        space.addDomain(late);
        assertThat(late.entries.keySet()).containsExactly(0x20000L, 0x21000L);
        assertRefused(Errno.EEXIST, () -> space.mapAt(0x10000, memory, 0, PAGE, RW));
        space.copyAt(0x40000, space, 0x10000, PAGE, RW);
        assertThat(domain.translate(0x40000)).isEqualTo(ModelDomain.UNMAPPED);
        assertThat(space.unmap(0x10000, 4 * PAGE)).isEqualTo(4 * PAGE);
        other.removeDomain(otherDomain);
        other.close();
        space.removeDomain(late);
    }

    @Test
    void onlyTheRevokedPartGoes() {
        space.addDomain(domain);
        space.mapAt(0x10000, memory, 0, 4 * PAGE, RW);
        space.mapAt(0x20000, memory, 8 * PAGE, 2 * PAGE, RW);
        memory.revoke(9 * PAGE, PAGE);
        assertThat(domain.entries).hasSize(4).doesNotContainKey(0x20000L);
    }

    @Test
    void guestRamThatIsRevokedRefusesNewPins() {
        space.addDomain(domain);
        space.mapAt(0x10000, ram, 0, 4 * PAGE, RW);
        List<Long> told = new ArrayList<>();
        SpaceAccess access = space.openAccess((iova, length) -> told.add(iova));
        access.pin(0x10000, PAGE, true, new PinnedRuns(1));
        ram.revoke();
        assertThat(domain.entries).isEmpty();
        assertThat(told).containsExactly(0x10000L);
        assertRefused(Errno.ENODEV, () -> space.mapAt(0x20000, ram, 0, PAGE, RW));
        assertRefused(Errno.ENODEV, () -> access.pin(0x11000, PAGE, true, new PinnedRuns(1)));
        assertRefused(Errno.ENODEV, () -> access.read(0x10000, MemorySegment.ofArray(new byte[1]), OWNER));
        access.close();
        assertThat(space.unmapAll()).isEqualTo(4 * PAGE);
    }

    @Test
    void pagesUsedAnewForOtherMemoryAreNotTakenForRevoked() {
        space.addDomain(domain);
        space.mapAt(0x10000, memory, 0, PAGE, RW);
        space.unmapAll();
        space.mapAt(0x10000, file, 0, PAGE, RW);
        memory.revoke(0, PAGE);
        assertThat(domain.entries).hasSize(1);
    }

    @Test
    void whatAPageTableFailsToUnmapStaysPinnedForEver() {
        ScatteredMemory lost = new ScatteredMemory(ram, UserMemory.Kind.PROCESS);
        IovaSpace own = new IovaSpace(new CountingCharge());
        ModelDomain sound = new ModelDomain();
        own.addDomain(domain);
        own.addDomain(sound);
        own.mapAt(0x10000, lost, 0, 2 * PAGE, RW);
        own.mapAt(0x12000, lost, 4 * PAGE, 2 * PAGE, RW);
        domain.brokenUnmap = new IllegalStateException("hardware hangs");
        assertThat(own.unmapAll()).isEqualTo(4 * PAGE);
        assertThat(sound.entries).isEmpty();
        assertThat(lost.pinnedPages()).isEqualTo(4);
        own.mapAt(0x20000, lost, 0, 2 * PAGE, RW);
        own.removeDomain(domain);
        domain.brokenUnmap = null;
        assertThat(own.unmap(0x20000, 2 * PAGE)).isEqualTo(2 * PAGE);
        assertThat(lost.pinnedPages()).as("6 leaked pages, none given back").isEqualTo(6);
        own.removeDomain(sound);
    }

    @Test
    void memoryThatBreaksItsWordIsReported() {
        UserMemory broken = new UserMemory() {
            @Override
            public Kind kind() {
                return Kind.PROCESS;
            }

            @Override
            public void retain() {
                memory.retain();
            }

            @Override
            public void release() {
                memory.release();
            }

            @Override
            public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
                if (address == 0) {
                    throw new IllegalStateException("its bundle is gone");
                }
                memory.pin(address, PAGE, writable, runs);
            }

            @Override
            public void unpin(long physicalAddress, long lengthBytes) {
                memory.unpin(physicalAddress, lengthBytes);
            }
        };
        space.addDomain(domain);
        assertRefused(Errno.EIO, () -> space.mapAt(0, broken, 0, PAGE, RW));
        assertRefused(Errno.EIO, () -> space.mapAt(0, broken, PAGE, 2 * PAGE, RW));
        space.mapAt(0, broken, PAGE, PAGE, RW);
    }
}
