package iommufd.core.space;

import static iommufd.core.space.Refusals.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import org.junit.jupiter.api.Test;

/** Memory is retained exactly as long as something maps it. */
class RetentionTest extends SpaceTest {
    private static final DmaAccess RW = DmaAccess.READ_WRITE;

    @Test
    void memoryIsRetainedWhileAMappingOrACopyOfItIsThere() {
        IovaSpace other = new IovaSpace(charge);
        space.mapAt(0x10000, memory, 0, 4 * PAGE, RW);
        space.mapAt(0x20000, memory, 0, 4 * PAGE, RW);
        assertThat(memory.retained).isEqualTo(2);
        other.copyAt(0x10000, space, 0x11000, PAGE, RW);
        assertThat(memory.retained).as("a copy shares").isEqualTo(2);
        space.unmapAll();
        assertThat(memory.retained).as("the copy is left").isEqualTo(1);
        other.close();
        assertThat(memory.retained).isZero();
        space.mapAt(0x10000, memory, 0, 4 * PAGE, RW);
        assertThat(memory.retained).as("mapped again").isEqualTo(1);
    }

    @Test
    void whatIsRefusedIsNotRetained() {
        space.addDomain(new ModelDomain());
        space.mapAt(0x10000, memory, 0, PAGE, RW);
        assertRefused(Errno.EEXIST, () -> space.mapAt(0x10000, memory, 0, PAGE, RW));
        charge.chargesUntilRefusal = 0;
        assertRefused(Errno.ENOMEM, () -> space.mapAt(0x20000, memory, 0, PAGE, RW));
        charge.chargesUntilRefusal = -1;
        memory.pinsUntilRefusal = 0;
        assertRefused(Errno.EFAULT, () -> space.mapAt(0x20000, memory, 0, PAGE, RW));
        memory.pinsUntilRefusal = -1;
        assertThat(memory.retained).isEqualTo(1);
    }

    @Test
    void memoryThatCannotBeRetainedIsNotMapped() {
        Unreliable unreliable = new Unreliable();
        unreliable.retains = false;
        assertRefused(Errno.EIO, () -> space.mapAt(0, unreliable, 0, PAGE, RW));
        unreliable.retains = true;
        unreliable.tells = false;
        assertRefused(Errno.EIO, () -> space.mapAt(0, unreliable, 0, PAGE, RW));
        assertThat(unreliable.retained).isZero();
        assertThat(space.mappedBytes()).isZero();
        unreliable.tells = true;
        space.mapAt(0, unreliable, 0, PAGE, RW);
        unreliable.releases = false;
        assertThat(space.unmap(0, PAGE)).as("release never fails, whatever it does").isEqualTo(PAGE);
    }

    private static final class Unreliable implements UserMemory {
        boolean retains = true;
        boolean tells = true;
        boolean releases = true;
        int retained;

        @Override
        public Kind kind() {
            return Kind.FILE;
        }

        @Override
        public void retain() {
            check(retains);
            retained++;
        }

        @Override
        public void release() {
            check(releases);
            retained--;
        }

        @Override
        public Subscription onRevocation(RevocationListener listener) {
            check(tells);
            return () -> { };
        }

        private static void check(boolean works) {
            if (!works) {
                throw new IllegalStateException("its bundle is gone");
            }
        }

        @Override
        public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
            throw new IommufdException(Errno.EFAULT, "nothing is to be pinned");
        }

        @Override
        public void unpin(long physicalAddress, long lengthBytes) { }
    }
}
