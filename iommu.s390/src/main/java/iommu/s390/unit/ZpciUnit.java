package iommu.s390.unit;

import iommu.common.dma.FarPath;
import iommu.s390.format.BigWords;
import iommu.s390.format.EventBlock;
import iommu.s390.format.FunctionBlock;
import iommu.s390.format.FunctionHandle;
import iommu.s390.format.LogicalProcessorBlock;
import iommu.s390.format.Outcome;
import iommu.s390.format.PciInstructions;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.MemoryMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The zPCI of a machine, as far as it concerns DMA: functions that are plugged in, the instructions by which software enables them,
 * says how their addresses are translated and learns of their errors, and ports for their requests. An instruction is done on return.
 * Thread-safe.
 */
public final class ZpciUnit implements PciInstructions {
    private static final long DRAIN_NANOS = 5_000_000_000L;
    private static final int OPERAND_ALIGNMENT = 8;

    private final String name;
    private final ZpciFeatures features;
    private final MemoryMap memory;
    private final long drainNanos;
    private final FarPath farPath = new FarPath();
    private final PendingEvents events;
    private final Map<Integer, ZpciFunction> functions = new ConcurrentHashMap<>();

    /**
     * A machine without functions.
     *
     * @param name for people, in fault descriptions
     * @param memory what addresses in instructions, anchors, tables and page entries mean
     * @param line the machine check for event information
     */
    public ZpciUnit(String name, ZpciFeatures features, MemoryMap memory, EventLine line) {
        this(name, features, memory, line, DRAIN_NANOS);
    }

    /** @param drainNanos how long requests may be inside before an instruction that waits for them is busy */
    ZpciUnit(String name, ZpciFeatures features, MemoryMap memory, EventLine line, long drainNanos) {
        this.name = name;
        this.features = features;
        this.memory = memory;
        this.drainNanos = drainNanos;
        events = new PendingEvents(line);
    }

    /** How its requests reach memory behind the physical window. */
    public FarPath farPath() {
        return farPath;
    }

    /** For people. */
    public String name() {
        return name;
    }

    /**
     * Plugs a function in, disabled. Its number in error records is {@link RequesterId#value}.
     *
     * @return its handle
     * @throws IommufdException {@link Errno#EBUSY} if there is one of the same bus, device and function
     */
    public int plug(RequesterId requester) {
        ZpciFunction function = new ZpciFunction(this, requester);
        ZpciFunction present = functions.putIfAbsent(requester.sourceId(), function);
        if (present != null) {
            throw new IommufdException(Errno.EBUSY, "%s is a function of %s already".formatted(present.requester(), name));
        }
        return function.handle();
    }

    /** Takes a function out: its ports let nothing through any more. None of its requests is under way on return. */
    public void unplug(RequesterId requester) {
        ZpciFunction function = functions.remove(requester.sourceId());
        if (function != null) {
            function.powerOff();
        }
    }

    /**
     * A port for one queue of a function that is plugged in.
     *
     * @param pasid a PASID, or {@link iommufd.api.dma.Pasid#NONE}; zPCI has no PASIDs, so that requests with one are refused
     * @throws IommufdException {@link Errno#ENODEV} if the function is not plugged in
     */
    public ZpciPort openPort(RequesterId requester, int pasid) {
        ZpciFunction function = functions.get(requester.sourceId());
        if (function == null || function.requester().value() != requester.value()) {
            throw new IommufdException(Errno.ENODEV, "%s is no function of %s".formatted(requester, name));
        }
        ZpciPort port = new ZpciPort(function, pasid);
        port.open();
        return port;
    }

    /** Whether there is event information. */
    public boolean eventsPending() {
        return events.pending();
    }

    /** As if power had gone and come: functions are disabled, with their first handles. */
    public void reset() {
        functions.values().forEach(ZpciFunction::powerOff);
        events.clear();
    }

