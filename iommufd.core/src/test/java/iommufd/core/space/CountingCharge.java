package iommufd.core.space;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/** A payer with a limit that can also refuse on demand. Thread-safe. */
final class CountingCharge implements PinCharge {
    long pages;
    long limit = Long.MAX_VALUE;
    /** Charges until one is refused; counts down, negative for never. */
    int chargesUntilRefusal = -1;

    @Override
    public synchronized void charge(long more) {
        boolean refused = chargesUntilRefusal >= 0 && chargesUntilRefusal-- == 0;
        if (refused || pages + more > limit) {
            throw new IommufdException(Errno.ENOMEM, "limit");
        }
        pages += more;
    }

    @Override
    public synchronized void uncharge(long fewer) {
        pages -= fewer;
        assertThat(pages).isNotNegative();
    }
}
