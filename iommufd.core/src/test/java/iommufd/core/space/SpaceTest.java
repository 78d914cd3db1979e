package iommufd.core.space;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.memory.GuestRam;
import iommufd.api.memory.UserMemory;
import iommufd.core.memory.HostPhysicalMemory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A space, memory to map, and a payer; afterwards nothing may be left pinned or charged. */
abstract class SpaceTest {
    static final long PAGE = UserMemory.PAGE_BYTES;
    static final int MEMORY_PAGES = 64;

    final CountingCharge charge = new CountingCharge();
    final IovaSpace space = new IovaSpace(charge);
    HostPhysicalMemory physical;
    GuestRam ram;
    ScatteredMemory memory;
    ScatteredMemory file;

    @BeforeEach
    void allocateMemory() {
        physical = new HostPhysicalMemory(1L << 25);
        ram = physical.allocateGuestRam(MEMORY_PAGES * PAGE, false);
        memory = new ScatteredMemory(ram, UserMemory.Kind.PROCESS);
        file = new ScatteredMemory(ram, UserMemory.Kind.FILE);
    }

    @AfterEach
    void nothingIsLeft() {
        space.close();
        assertThat(space.empty()).isTrue();
        assertThat(memory.pinnedPages() + file.pinnedPages()).as("pins left").isZero();
        assertThat(charge.pages).as("charges left").isZero();
        assertThat(memory.retained + file.retained).as("memory that is still retained").isZero();
        ram.close();
        physical.close();
    }
}
