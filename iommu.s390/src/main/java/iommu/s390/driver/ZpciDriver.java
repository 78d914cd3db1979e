package iommu.s390.driver;

import iommu.common.table.RadixTable;
import iommu.common.table.TableFormat;
import iommu.common.table.TablePool;
import iommu.s390.format.PciInstructions;
import iommufd.api.Errno;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.hardware.PagingOptions;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Drives the functions of one machine. Thread-safe. */
public final class ZpciDriver implements IommuHardware, AutoCloseable {
    /** Value of {@link IommuHardware#VENDOR}. */
    public static final String VENDOR_NAME = "s390";

    /** Linux has no hardware information of zPCI. */
    static final HardwareInfo INFO = new HardwareInfo(0, new byte[0], Set.of(HardwareInfo.Capability.ATS_NOT_SUPPORTED), 0);

    private final PciInstructions instructions;
    private final FunctionSlots slots;
    private final TablePool pool;
    private final ZpciDriverOptions options;
    private final TableFormat format;
    private final ErrorEvents events;
    /** By number of the function, which is the requester id. */
    private final Map<Integer, ZpciEndpoint> endpoints = new ConcurrentHashMap<>();

    /**
     * Starts; there are no functions yet.
     *
     * @param pool where tables come from
     * @throws IommufdException {@link Errno#ENOMEM}
     */
    public ZpciDriver(PciInstructions instructions, FunctionSlots slots, TablePool pool, ZpciDriverOptions options) {
        this.instructions = instructions;
        this.slots = slots;
        this.pool = pool;
        this.options = options;
        format = TableFormats.of(options.levels());
        events = new ErrorEvents(instructions, pool, options.name(), number -> Optional.ofNullable(endpoints.get(number)));
    }

    /** The machine check for event information came. */
    public void machineCheck() {
        events.handle();
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
        RequesterId requester = endpoint.requesterId();
        if (requester.segment() != options.segment()) {
            throw new IommufdException(Errno.ENODEV, "%s is in segment %04x, %s serves segment %04x"
                    .formatted(requester, requester.segment(), name(), options.segment()));
        }
        synchronized (endpoints) {
            if (endpoints.containsKey(requester.value())) {
                throw new IommufdException(Errno.EBUSY, "%s is behind %s already".formatted(requester, name()));
            }
            ZpciEndpoint probed = new ZpciEndpoint(this, endpoint, faults);
            endpoints.put(requester.value(), probed);
            return probed;
        }
    }

    /** {@code endpoint} is released: its id may come again. */
    void forget(ZpciEndpoint endpoint) {
        endpoints.remove(endpoint.requesterId().value(), endpoint);
    }

    ZpciDomain allocatePaging(PagingOptions wanted) {
        if (wanted.dirtyTracking()) {
            throw new IommufdException(Errno.EOPNOTSUPP, name() + " cannot track dirty pages: entries of zPCI have no dirty bits");
        }
        if (wanted.pasid()) {
            throw new IommufdException(Errno.EOPNOTSUPP, name() + " has no PASIDs: ask for a page table without them");
        }
        return new ZpciDomain(this, new RadixTable(format, pool), options);
    }

    FunctionControl newControl(RequesterId requester) {
        return new FunctionControl(instructions, pool, "%s, function %s".formatted(name(), requester));
    }

    FunctionSlots slots() {
        return slots;
    }

    ZpciDriverOptions options() {
        return options;
    }

    /** Stops: endpoints that are still there are released; page tables are their owners'. */
    @Override
    public void close() {
        List.copyOf(endpoints.values()).forEach(ZpciEndpoint::release);
        events.close();
    }
}
