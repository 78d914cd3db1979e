package iommufd.core.object;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.Optional;

/** How a call ended. */
final class Refusal {
    private Refusal() {}

    /** The errno; empty if it succeeded. */
    static Optional<Errno> of(Runnable call) {
        try {
            call.run();
            return Optional.empty();
        } catch (IommufdException refused) {
            return Optional.of(refused.errno());
        }
    }
}
