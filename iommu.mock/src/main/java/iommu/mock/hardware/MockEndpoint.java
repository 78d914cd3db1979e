package iommu.mock.hardware;

import iommu.common.table.TablePool;
import iommufd.api.Errno;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.ViommuTable;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.hardware.ReservedRegion;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;

/** A mock device as the mock IOMMU sees it. Attachments are guarded by this. */
final class MockEndpoint implements HardwareEndpoint {
    /** IOMMU_TEST_PASID_RESERVED: every second attach fails. */
    private static final int FAILING_PASID = 1024;
    private static final int REGISTER_OFFSET = 4;
    private static final int PAGETABLE_TYPE_OFFSET = 4;

    private final TablePool pool;
    private final MockDevice device;
    private final FaultSink faults;
    private final Runnable onRelease;
    private boolean nextAttachFails;
    private Optional<Guest> guest = Optional.empty();

    /** Where events of the device go. */
    private record Guest(MockViommu viommu, long virtualId) {}

    MockEndpoint(TablePool pool, MockDevice device, FaultSink faults, Runnable onRelease) {
        this.pool = pool;
        this.device = device;
        this.faults = faults;
        this.onRelease = onRelease;
    }

    MockDevice device() {
        return device;
    }

    @Override
    public HardwareInfo info() {
        MemorySegment bytes = MemorySegment.ofArray(new byte[REGISTER_OFFSET + Integer.BYTES]);
        bytes.set(ValueLayout.JAVA_INT_UNALIGNED, REGISTER_OFFSET, VendorData.REGISTER_VALUE);
        EnumSet<HardwareInfo.Capability> capabilities = EnumSet.of(HardwareInfo.Capability.ATS_NOT_SUPPORTED);
        if (device.dirtyTracking()) {
            capabilities.add(HardwareInfo.Capability.DIRTY_TRACKING);
        }
        return new HardwareInfo(VendorData.HARDWARE_INFO, bytes.toArray(ValueLayout.JAVA_BYTE), capabilities, device.description().pasidBits());
    }

    @Override
    public List<ReservedRegion> reservedRegions() {
        return List.of();
    }

    @Override
    public PagingDomain allocatePaging(PagingOptions options) {
        return allocate(options, TableShape.DEFAULT);
    }

    @Override
    public PagingDomain allocatePaging(PagingOptions options, NestedTable data) {
        if (data.type() != VendorData.TABLE) {
            throw new IommufdException(Errno.EOPNOTSUPP, "the mock IOMMU knows no table data of type 0x%x".formatted(data.type()));
        }
        MemorySegment struct = VendorData.struct(data, VendorData.TABLE_MIN_BYTES, VendorData.TABLE_BYTES);
        int type = VendorData.int32(struct, PAGETABLE_TYPE_OFFSET);
        if (Integer.compareUnsigned(type, TableShape.values().length) >= 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "the mock IOMMU has no page table of type " + Integer.toUnsignedString(type));
        }
        return allocate(options, TableShape.values()[type]);
    }

    private MockDomain allocate(PagingOptions options, TableShape shape) {
        if (options.dirtyTracking() && !device.dirtyTracking()) {
            throw new IommufdException(Errno.EOPNOTSUPP, "this mock device was made without dirty tracking");
        }
        return new MockDomain(pool, shape, options.dirtyTracking());
    }

    @Override
    public NestedDomain allocateNested(PagingDomain parent, NestedTable table) {
        return new MockNested(table, Optional.empty());
    }

    @Override
    public boolean offersViommu(int type) {
        return type == VendorData.VIOMMU;
    }

    @Override
    public HardwareViommu allocateViommu(PagingDomain parent, ViommuTable table) {
        return new MockViommu(table);
    }

    @Override
    public synchronized void attach(int pasid, HardwareDomain domain) {
        if (domain instanceof MockDomain paging && paging.dirtyTracking().isPresent() && !device.dirtyTracking()) {
            throw new IommufdException(Errno.EINVAL, "the table tracks dirty pages, this mock device cannot");
        }
        if (pasid == Pasid.NONE) {
            guest = guest(domain);
        } else if (pasid == FAILING_PASID) {
            nextAttachFails = !nextAttachFails;
            if (!nextAttachFails) {
                throw new IommufdException(Errno.ENOMEM, "PASID 1024 fails every second time, as the selftests want it");
            }
        }
    }

    private Optional<Guest> guest(HardwareDomain domain) {
        if (!(domain instanceof MockNested nested) || nested.viommu().isEmpty()) {
            return Optional.empty();
        }
        MockViommu viommu = nested.viommu().get();
        return Optional.of(new Guest(viommu, viommu.virtualId(this)
                .orElseThrow(() -> new IommufdException(Errno.ENOENT, "the guest has no number for this mock device; allocate a vdevice first"))));
    }

    @Override
    public synchronized void block(int pasid) {
        if (pasid == Pasid.NONE) {
            guest = Optional.empty();
        } else if (pasid == FAILING_PASID) {
            nextAttachFails = false;
        }
    }

    void report(PageRequest request) {
        faults.pageRequest(request);
    }

    void raiseEvent() {
        Guest reported;
        synchronized (this) {
            reported = guest.filter(known -> known.virtualId() != 0)
                    .orElseThrow(() -> new IommufdException(Errno.ENOENT, "the mock device has no number in a guest"));
        }
        reported.viommu().report(reported.virtualId());
    }

    @Override
    public HardwarePort openPort(int pasid) {
        return new MockPort(device.description().requesterId(), pasid, faults);
    }

    @Override
    public void respond(PageResponse response) {
        // mock devices do not wait
    }

    @Override
    public void release() {
        device.seatedAt(Optional.empty());
        onRelease.run();
    }
}
