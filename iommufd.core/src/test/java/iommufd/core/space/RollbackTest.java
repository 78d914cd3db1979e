package iommufd.core.space;

import static iommufd.core.space.Refusals.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRanges;
import iommufd.api.memory.PinnedRuns;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Whatever fails in the middle of a request leaves everything as it was. */
class RollbackTest extends SpaceTest {
    private static final DmaAccess RW = DmaAccess.READ_WRITE;
    private static final int MORE_THAN_ENOUGH = 1000;
    private final ModelDomain[] domains = {new ModelDomain(), new ModelDomain()};

    private record State(List<Map<Long, ModelDomain.Entry>> translations, List<Integer> pins, long charged, long mapped, IovaRanges ranges) { }

    @BeforeEach
    void mapSomething() {
        space.mapAt(0x10000, memory, 0, 4 * PAGE, RW);
        space.mapAt(0x14000, memory, 8 * PAGE, 2 * PAGE, RW);
        space.copyAt(0x20000, space, 0x11000, 4 * PAGE, RW);
    }

    private State state(ModelDomain... more) {
        List<Map<Long, ModelDomain.Entry>> translations = new ArrayList<>();
        for (ModelDomain domain : domains) {
            translations.add(new TreeMap<>(domain.entries));
        }
        for (ModelDomain domain : more) {
            translations.add(new TreeMap<>(domain.entries));
        }
        List<Integer> pins = Arrays.stream(memory.pinsByPage()).boxed().toList();
        return new State(translations, pins, charge.pages, space.mappedBytes(), space.iovaRanges());
    }

    /** Lets the n-th of something fail, for every n, until the request succeeds. */
    private void refuseEveryNth(IntConsumer refuseNth, Errno errno, Runnable request, ModelDomain... more) {
        State before = state(more);
        for (int n = 0; n < MORE_THAN_ENOUGH; n++) {
            refuseNth.accept(n);
            try {
                request.run();
                assertThat(n).as("something was refused at least once").isPositive();
                refuseNth.accept(-1);
                return;
            } catch (IommufdException refused) {
                assertThat(refused.errno()).isEqualTo(errno);
                assertThat(state(more)).isEqualTo(before);
            }
        }
        fail("the request never succeeds");
    }

    private void addDomains() {
        space.addDomain(domains[0]);
        space.addDomain(domains[1]);
    }

    @Test
    void mapIsUndoneWhenACharge_APin_OrAPageTableFails() {
        addDomains();
        IntConsumer[] faults = {n -> charge.chargesUntilRefusal = n, n -> memory.pinsUntilRefusal = n,
            n -> domains[0].mapsUntilRefusal = n, n -> domains[1].mapsUntilRefusal = n};
        for (int i = 0; i < faults.length; i++) {
            long iova = 0x100000 + i * 0x10000;
            refuseEveryNth(faults[i], i == 1 ? Errno.EFAULT : Errno.ENOMEM, () -> space.mapAt(iova, memory, 0, 5 * PAGE, RW));
            refuseEveryNth(faults[i], i == 1 ? Errno.EFAULT : Errno.ENOMEM, () -> space.map(memory, 0, 5 * PAGE, RW));
        }
        domains[0].mapsUntilRefusal = -1;
    }

    @Test
    void copyIsUndoneWhenAPageTableFailsAtAnySlice() {
        addDomains();
        for (ModelDomain domain : domains) {
            refuseEveryNth(n -> domain.mapsUntilRefusal = n, Errno.ENOMEM, () -> space.copy(space, 0x10000, 6 * PAGE, RW));
        }
    }

    @Test
    void copyToASpaceThatPinsIsUndoneWhenAPinOrChargeFails() {
        IovaSpace target = new IovaSpace(charge);
        target.addDomain(domains[0]);
        refuseEveryNth(n -> memory.pinsUntilRefusal = n, Errno.EFAULT, () -> target.copyAt(0, space, 0x10000, 6 * PAGE, RW));
        target.unmapAll();
        refuseEveryNth(n -> charge.chargesUntilRefusal = n, Errno.ENOMEM, () -> target.copyAt(0, space, 0x10000, 6 * PAGE, RW));
        target.removeDomain(domains[0]);
        target.close();
    }

    @Test
    void aDomainThatCannotBeFilledIsEmptyAndDoesNotFollow() {
        ModelDomain fresh = new ModelDomain();
        IntConsumer[] faults = {n -> charge.chargesUntilRefusal = n, n -> memory.pinsUntilRefusal = n, n -> fresh.mapsUntilRefusal = n};
        for (int i = 0; i < faults.length; i++) {
            refuseEveryNth(faults[i], i == 1 ? Errno.EFAULT : Errno.ENOMEM, () -> space.addDomain(fresh), fresh);
            space.removeDomain(fresh);
        }
        space.addDomain(domains[0]);
        refuseEveryNth(n -> fresh.mapsUntilRefusal = n, Errno.ENOMEM, () -> space.addDomain(fresh), fresh);
        space.removeDomain(fresh);
    }

    @Test
    void holdingPinsIsUndoneWhenAPinFails() {
        Object holder = new Object();
        refuseEveryNth(n -> memory.pinsUntilRefusal = n, Errno.EFAULT, () -> space.holdPins(holder));
        space.releasePins(holder);
        refuseEveryNth(n -> charge.chargesUntilRefusal = n, Errno.ENOMEM, () -> space.holdPins(holder));
        space.releasePins(holder);
    }

    @Test
    void anAccessPinIsUndoneWhenAPinOrChargeFails() {
        SpaceAccess access = space.openAccess((iova, length) -> { });
        PinnedRuns runs = new PinnedRuns(1);
        access.pin(0x11000, PAGE, true, runs);
        refuseEveryNth(n -> memory.pinsUntilRefusal = n, Errno.EFAULT, () -> access.pin(0x10000, 6 * PAGE, true, runs));
        access.unpin(0x10000, 6 * PAGE);
        refuseEveryNth(n -> charge.chargesUntilRefusal = n, Errno.ENOMEM, () -> access.pin(0x10000, 6 * PAGE, true, runs));
        access.close();
    }

    @Test
    void aPageTableThatBreaksIsReportedAndUndone() {
        addDomains();
        State before = state();
        domains[1].brokenMap = new IllegalStateException("its bundle is gone");
        assertRefused(Errno.EIO, () -> space.mapAt(0x100000, memory, 0, 4 * PAGE, RW));
        assertThat(state()).isEqualTo(before);
    }
}
