package iommu.vtd.driver;

import iommu.common.table.RadixTable;
import iommu.common.table.TableFormat;
import iommu.common.table.TablePool;
import iommu.vtd.format.Capability;
import iommu.vtd.format.ExtendedCapability;
import iommu.vtd.format.RegisterAccess;
import iommu.vtd.format.Registers;
import iommufd.api.Errno;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.StageTwoTable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Drives one unit. Thread-safe. */
public final class VtdDriver implements IommuHardware, AutoCloseable {
    /** Value of {@link IommuHardware#VENDOR}. */
    public static final String VENDOR_NAME = "vtd";

    /** {@code IOMMU_HW_INFO_TYPE_INTEL_VTD}. */
    private static final int INFO_TYPE = 1;
    /** {@code struct iommu_hw_info_vtd}: flags, reserved, cap_reg, ecap_reg. */
    private static final int INFO_BYTES = 24;
    private static final int INFO_CAPABILITY = 8;
    private static final int INFO_EXTENDED_CAPABILITY = 16;
    /** What the fault event writes and where: any vector in the interrupt range, as there is one handler. */
    private static final long FAULT_MESSAGE_ADDRESS = 0xFEE0_0000L;
    private static final int FAULT_MESSAGE_DATA = 0x41;
    private static final int PAGE_REQUEST_MESSAGE_DATA = 0x42;
    private static final int MIN_FIRST_STAGE_LEVELS = 4;

    private final RegisterAccess registers;
    private final TablePool pool;
    private final RequestPath requests;
    private final VtdDriverOptions options;
    private final long capability;
    private final long extendedCapability;
    private final boolean scalable;
    private final TableFormat secondStageFormat;
    private final TableFormat firstStageFormat;
    private final DomainIds domainIds = new DomainIds();
    private final ContextTables contextTables;
    private final CommandQueue queue;
    private final FaultEvents faultEvents;
    private final Optional<PageRequestEvents> pageRequestEvents;
    private final Map<Integer, VtdEndpoint> endpoints = new ConcurrentHashMap<>();

    /**
     * Brings the unit up: all DMA is blocked.
     *
     * @param pool where tables come from; the unit's dirty marks go there
     * @throws IommufdException {@link Errno#EINVAL} if the unit cannot do what {@code options} ask for; {@link Errno#ENOMEM}
     */
    public VtdDriver(RegisterAccess registers, TablePool pool, RequestPath requests, VtdDriverOptions options) {
        this.registers = registers;
        this.pool = pool;
        this.requests = requests;
        this.options = options;
        capability = registers.read(Registers.CAP, 8);
        extendedCapability = registers.read(Registers.ECAP, 8);
        scalable = (extendedCapability & ExtendedCapability.SCALABLE_MODE) != 0;
        if (!Capability.supportsLevels(capability, options.levels())) {
            throw new IommufdException(Errno.EINVAL, "%s has no page tables of %d levels".formatted(options.name(), options.levels()));
        }
        secondStageFormat = StageFormats.secondStage(options.levels());
        firstStageFormat = StageFormats.firstStage(Math.max(options.levels(), MIN_FIRST_STAGE_LEVELS));
        faultEvents = new FaultEvents(registers, options.name(), capability,
                sourceId -> Optional.ofNullable(endpoints.get(sourceId)));
        contextTables = new ContextTables(pool, scalable);
        try {
            queue = new CommandQueue(registers, pool, scalable, Capability.maxAddressMask(capability), faultEvents::handle);
        } catch (RuntimeException failure) {
            contextTables.close();
            throw failure;
        }
        try {
            pageRequestEvents = scalable && (extendedCapability & ExtendedCapability.PAGE_REQUESTS) != 0
                    ? Optional.of(new PageRequestEvents(registers, pool, options.name(), sourceId -> Optional.ofNullable(endpoints.get(sourceId))))
                    : Optional.empty();
        } catch (RuntimeException failure) {
            queue.close();
            contextTables.close();
            throw failure;
        }
        setRootTable(contextTables.root(), scalable ? Registers.SCALABLE_MODE : Registers.LEGACY_MODE);
        command(Registers.COMMAND_QUEUED_INVALIDATION, true);
        queue.everything();
        registers.write(Registers.FEDATA, 4, FAULT_MESSAGE_DATA);
        registers.write(Registers.FEADDR, 4, FAULT_MESSAGE_ADDRESS);
        registers.write(Registers.FEUADDR, 4, FAULT_MESSAGE_ADDRESS >>> 32);
        registers.write(Registers.FECTL, 4, 0);
        if (pageRequestEvents.isPresent()) {
            registers.write(Registers.PECTL + 4, 4, PAGE_REQUEST_MESSAGE_DATA);
            registers.write(Registers.PECTL + 8, 4, FAULT_MESSAGE_ADDRESS);
            registers.write(Registers.PECTL + 12, 4, FAULT_MESSAGE_ADDRESS >>> 32);
            registers.write(Registers.PECTL, 4, 0);
        }
        command(Registers.COMMAND_TRANSLATION, true);
    }