    @Override
    public int modifyControls(long request, long blockAddress) {
        ZpciFunction function = function(PciInstructions.handle(request));
        if (blockAddress % OPERAND_ALIGNMENT != 0) {
            return Outcome.interruption(Outcome.SPECIFICATION);
        }
        return function == null ? Outcome.NO_FUNCTION : function.modify(request, operand(blockAddress, FunctionBlock.BYTES));
    }

    @Override
    public int storeControls(long request, long blockAddress) {
        ZpciFunction function = function(PciInstructions.handle(request));
        if (blockAddress % OPERAND_ALIGNMENT != 0) {
            return Outcome.interruption(Outcome.SPECIFICATION);
        }
        return function == null ? Outcome.NO_FUNCTION : function.store(request, operand(blockAddress, FunctionBlock.BYTES));
    }

    @Override
    public int refresh(long request, long iova, long lengthBytes) {
        ZpciFunction function = function(PciInstructions.handle(request));
        return function == null ? Outcome.NO_FUNCTION : function.refresh(PciInstructions.handle(request), iova, lengthBytes);
    }

    @Override
    public int callLogicalProcessor(long blockAddress) {
        if (blockAddress % OPERAND_ALIGNMENT != 0) {
            return Outcome.interruption(Outcome.SPECIFICATION);
        }
        long block = operand(blockAddress, LogicalProcessorBlock.BYTES);
        if (block < 0) {
            return Outcome.interruption(Outcome.ADDRESSING);
        }
        int named = BigWords.getInt(block + LogicalProcessorBlock.REQUEST_HANDLE);
        ZpciFunction function = function(named);
        int response = response(block, named, function);
        BigWords.setInt(block + LogicalProcessorBlock.RESPONSE_LENGTH, LogicalProcessorBlock.RESPONSE_BYTES << 16 | response);
        BigWords.setInt(block + LogicalProcessorBlock.RESPONSE_HANDLE, function == null ? named : function.handle());
        return Outcome.DONE;
    }

    private static int response(long block, int named, ZpciFunction function) {
        if (LogicalProcessorBlock.half(block + LogicalProcessorBlock.COMMAND) != LogicalProcessorBlock.SET_FUNCTION) {
            return LogicalProcessorBlock.UNKNOWN_COMMAND;
        }
        if (LogicalProcessorBlock.half(block + LogicalProcessorBlock.REQUEST_LENGTH) != LogicalProcessorBlock.REQUEST_BYTES
                || LogicalProcessorBlock.half(block + LogicalProcessorBlock.RESPONSE_LENGTH) < LogicalProcessorBlock.RESPONSE_BYTES) {
            return LogicalProcessorBlock.BAD_LENGTH;
        }
        return function == null ? LogicalProcessorBlock.BAD_HANDLE
                : function.set(named, LogicalProcessorBlock.octet(block + LogicalProcessorBlock.OPERATION),
                        LogicalProcessorBlock.octet(block + LogicalProcessorBlock.ADDRESS_SPACES));
    }

    @Override
    public int storeEvent(long blockAddress) {
        if (blockAddress % OPERAND_ALIGNMENT != 0) {
            return Outcome.interruption(Outcome.SPECIFICATION);
        }
        long block = operand(blockAddress, EventBlock.BYTES);
        if (block < 0) {
            return Outcome.interruption(Outcome.ADDRESSING);
        }
        events.store(block);
        return Outcome.DONE;
    }

    private ZpciFunction function(int handle) {
        return functions.get(FunctionHandle.index(handle));
    }

    /** @return where an operand lies in the window, or a negative number if not all of it is there in one piece */
    private long operand(long address, int lengthBytes) {
        long first = memory.hostAddress(address, lengthBytes);
        return first >= 0 && HostMemory.isBacked(first) && HostMemory.isBacked(first + lengthBytes - 1) ? first : -1L;
    }

    ZpciFeatures features() {
        return features;
    }

    MemoryMap memory() {
        return memory;
    }

    PendingEvents events() {
        return events;
    }

    long drainNanos() {
        return drainNanos;
    }
}
