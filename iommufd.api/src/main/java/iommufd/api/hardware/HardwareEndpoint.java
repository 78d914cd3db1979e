package iommufd.api.hardware;

import iommufd.api.Errno;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.ViommuTable;
import iommufd.api.dma.Pasid;
import iommufd.api.memory.StageTwoTable;
import java.util.List;
import org.osgi.annotation.versioning.ConsumerType;

/** An endpoint as one IOMMU sees it. */
@ConsumerType
public interface HardwareEndpoint {
    /** What user space is told. */
    HardwareInfo info();

    /** IOVA that must not be mapped while this endpoint is attached, and MSI windows. */
    List<ReservedRegion> reservedRegions();

    /**
     * An empty page table that this endpoint could be attached to. Endpoints of the same IOMMU can share it if their
     * {@link #attach} accepts it.
     *
     * @throws IommufdException {@link Errno#EOPNOTSUPP} if the hardware lacks what {@code options} asks for; {@link Errno#ENOMEM}
     */
    PagingDomain allocatePaging(PagingOptions options);

    /**
     * As {@link #allocatePaging(PagingOptions)}, shaped by data in the vendor's format.
     *
     * @param data type and bytes that user space passed for the table
     * @throws IommufdException {@link Errno#EOPNOTSUPP} for an unknown type; {@link Errno#EINVAL} for malformed data; else as
     *         {@link #allocatePaging(PagingOptions)}
     */
    default PagingDomain allocatePaging(PagingOptions options, NestedTable data) {
        throw new IommufdException(Errno.EOPNOTSUPP, "this hardware takes no data for a paging table, such as that of type " + data.type());
    }

    /**
     * A hypervisor's table as this endpoint's page table. Whoever uses it is told of its changes, and tells
     * {@link SharedDomain#invalidate}.
     *
     * @throws IommufdException {@link Errno#EOPNOTSUPP} if the hardware walks no such format, or lacks what {@code options} asks for,
     *         dirty tracking included: marks in the table are the hypervisor's; {@link Errno#ENOMEM}
     */
    default SharedDomain allocateShared(PagingOptions options, StageTwoTable table) {
        throw new IommufdException(Errno.EOPNOTSUPP, "this hardware walks no tables of format " + table.format());
    }

    /**
     * A first stage in user memory over {@code parent}.
     *
     * @throws IommufdException {@link Errno#EOPNOTSUPP} for an unknown type; {@link Errno#EINVAL} for malformed data
     */
    NestedDomain allocateNested(PagingDomain parent, NestedTable table);

    /**
     * Whether there can be vIOMMUs of this type: asked before anything else is looked at, because an unknown type is what a
     * client is told first.
     *
     * @return true, unless overridden: then {@link #allocateViommu} decides
     */
    default boolean offersViommu(int type) {
        return true;
    }

    /** A vIOMMU over {@code parent}. @throws IommufdException {@link Errno#EOPNOTSUPP} for an unknown type */
    HardwareViommu allocateViommu(PagingDomain parent, ViommuTable table);

    /**
     * Sends the endpoint's DMA through {@code domain}, instead of through whatever it went before. On return no DMA uses the
     * former translation. If it fails the former attachment is in force.
     *
     * @param pasid a PASID, or {@link Pasid#NONE} for requests without one
     * @throws IommufdException {@link Errno#EINVAL} if the domain does not suit this endpoint (the engine then tries or
     *         makes another); {@link Errno#ENOMEM}; {@link Errno#EOPNOTSUPP} if the hardware has no PASIDs
     */
    void attach(int pasid, HardwareDomain domain);

    /** Blocks DMA; on return none is in flight. Never fails. @param pasid as for {@link #attach} */
    void block(int pasid);

    /** A port for one queue of the device. @param pasid as for {@link #attach} */
    HardwarePort openPort(int pasid);

    /**
     * As {@link #openPort}, for a device that translates by itself and asks for absent pages; its requests go to the
     * {@link FaultSink}, answers to {@code device}.
     *
     * @throws IommufdException {@link Errno#EOPNOTSUPP} if the hardware takes no such requests from this endpoint
     */
    default AtsPort openAtsPort(int pasid, AtsPort.Device device) {
        throw new IommufdException(Errno.EOPNOTSUPP, "this hardware takes no translation requests");
    }

    /** Ends a page request that went to the {@link FaultSink}. Unknown ones are ignored. */
    void respond(PageResponse response);

    /** Gives the endpoint back: ports are closed, DMA is blocked, domains are no longer attached. Never fails. */
    void release();
}