    private void setRootTable(long root, int tableMode) {
        registers.write(Registers.RTADDR, 8, root | (long) tableMode << Registers.TABLE_MODE_SHIFT);
        command(Registers.COMMAND_SET_ROOT_TABLE, true);
    }

    /** The sequence of §11.4.4.1; the unit's answer is there at once. */
    private void command(int bit, boolean on) {
        int status = (int) registers.read(Registers.GSTS, 4) & Registers.COMMAND_KEPT;
        registers.write(Registers.GCMD, 4, on ? status | bit : status & ~bit);
        if (((int) registers.read(Registers.GSTS, 4) & bit) != 0 != on) {
            throw new IllegalStateException("%s does not carry out command 0x%x".formatted(options.name(), bit));
        }
    }

    /** An interrupt message of the unit arrived. */
    public void message(long address, int data) {
        if (address == FAULT_MESSAGE_ADDRESS && data == FAULT_MESSAGE_DATA) {
            faultEvents.handle();
        }
        if (address == FAULT_MESSAGE_ADDRESS && data == PAGE_REQUEST_MESSAGE_DATA) {
            pageRequestEvents.ifPresent(PageRequestEvents::handle);
        }
    }

    /** Whether devices that can may translate by themselves and ask for pages. */
    boolean takesPageRequests() {
        return pageRequestEvents.isPresent();
    }

    /** How long a device waits for an absent page. */
    long pageRequestNanos() {
        return options.pageRequestTime().toNanos();
    }

    @Override
    public String name() {
        return options.name();
    }

    @Override
    public String vendor() {
        return VENDOR_NAME;
    }

    @Override
    public HardwareEndpoint probe(EndpointDescription endpoint, FaultSink faults) {
        if (endpoint.requesterId().segment() != options.segment()) {
            throw new IommufdException(Errno.ENODEV, "%s is in segment %04x, %s serves segment %04x"
                    .formatted(endpoint.requesterId(), endpoint.requesterId().segment(), name(), options.segment()));
        }
        int sourceId = endpoint.requesterId().sourceId();
        synchronized (endpoints) {
            if (endpoints.containsKey(sourceId)) {
                throw new IommufdException(Errno.EBUSY, "%s is behind %s already".formatted(endpoint.requesterId(), name()));
            }
            VtdEndpoint probed = new VtdEndpoint(this, endpoint, faults);
            endpoints.put(sourceId, probed);
            return probed;
        }
    }

    /** {@code endpoint} is released: nothing in the tables refers to it, and its id may come again. */
    void forget(VtdEndpoint endpoint) {
        endpoints.remove(endpoint.requesterId().sourceId(), endpoint);
    }

