package iommufd.core.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class HostGuestRamTest {
    private static final long PAGE = UserMemory.PAGE_BYTES;
    private final HostPhysicalMemory physical = new HostPhysicalMemory(32L << 20);

    @AfterEach
    void close() {
        physical.close();
    }

    private static void assertRefused(Errno errno, ThrowingCallable request) {
        assertThatExceptionOfType(IommufdException.class).isThrownBy(request).returns(errno, IommufdException::errno);
    }

    @Test
    void itsBytesAreWhatThePhysicalAddressShows() {
        try (GuestRam ram = physical.allocateGuestRam(3 * PAGE, false)) {
            assertThat(ram.segment().byteSize()).isEqualTo(3 * PAGE);
            assertThat(ram.physicalAddress()).isGreaterThanOrEqualTo(128L << 30);
            ram.segment().set(ValueLayout.JAVA_INT, PAGE, 42);
            assertThat(HostMemory.WINDOW.get(ValueLayout.JAVA_INT, ram.physicalAddress() + PAGE)).isEqualTo(42);
            PinnedRuns runs = new PinnedRuns(1);
            ram.pin(PAGE, 2 * PAGE, true, runs);
            ram.pin(PAGE, PAGE, false, runs);
            assertThat(runs.physicalAddress(0)).isEqualTo(ram.physicalAddress() + PAGE);
            assertThat(runs.lengthBytes(0)).isEqualTo(2 * PAGE);
            assertThat(runs.physicalAddress(1)).as("the same page is the same address").isEqualTo(ram.physicalAddress() + PAGE);
            ram.unpin(ram.physicalAddress() + PAGE, 2 * PAGE);
            ram.unpin(ram.physicalAddress() + PAGE, PAGE);
        }
    }

    @Test
    void closeTakesTheBytesAwayAtOnceAndTheMemoryAfterTheLastUnpin() {
        GuestRam ram = physical.allocateGuestRam(2 * PAGE, true);
        long address = ram.physicalAddress();
        ram.segment().set(ValueLayout.JAVA_INT, 0, 7);
        PinnedRuns runs = new PinnedRuns(1);
        ram.pin(0, 2 * PAGE, true, runs);
        ram.close();
        ram.close();
        assertThatIllegalStateException().isThrownBy(() -> ram.segment().get(ValueLayout.JAVA_INT, 0));
        assertRefused(Errno.EFAULT, () -> ram.pin(0, PAGE, true, runs));
        ram.unpin(address, PAGE);
        assertThat(HostMemory.WINDOW.get(ValueLayout.JAVA_INT, address)).as("still pinned in part").isEqualTo(7);
        ram.unpin(address + PAGE, PAGE);
        assertThat(HostMemory.isBacked(address)).isFalse();
        try (GuestRam next = physical.allocateGuestRam(PAGE, false)) {
            assertThat(next.physicalAddress()).as("the range is used again").isEqualTo(address);
            assertThat(next.segment().get(ValueLayout.JAVA_INT, 0)).as("and clean").isZero();
        }
    }

    @Test
    void revocationTellsWhoMappedAndRefusesNewPins() throws Exception {
        try (GuestRam ram = physical.allocateGuestRam(2 * PAGE, false)) {
            List<String> told = new ArrayList<>();
            ram.onRevocation((address, length) -> told.add("first %d %d".formatted(address, length)));
            ram.onRevocation((address, length) -> told.add("second")).close();
            PinnedRuns runs = new PinnedRuns(1);
            ram.pin(0, PAGE, true, runs);
            ram.revoke();
            ram.revoke();
            assertThat(told).containsExactly("first 0 8192");
            assertRefused(Errno.ENODEV, () -> ram.pin(0, PAGE, true, runs));
            assertThat(runs.totalBytes()).isEqualTo(PAGE);
            assertThat(HostMemory.isBacked(ram.physicalAddress())).isTrue();
            ram.unpin(ram.physicalAddress(), PAGE);
        }
    }

    @Test
    void badSizesAndRangesAreRefused() {
        assertRefused(Errno.EINVAL, () -> physical.allocateGuestRam(0, false));
        assertRefused(Errno.EINVAL, () -> physical.allocateGuestRam(PAGE + 1, false));
        assertRefused(Errno.EINVAL, () -> physical.allocateGuestRam(-PAGE, false));
        assertRefused(Errno.ENOMEM, () -> physical.allocateGuestRam(HostMemory.SIZE_BYTES, false));
        assertRefused(Errno.EINVAL, () -> new HostPhysicalMemory(4096));
        try (GuestRam ram = physical.allocateGuestRam(2 * PAGE, false)) {
            PinnedRuns runs = new PinnedRuns(1);
            assertRefused(Errno.EINVAL, () -> ram.pin(PAGE, 2 * PAGE, true, runs));
            assertRefused(Errno.EINVAL, () -> ram.pin(1, PAGE, true, runs));
            assertRefused(Errno.EINVAL, () -> ram.pin(-PAGE, PAGE, true, runs));
            assertRefused(Errno.EINVAL, () -> ram.pin(0, -PAGE, true, runs));
            assertThat(runs.totalBytes()).isZero();
        }
    }

    @Test
    void largeRamIsAlignedForLargeTranslationsAndNeverOverlaps() {
        try (GuestRam small = physical.allocateGuestRam(PAGE, false); GuestRam large = physical.allocateGuestRam(3L << 30, true);
                GuestRam other = physical.allocateGuestRam(PAGE, false)) {
            assertThat(large.physicalAddress() & (1L << 30) - 1).isZero();
            assertThat(small.physicalAddress() & (1L << 21) - 1).isZero();
            boolean below = other.physicalAddress() + PAGE <= large.physicalAddress();
            assertThat(below || other.physicalAddress() >= large.physicalAddress() + large.lengthBytes()).isTrue();
            assertThat(other.physicalAddress()).isNotEqualTo(small.physicalAddress());
        }
    }

    @Test
    void memoryThatAnotherLeftBehindIsAvoided() {
        long address;
        try (GuestRam ram = physical.allocateGuestRam(PAGE, false)) {
            address = ram.physicalAddress();
        }
        HostMemory.backAnonymous(address, HostMemory.BACKING_BYTES, false);
        try (GuestRam ram = physical.allocateGuestRam(PAGE, false)) {
            assertThat(ram.physicalAddress()).isNotEqualTo(address);
        } finally {
            HostMemory.unback(address, HostMemory.BACKING_BYTES);
        }
    }
}
