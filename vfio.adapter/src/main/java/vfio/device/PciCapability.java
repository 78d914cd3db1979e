package vfio.device;

import org.osgi.annotation.versioning.ConsumerType;

/**
 * A structure of a function's configuration space, in the standard chain (offsets 0x40 to 0xFF) or the extended one (from 0x100
 * on). The adapter chains them; the classes of this package get their side effects from it (MSI-X enable, function level reset,
 * power states), others are registers and nothing more.
 */
@ConsumerType
public interface PciCapability {
    /** Capability id: 8 bits, or 16 of an extended one. */
    int id();

    /** Whether it goes to the extended chain. */
    default boolean extended() {
        return false;
    }

    /** Version of an extended capability's structure. */
    default int version() {
        return 1;
    }

    /** How long it is, header included. */
    int lengthBytes();

    /** Sets what it holds after a reset and what software may write. The header is set already. */
    void describe(CapabilityBytes bytes);
}