    VtdDomain allocatePaging(PagingOptions wanted) {
        if (wanted.dirtyTracking() && (extendedCapability & ExtendedCapability.SECOND_STAGE_DIRTY) == 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, name() + " has no dirty bits in its second stage (ECAP.SSADS is 0)");
        }
        if ((wanted.pasid() || wanted.nestParent()) && !scalable) {
            throw new IommufdException(Errno.EOPNOTSUPP, name() + " has neither PASIDs nor nesting: it is in legacy mode");
        }
        boolean firstStage = scalable && !wanted.dirtyTracking() && !wanted.nestParent();
        int domainId = domainIds.allocate();
        try {
            RadixTable table = new RadixTable(firstStage ? firstStageFormat : secondStageFormat, pool);
            return new VtdDomain(this, table, firstStage, domainId, wanted.dirtyTracking());
        } catch (RuntimeException failure) {
            domainIds.free(domainId);
            throw failure;
        }
    }

    /** A hypervisor's EPT is a second stage as it is. */
    VtdDomain share(PagingOptions wanted, StageTwoTable shared) {
        boolean walks = shared.format() == StageTwoTable.Format.EPT && Capability.supportsLevels(capability, shared.format().levels());
        if (!walks || wanted.dirtyTracking()) {
            throw new IommufdException(Errno.EOPNOTSUPP, "%s cannot walk a table of format %s%s".formatted(name(), shared.format(),
                    wanted.dirtyTracking() ? " with dirty tracking" : ""));
        }
        if ((wanted.pasid() || wanted.nestParent()) && !scalable) {
            throw new IommufdException(Errno.EOPNOTSUPP, name() + " has neither PASIDs nor nesting: it is in legacy mode");
        }
        RadixTable table = RadixTable.foreign(StageFormats.secondStage(shared.format().levels()), pool, shared.root());
        return new VtdDomain(this, table, false, domainIds.allocate(), false);
    }

    VtdNestedDomain allocateNested(PagingDomain parent, NestedTable table) {
        if ((extendedCapability & ExtendedCapability.NESTED) == 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, name() + " reports no nested translation (ECAP.NEST is 0)");
        }
        if (!(parent instanceof VtdDomain stage) || !stage.belongsTo(this) || stage.firstStage()) {
            throw new IommufdException(Errno.EINVAL, "the parent is no second stage of " + name());
        }
        return VtdNestedDomain.of(stage, table, queue, capability, extendedCapability);
    }

    HardwareInfo info(int pasidBits) {
        byte[] bytes = new byte[INFO_BYTES];
        ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder())
                .putLong(INFO_CAPABILITY, capability)
                .putLong(INFO_EXTENDED_CAPABILITY, extendedCapability);
        Set<HardwareInfo.Capability> capabilities = EnumSet.noneOf(HardwareInfo.Capability.class);
        if ((extendedCapability & ExtendedCapability.SECOND_STAGE_DIRTY) != 0) {
            capabilities.add(HardwareInfo.Capability.DIRTY_TRACKING);
        }
        if ((extendedCapability & ExtendedCapability.DEVICE_TLB) == 0) {
            capabilities.add(HardwareInfo.Capability.ATS_NOT_SUPPORTED);
        }
        return new HardwareInfo(INFO_TYPE, bytes, capabilities, pasidBits);
    }

    /** Width of PASIDs the unit takes; 0 for none. */
    int pasidBits() {
        return ExtendedCapability.pasidBits(extendedCapability);
    }

    boolean scalable() {
        return scalable;
    }

    TablePool pool() {
        return pool;
    }

    RequestPath requests() {
        return requests;
    }

    DomainIds domainIds() {
        return domainIds;
    }

    ContextTables contextTables() {
        return contextTables;
    }

    CommandQueue queue() {
        return queue;
    }

    /**
     * Shuts the unit down, so that it aborts all DMA and refers to no memory. Endpoints that are still there are released;
     * page tables are their owners'.
     */
    @Override
    public void close() {
        List.copyOf(endpoints.values()).forEach(VtdEndpoint::release);
        setRootTable(0, Registers.ABORT_DMA_MODE);
        registers.write(Registers.FECTL, 4, Registers.EVENT_MASKED);
        faultEvents.close();
        registers.write(Registers.PECTL, 4, Registers.EVENT_MASKED);
        pageRequestEvents.ifPresent(PageRequestEvents::close);
        command(Registers.COMMAND_QUEUED_INVALIDATION, false);
        queue.close();
        contextTables.close();
    }
}
