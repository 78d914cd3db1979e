package iommufd.core.space;

import static iommufd.core.space.Refusals.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.PinAccounting;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class PinLimitsTest {
    private final PinLimits limits = new PinLimits();

    private static ContextOwner owner(long process, int user, long limitPages) {
        return new ContextOwner(process, user, limitPages < 0 ? ContextOwner.UNLIMITED : limitPages * 4096 + 4095, false, false);
    }

    @Test
    void contextsOfOneUserShareTheirLimit() {
        PinCharge first = limits.chargeFor(owner(1, 1000, 10), PinAccounting.USER);
        PinCharge second = limits.chargeFor(owner(2, 1000, 10), PinAccounting.USER);
        PinCharge other = limits.chargeFor(owner(3, 1001, 10), PinAccounting.USER);
        first.charge(6);
        assertRefused(Errno.ENOMEM, () -> second.charge(5));
        second.charge(4);
        other.charge(10);
        assertThat(limits.pagesOfUser(1000)).isEqualTo(10);
        first.uncharge(6);
        assertThat(limits.pagesOfUser(1000)).isEqualTo(4);
    }

    @Test
    void processAccountingLeavesTheUserAlone() {
        PinCharge process = limits.chargeFor(owner(1, 1000, 10), PinAccounting.PROCESS);
        process.charge(10);
        assertRefused(Errno.ENOMEM, () -> process.charge(1));
        assertThat(limits.pagesOfUser(1000)).isZero();
        assertThat(limits.pagesOfProcess(1)).isEqualTo(10);
    }

    @Test
    void whoHasNoLimitIsCountedAllTheSame() {
        limits.chargeFor(owner(1, 0, -1), PinAccounting.USER).charge(1L << 40);
        assertThat(limits.pagesOfUser(0)).isEqualTo(1L << 40);
        assertRefused(Errno.ENOMEM, () -> limits.chargeFor(owner(2, 0, 10), PinAccounting.USER).charge(1));
    }

    @Test
    void theLimitIsLookedUpForEachCharge() {
        AtomicLong limit = new AtomicLong(4096);
        PinLimits.Payer payer = limits.chargeFor(owner(1, 1000, 1), PinAccounting.USER, limit::get);
        payer.charge(1);
        assertRefused(Errno.ENOMEM, () -> payer.charge(1));
        limit.set(2 * 4096);
        payer.charge(1);
        limit.set(ContextOwner.UNLIMITED);
        payer.charge(1);
        payer.limitBy(() -> 0);
        assertRefused(Errno.ENOMEM, () -> payer.charge(1));
        payer.uncharge(3);
        assertThat(limits.pagesOfUser(1000)).isZero();
    }
}
