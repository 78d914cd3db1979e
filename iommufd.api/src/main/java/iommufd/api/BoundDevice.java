package iommufd.api;

import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.Pasid;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/**
 * An endpoint that belongs to a context. {@link #destroy()} unbinds it.
 *
 * <p>Endpoints of one IOMMU group share what they are attached to (without PASID). A failed attach or replace leaves the
 * former attachment in force.
 */
@ProviderType
public non-sealed interface BoundDevice extends IommufdObject {
    /** The endpoint. */
    DmaEndpoint endpoint();

    /**
     * Lets the device's DMA through {@code target}; an IOAS finds a compatible automatic HWPT or makes one.
     *
     * @return the HWPT in force
     * @throws IommufdException {@link Errno#EBUSY} if it is attached already; {@link Errno#EINVAL} if the HWPT does not suit
     *         the device; {@link Errno#EADDRINUSE} if mappings collide with the device's reserved regions;
     *         {@link Errno#ENOMEM}
     */
    Hwpt attach(Attachable target);

    /**
     * Moves an attached device to another target without a moment in which it has none.
     *
     * @throws IommufdException {@link Errno#EINVAL} if it is not attached; else as {@link #attach(Attachable)}
     */
    Hwpt replace(Attachable target);

    /** Blocks the device's DMA; when it returns none is in flight. No attachment is no error. */
    void detach();

    /**
     * As {@link #attach(Attachable)} for DMA that carries {@code pasid}; the target must be made for PASIDs: {@link HwptOptions#pasid},
     * or {@link Ioas#setForPasids}.
     */
    Hwpt attach(Pasid pasid, Attachable target);

    /** As {@link #replace(Attachable)} for DMA that carries {@code pasid}. */
    Hwpt replace(Pasid pasid, Attachable target);

    /** As {@link #detach()} for DMA that carries {@code pasid}. */
    void detach(Pasid pasid);

    /** What the endpoint without PASID is attached to. */
    Optional<Hwpt> attached();

    /** What {@code pasid} is attached to. */
    Optional<Hwpt> attached(Pasid pasid);

    /** What the IOMMU in front of the device can do ({@code IOMMU_GET_HW_INFO}). */
    HardwareInfo hardwareInfo();
}
