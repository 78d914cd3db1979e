package iommu.smmuv3.driver;

import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.table.TablePool;
import iommu.smmuv3.format.RegisterAccess;
import iommu.smmuv3.format.SmmuEvent;
import iommufd.api.Errno;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.hardware.ReservedRegion;
import iommufd.api.memory.TableMemory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The driver of one unit. It owns the unit's registers and every structure the unit reads.
 */
public final class SmmuDriver implements IommuHardware, AutoCloseable {
    /** Value of {@link IommuHardware#VENDOR}. */
    public static final String SMMUV3 = "smmuv3";

    private static final int INFO_TYPE = 2;
    private static final int INFO_BYTES = 40;
    private static final int CACHEABLE_AND_SHAREABLE = 3 << 10 | 1 << 8 | 1 << 6 | 3 << 4 | 1 << 2 | 1;

    private final String name;
    private final RegisterAccess registers;
    private final DmaSource bus;
    private final TablePool pool;
    private final DriverOptions options;
    private final int streamIdBits;
    private final int substreamIdBits;
    private final boolean stalls;
    private final long commandQueue;
    private final long eventQueue;
    private final long streamTable;
    private final CommandProducer commands;
    private final EventReader events;
    private final StreamTable streams;
    private final IdSpace asids = new IdSpace("ASID");
    private final IdSpace vmids = new IdSpace("VMID");
    private final Map<Integer, SmmuEndpoint> endpoints = new ConcurrentHashMap<>();

    /**
     * Sets the unit up; every stream is blocked.
     *
     * @throws IommufdException {@link Errno#ENODEV} if the unit lacks what this driver needs; {@link Errno#ENOMEM}
     */
    public SmmuDriver(String name, RegisterAccess registers, DmaSource bus, TablePool pool, DriverOptions options) {
        this.name = name;
        this.registers = registers;
        this.bus = bus;
        this.pool = pool;
        this.options = options;
        check();
        int sizes = get(IDR1);
        streamIdBits = sizes & IDR1_SIDSIZE;
        substreamIdBits = sizes >>> IDR1_SSIDSIZE_SHIFT & IDR1_FIELD;
        stalls = (get(IDR0) & IDR0_STALL_MODEL_TERMINATE) == 0;
        TableMemory memory = pool.memory();
        long[] frames = allocate(memory);
        commandQueue = frames[0];
        eventQueue = frames[1];
        streamTable = frames[2];
        commands = new CommandProducer(registers, commandQueue);
        events = new EventReader(name, registers, eventQueue, this::report);
        streams = new StreamTable(memory, commands, streamTable, streamIdBits);
        start();
    }

    private void check() {
        int needed0 = IDR0_S1P | IDR0_S2P | IDR0_TTF_AARCH64 | IDR0_COHACC | IDR0_ASID16 | IDR0_VMID16
                | IDR0_CD2L | IDR0_ST_LEVEL_2;
        if ((get(IDR0) & needed0) != needed0 || (get(IDR0) & IDR0_HTTU) != IDR0_HTTU_ACCESS_AND_DIRTY
                || (get(IDR3) & IDR3_RIL) == 0 || !walksGranule(options.granuleLg2())) {
            throw new IommufdException(Errno.ENODEV, "%s lacks a feature this driver needs: IDR0 0x%x, IDR3 0x%x, IDR5 0x%x"
                    .formatted(name, get(IDR0), get(IDR3), get(IDR5)));
        }
    }

    /** Whether the unit walks tables of that granule, whatever the driver's own have. */
    boolean walksGranule(int granuleLg2) {
        return (get(IDR5) & switch (granuleLg2) {
            case 12 -> IDR5_GRAN4K;
            case 14 -> IDR5_GRAN16K;
            default -> IDR5_GRAN64K;
        }) != 0;
    }

    /** Whether the size of a valid leaf may change without taking it away first (§3.21.1, BBML). */
    boolean resizesInPlace() {
        return (get(IDR3) & IDR3_BBML) == IDR3_BBML2;
    }

    /** All or nothing. */
    private long[] allocate(TableMemory memory) {
        int[] sizesLg2 = {TableMemory.MIN_FRAME_LG2, TableMemory.MIN_FRAME_LG2, StreamTable.topLg2(streamIdBits)};
        long[] frames = new long[sizesLg2.length];
        int done = 0;
        try {
            for (; done < frames.length; done++) {
                frames[done] = memory.allocate(sizesLg2[done]);
            }
            return frames;
        } catch (IommufdException failure) {
            while (done-- > 0) {
                memory.free(frames[done], sizesLg2[done]);
            }
            throw failure;
        }
    }

