package iommu.s390;

import iommu.common.dma.FarPath;
import iommu.s390.format.CommandBlock;
import iommu.s390.format.Outcome;
import iommu.s390.format.PciInstructions;
import iommu.s390.unit.ZpciFeatures;
import iommu.s390.unit.ZpciUnit;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.UnitBoard;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * zPCI as a guest sees it: a {@link CommandBlock} per processor for the instructions the guest issues. Line {@value #EVENT_LINE} is high
 * while there is event information. A function is plugged in when its first port is opened, disabled, with the handle that
 * {@link iommu.s390.format.FunctionHandle#disabled} gives for its source id and instance 0. Thread-safe.
 */
final class S390GuestUnit implements IommuUnit {
    /** The machine check. */
    static final int EVENT_LINE = 0;

    private static final int WORDS = CommandBlock.BYTES / Long.BYTES;
    private static final long STATUS = 0xFF00_0000L;
    private static final int STATUS_SHIFT = 24;
    private static final long CLOSE_NANOS = 5_000_000_000L;

    private final ZpciUnit unit;
    private final UnitBoard board;
    private final AtomicLongArray registers;
    /** How many changes of the event line are to be looked at; who makes it positive looks. */
    private final AtomicInteger unsettled = new AtomicInteger();
    /** Level of the event line; whoever settles it owns this. */
    private boolean level;
    /** Guarded by this, as everything below. */
    private final Set<HardwarePort> ports = Collections.newSetFromMap(new WeakHashMap<>());
    private final Set<Integer> plugged = new HashSet<>();
    private boolean closed;

    S390GuestUnit(String name, ZpciFeatures features, int processors, UnitBoard board) {
        this.board = board;
        registers = new AtomicLongArray(processors * WORDS);
        unit = new ZpciUnit(name, features, board.memory(), pending -> settle());
    }

    /** How its requests reach memory behind the physical window. */
    FarPath farPath() {
        return unit.farPath();
    }

    @Override
    public long registerBytes() {
        return (long) registers.length() * Long.BYTES;
    }

    @Override
    public long read(long offset, int bytes) {
        if (!accessible(offset, bytes) || offset % CommandBlock.BYTES == CommandBlock.DOORBELL) {
            return 0;
        }
        return registers.get((int) offset / Long.BYTES);
    }

    @Override
    public void write(long offset, int bytes, long value) {
        if (!accessible(offset, bytes)) {
            return;
        }
        int index = (int) offset / Long.BYTES;
        switch ((int) offset % CommandBlock.BYTES) {
            case CommandBlock.FIRST, CommandBlock.SECOND, CommandBlock.THIRD -> registers.set(index, value);
            case CommandBlock.DOORBELL -> execute(index - CommandBlock.DOORBELL / Long.BYTES, (int) value);
            default -> { }   // read-only, or nothing
        }
    }

    private boolean accessible(long offset, int bytes) {
        return bytes == Long.BYTES && offset >= 0 && offset % Long.BYTES == 0 && offset < registerBytes();
    }

    private void execute(int block, int opcode) {
        long first = registers.get(block);
        long second = registers.get(block + CommandBlock.SECOND / Long.BYTES);
        long third = registers.get(block + CommandBlock.THIRD / Long.BYTES);
        PciInstructions instructions = unit;
        int outcome = switch (opcode) {
            case CommandBlock.MODIFY_CONTROLS -> instructions.modifyControls(first, second);
            case CommandBlock.STORE_CONTROLS -> instructions.storeControls(first, second);
            case CommandBlock.REFRESH -> instructions.refresh(first, second, third);
            case CommandBlock.LOGICAL_PROCESSOR -> instructions.callLogicalProcessor(second);
            case CommandBlock.CHANNEL_SUBSYSTEM -> instructions.storeEvent(second);
            default -> CommandBlock.UNKNOWN;
        };
        if (Outcome.condition(outcome) == Outcome.REFUSED) {
            registers.set(block, first & ~STATUS | (long) Outcome.status(outcome) << STATUS_SHIFT);
        }
        registers.set(block + CommandBlock.OUTCOME / Long.BYTES, outcome);
    }

    /** Makes the line what the unit says, one change after the other, on the thread of the first change. */
    private void settle() {
        int seen = unsettled.incrementAndGet();
        if (seen != 1) {
            return;
        }
        do {
            boolean pending = unit.eventsPending();
            if (pending != level) {
                level = pending;
                board.line(EVENT_LINE, pending);
            }
            seen = unsettled.addAndGet(-seen);
        } while (seen != 0);
    }

    @Override
    public synchronized HardwarePort openPort(RequesterId requester, int pasid) {
        if (closed) {
            throw new IommufdException(Errno.ENODEV, unit.name() + " is closed");
        }
        if (!plugged.contains(requester.value())) {
            unit.plug(requester);
            plugged.add(requester.value());
        }
        HardwarePort port = unit.openPort(requester, pasid);
        ports.add(port);
        return port;
    }

    /** @throws IommufdException {@link Errno#EOPNOTSUPP}: zPCI has no address translation services */
    @Override
    public AtsPort openAtsPort(RequesterId requester, int pasid, AtsPort.Device device) {
        throw new IommufdException(Errno.EOPNOTSUPP, unit.name() + " has no ports for devices that translate: zPCI has no ATS");
    }

    @Override
    public void reset() {
        for (int i = 0; i < registers.length(); i++) {
            registers.set(i, 0);
        }
        unit.reset();
    }

    @Override
    public synchronized void close() {
        closed = true;
        List.copyOf(ports).forEach(port -> port.close(CLOSE_NANOS));
        ports.clear();
    }
}
