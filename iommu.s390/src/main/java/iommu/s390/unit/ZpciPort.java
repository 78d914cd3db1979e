package iommu.s390.unit;

import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommu.common.dma.Iotlb;
import iommu.common.dma.TranslatingPort;
import iommu.s390.format.ErrorEvent;
import iommu.s390.format.EventBlock;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.Pasid;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.MemoryMap;
import java.util.OptionalInt;

/** Where the requests of one queue of a function arrive. */
public final class ZpciPort extends TranslatingPort {
    /** Kind of what a function tells its ports: everything changed. */
    static final int EVERYTHING = 0;
    /** Kind of what a function tells its ports: a range is to be forgotten. */
    static final int RANGE = 1;

    /** An address behind all memory. */
    private static final long NO_MEMORY = FarMemory.END;

    private final ZpciFunction function;
    private final MemoryMap memory;
    private final int pasid;
    private final KnownMemory tables = new KnownMemory();
    private final TableWalk tableWalk;
    private Registration configured = Registration.NONE;
    /** Whether the last refusal is an event, or the function's state. */
    private boolean eventful;
    private ErrorEvent refusal = ErrorEvent.NOT_REGISTERED;
    private int refusedTable;

    ZpciPort(ZpciFunction function, int pasid) {
        super(function.translations(), function.unit().farPath());
        this.function = function;
        this.pasid = pasid;
        memory = function.unit().memory();
        tableWalk = TableWalk.of(memory, tables);
    }

    @Override
    protected long walk(long iova, int accessBit) {
        FunctionStatus status = function.status();
        if (status.state() != FunctionStatus.State.ENABLED) {
            eventful = false;
            return REFUSED;
        }
        Registration registration = status.registration();
        if (pasid != Pasid.NONE || !status.registered()) {
            return refuse(ErrorEvent.NOT_REGISTERED, EventBlock.NO_TABLE);
        }
        if (!registration.covers(iova)) {
            return refuse(ErrorEvent.OUT_OF_RANGE, EventBlock.NO_TABLE);
        }
        if (registration != configured) {
            tableWalk.configure(registration);
            configured = registration;
        }
        long address = registration.translates() ? tableWalk.translate(iova) : tableWalk.direct(iova - registration.base());
        if (address == TableWalk.FAILED) {
            return refuse(tableWalk.event, tableWalk.tableType);
        }
        if (accessBit == WRITE_BIT && !tableWalk.writable) {
            return refuse(tableWalk.hostDenies ? ErrorEvent.HOST_PROTECTED : ErrorEvent.PROTECTED, EventBlock.NO_TABLE);
        }
        return remember(iova, address, tableWalk.writable ? READ_BIT | WRITE_BIT : READ_BIT);
    }

    /** Leaves are cached page by page: what lies behind the next page of a bus's memory is the board's business. */
    private long remember(long iova, long address, int rights) {
        long physicalAddress = memory.hostAddress(address);
        if (physicalAddress < 0 || physicalAddress >= FarMemory.END) {
            return NO_MEMORY;
        }
        iotlb.remember(iova, physicalAddress, Iotlb.SMALL_PAGE_LG2, rights);
        return physicalAddress;
    }

    private long refuse(ErrorEvent event, int tableType) {
        eventful = true;
        refusal = event;
        refusedTable = tableType;
        return REFUSED;
    }

    @Override
    protected DmaFault fault(long iova, int accessBit) {
        if (!eventful) {
            return describe(iova, accessBit, DmaFault.Kind.BLOCKED, 0, "the function is disabled, or in the error state until it is reset");
        }
        function.fail(refusal, iova, refusedTable, accessBit == WRITE_BIT);
        return describe(iova, accessBit, refusal.kind(), refusal.code(), refusal.text());
    }

    @Override
    protected DmaFault abort(long iova, int accessBit) {
        return describe(iova, accessBit, DmaFault.Kind.EXTERNAL_ABORT, 0, "no memory at the translated address");
    }

    private DmaFault describe(long iova, int accessBit, DmaFault.Kind kind, int code, String text) {
        return new DmaFault(function.unit().name(), function.requester(), pasid == Pasid.NONE ? OptionalInt.empty() : OptionalInt.of(pasid),
                iova, accessBit == READ_BIT ? DmaAccess.READ : DmaAccess.WRITE, kind, code, text);
    }

    @Override
    protected void forget(int kind, long tag, long first, long last) {
        if (kind == RANGE) {
            tables.forget();
            iotlb.forget(first, last);
        } else {
            forgetEverything();
        }
    }

    @Override
    protected void forgetEverything() {
        tables.forget();
        iotlb.forgetEverything();
        configured = Registration.NONE;
    }
}
