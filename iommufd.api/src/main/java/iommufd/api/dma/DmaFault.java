package iommufd.api.dma;

import iommufd.api.DmaAccess;
import java.util.OptionalInt;

/**
 * A DMA request that failed, as the hardware recorded it.
 *
 * @param hardware name of the IOMMU, or of what stopped the request before it
 * @param requesterId who asked
 * @param pasid with which PASID, if any
 * @param iova where
 * @param access what for
 * @param kind the reason in terms every vendor shares
 * @param code the vendor's own reason number: VT-d fault reason, SMMUv3 event type, zPCI's PCI event code; 0 if no hardware recorded it
 * @param text the reason for a person
 */
public record DmaFault(String hardware, RequesterId requesterId, OptionalInt pasid, long iova, DmaAccess access, Kind kind,
        int code, String text) {
    /** Why a request fails, whatever the vendor. */
    public enum Kind {
        /** Nothing is mapped there. */
        TRANSLATION,
        /** Mapped, but not for this access. */
        PERMISSION,
        /** Outside what the tables can describe. */
        ADDRESS_SIZE,
        /** The endpoint or PASID is attached to nothing. */
        BLOCKED,
        /** A structure of the IOMMU is malformed. */
        CONFIGURATION,
        /** Tables or target lie where there is no memory, or it went away. */
        EXTERNAL_ABORT,
        /** No IOMMU hardware served the endpoint for longer than it may wait. */
        NO_HARDWARE,
        /** The endpoint or port is closed. */
        UNPLUGGED
    }

    @Override
    public String toString() {
        return "%s: %s %s at 0x%x%s: %s (code 0x%x)".formatted(hardware, requesterId, access, iova,
                pasid.isPresent() ? " PASID " + pasid.getAsInt() : "", text, code);
    }
}