    private void start() {
        put(CR0, 0);
        put(CR1, CACHEABLE_AND_SHAREABLE);
        put(CR2, CR2_RECINVSID | CR2_PTM);
        registers.write(STRTAB_BASE, 8, streamTable | BASE_HINT);
        put(STRTAB_BASE_CFG, STRTAB_FMT_2LEVEL | StreamTable.SPLIT << STRTAB_SPLIT_SHIFT | streamIdBits);
        registers.write(CMDQ_BASE, 8, commandQueue | BASE_HINT | CommandProducer.ENTRIES_LG2);
        put(CMDQ_PROD, 0);
        put(CMDQ_CONS, 0);
        registers.write(EVENTQ_BASE, 8, eventQueue | BASE_HINT | EventReader.ENTRIES_LG2);
        put(EVENTQ_PROD, 0);
        put(EVENTQ_CONS, 0);
        enable(CR0_CMDQEN);
        commands.invalidateAll();
        enable(CR0_CMDQEN | CR0_EVENTQEN);
        put(IRQ_CTRL, IRQ_CTRL_EVENTQ | IRQ_CTRL_GERROR);
        enable(CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN);
    }

    private void enable(int bits) {
        put(CR0, bits);
        while (get(CR0ACK) != bits) {
            Thread.onSpinWait();
        }
    }

    private int get(int offset) {
        return (int) registers.read(offset, 4);
    }

    private void put(int offset, int value) {
        registers.write(offset, 4, value);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public String vendor() {
        return SMMUV3;
    }

    @Override
    public HardwareEndpoint probe(EndpointDescription endpoint, FaultSink faults) {
        int streamId = endpoint.requesterId().value();
        SmmuEndpoint made = new SmmuEndpoint(this, endpoint, faults);
        if (endpoints.putIfAbsent(streamId, made) != null) {
            throw new IommufdException(Errno.EBUSY, "%s has %s already".formatted(name, endpoint.requesterId()));
        }
        try {
            streams.add(streamId);
        } catch (IommufdException failure) {
            endpoints.remove(streamId);
            throw failure;
        }
        return made;
    }

    /** An endpoint is given back: its stream has no entry any more. */
    void forget(int streamId) {
        streams.remove(streamId);
        endpoints.remove(streamId);
    }

    /** The event queue's interrupt. */
    public void eventsArrived() {
        events.drain();
    }

    private void report(long[] record, DmaFault fault) {
        SmmuEndpoint endpoint = endpoints.get(fault.requesterId().value());
        if (endpoint != null) {
            endpoint.event(record, fault);
        } else if ((record[1] & SmmuEvent.STALL) != 0) {
            commands.resume(fault.requesterId().value(), (int) (record[1] & SmmuEvent.STALL_TAG), false);
        }
    }

    /** Whether faulting requests wait for user space. */
    boolean stalls() {
        return stalls;
    }

    /** {@code struct iommu_hw_info_arm_smmuv3}. */
    HardwareInfo info(int pasidBits) {
        ByteBuffer bytes = ByteBuffer.allocate(INFO_BYTES).order(ByteOrder.nativeOrder());
        bytes.putInt(0).putInt(0);
        for (int offset : new int[] {IDR0, IDR1, IDR2, IDR3, IDR4, IDR5, IIDR, AIDR}) {
            bytes.putInt(get(offset));
        }
        return new HardwareInfo(INFO_TYPE, bytes.array(),
                Set.of(HardwareInfo.Capability.DIRTY_TRACKING, HardwareInfo.Capability.ATS_NOT_SUPPORTED), pasidBits);
    }

    int granuleLg2() {
        return options.granuleLg2();
    }

    /** What is kept free for interrupt messages. */
    ReservedRegion messageWindow() {
        long start = options.messageWindowStart();
        return new ReservedRegion(new IovaRange(start, start + DriverOptions.MESSAGE_WINDOW_BYTES - 1), ReservedRegion.Kind.SOFTWARE_MSI);
    }

    boolean prefersStage2() {
        return options.prefersStage2();
    }

    int substreamIdBits() {
        return substreamIdBits;
    }

    DmaSource bus() {
        return bus;
    }

    TablePool pool() {
        return pool;
    }

    CommandProducer commands() {
        return commands;
    }

    StreamTable streams() {
        return streams;
    }

    IdSpace asids() {
        return asids;
    }

    IdSpace vmids() {
        return vmids;
    }

    /** Releases what endpoints are left, switches the unit off so that it aborts everything, and gives all memory back. */
    @Override
    public void close() {
        endpoints.values().forEach(SmmuEndpoint::release);
        put(GBPA, GBPA_UPDATE | GBPA_ABORT);
        put(IRQ_CTRL, 0);
        enable(0);
        events.close();
        commands.stop();
        TableMemory memory = pool.memory();
        memory.free(commandQueue, TableMemory.MIN_FRAME_LG2);
        memory.free(eventQueue, TableMemory.MIN_FRAME_LG2);
        memory.free(streamTable, StreamTable.topLg2(streamIdBits));
    }
}
