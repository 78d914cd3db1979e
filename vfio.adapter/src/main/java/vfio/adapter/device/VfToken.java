package vfio.adapter.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.Optional;
import java.util.UUID;

/**
 * The secret that users of a physical function and of its virtual functions share. Here no virtual function ever uses it, so whoever
 * opens the physical function may set it. Thread-safe.
 */
public final class VfToken {
    private UUID token = new UUID(0, 0);

    /** Replaces it. */
    public synchronized void set(UUID next) {
        token = next;
    }

    /** What it is. */
    public synchronized UUID get() {
        return token;
    }

    /**
     * Checks what an opener says.
     *
     * @param of the device's own; empty unless it is a physical function
     * @throws IommufdException {@link Errno#EINVAL} for a token that nobody wants
     */
    static void check(Optional<VfToken> of, Optional<UUID> given) {
        if (given.isEmpty()) {
            return;
        }
        of.orElseThrow(() -> new IommufdException(Errno.EINVAL, "a VF token, but the device has no virtual functions and is none")).set(given.get());
    }
}
