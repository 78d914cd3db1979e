package iommufd.api;

import org.osgi.annotation.versioning.ProviderType;

/** A device under the number a guest's IOMMU knows it by ({@code IOMMU_VDEVICE_ALLOC}). */
@ProviderType
public non-sealed interface Vdevice extends IommufdObject {
    /** The physical device. */
    BoundDevice device();

    /** Its number in the guest: a stream id, a requester id. */
    long virtualId();
}
