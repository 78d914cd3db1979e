package iommufd.api;

import org.osgi.annotation.versioning.ProviderType;

/** A queue in guest memory that hardware reads by itself ({@code IOMMU_HW_QUEUE_ALLOC}). */
@ProviderType
public non-sealed interface HwQueue extends IommufdObject {
    /** The vIOMMU it belongs to. */
    Viommu viommu();

    /** Its number there. */
    int index();
}
