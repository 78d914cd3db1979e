package bench;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.Smmuv3Backend;
import iommu.smmuv3.Smmuv3Model;
import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.unit.SmmuFeatures;
import iommufd.api.DmaAccess;
import iommufd.api.FaultResponse;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.hardware.UnitBoard;
import iommufd.api.memory.MemoryMap;
import iommufd.api.memory.PinnedRuns;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;

/** An SMMUv3 in front of a guest, programmed by hand: nested walks and commands; and stalls through unit and driver. */
final class SmmuUnits implements Scenario {
    private static final long GUEST_BYTES = 64 << 20;
    private static final long IOVA = 0x12_3400_0000L;
    private static final int STREAM = 16;
    /** As many pages as the IOTLB has entries lie between two that take each other's place. */
    private static final long APART = 2048 * 4096L;
    private static final int PAGES = 32;
    private static final int QUEUE_LG2 = 7;
    private static final int BATCH = 1 << QUEUE_LG2 - 1;
    private static final long STREAMS = 0x1_0000;
    private static final long COMMANDS = 0x2_0000;
    private static final long EVENTS = 0x3_0000;
    private static final long CONTEXT = 0x4_0000;
    private static final long FIRST = 0x5_0000;
    private static final long SECOND = 0x6_0000;
    /** Valid page, unprivileged, AF, writable, of its ASID only. */
    private static final long LEAF1 = 3 | 1 << 6 | 1 << 10 | 1 << 11;
    /** Valid page, read and write, normal memory, AF. */
    private static final long LEAF2 = 3 | 3 << 6 | 0xf << 2 | 1 << 10;

    private final HostPhysicalMemory memory = new HostPhysicalMemory();
    private final long guest = memory.allocateGuestRam(GUEST_BYTES, true).physicalAddress();
    private long nextTable = 0x10_0000;

    @Override
    public void run(boolean quick, Findings findings) {
        UnitBoard board = new UnitBoard() {
            private final MemoryMap map = MemoryMap.of(List.of(new MemoryMap.Range(0, GUEST_BYTES, guest)));

            @Override
            public MemoryMap memory() {
                return map;
            }

            @Override
            public void message(long address, int data) {
                throw new AssertionError("nobody asked for a message");
            }

            @Override
            public void line(int line, boolean level) { }
        };
        IommuUnit unit = new Smmuv3Model().create("bench", Map.of("stage", "nested"), board);
        start(unit);
        walks(unit, quick, findings);
        commands(unit, quick, findings);
        unit.close();
        stalls(quick, findings);
    }

    private void store(long guestAddress, long value) {
        PhysicalWords.set(guest + guestAddress, value);
    }

    private long load(long guestAddress) {
        return PhysicalWords.get(guest + guestAddress);
    }

    private void map(long table, int levels, long address, long leaf) {
        long at = table;
        for (int level = levels - 1; level > 0; level--) {
            long slot = at + (address >>> 12 + 9 * level & 511) * 8;
            if (load(slot) == 0) {
                store(slot, nextTable | 3);
                nextTable += 4096;
            }
            at = load(slot) & -4096;
        }
        store(at + (address >>> 12 & 511) * 8, leaf);
    }

    /** Linear stream table, command and event queue, everything on. */
    private static void start(IommuUnit unit) {
        unit.write(0x80, 8, STREAMS);
        unit.write(0x88, 4, 6);
        unit.write(0x90, 8, COMMANDS | QUEUE_LG2);
        unit.write(0xa0, 8, EVENTS | QUEUE_LG2);
        unit.write(0x20, 4, 1 | 1 << 2 | 1 << 3);
    }

    /** Four levels in the first stage, three in the second, and small pages; the second one maps the guest's memory onto itself. */
    private void walks(IommuUnit unit, boolean quick, Findings findings) {
        for (int page = 0; page < 2 * PAGES; page++) {
            map(FIRST, 4, IOVA + (page & PAGES - 1) * 4096L + page / PAGES * APART, 0x200_0000 + page * 4096L | LEAF1);
        }
        for (long page = 0; page < GUEST_BYTES; page += 4096) {
            map(SECOND, 3, page, page | LEAF2);
        }
        store(CONTEXT, 16 | 1L << 30 | 1L << 31 | 4L << 32 | 1L << 41 | 1L << 45 | 1L << 46 | 1L << 48);
        store(CONTEXT + 8, FIRST);
        store(STREAMS + STREAM * 64 + 24, SECOND);
        store(STREAMS + STREAM * 64 + 16, 25L << 32 | 1L << 38 | 4L << 48 | 1L << 51 | 1L << 58);
        store(STREAMS + STREAM * 64, 1 | 7 << 1 | CONTEXT);
        HardwarePort port = unit.openPort(new RequesterId(STREAM), Pasid.NONE);
        MemorySegment bytes = MemorySegment.ofArray(new byte[8]);
        int rounds = quick ? 20_000 : 100_000;
        read(port, bytes, rounds);
        long allocated = Samples.allocatedBytes();
        long begin = System.nanoTime();
        read(port, bytes, rounds);
        double nanos = (double) (System.nanoTime() - begin) / rounds / PAGES / 2;
        findings.found("nested", nanos, (double) (Samples.allocatedBytes() - allocated) / rounds / PAGES / 2,
                "with the 8 bytes of DMA that it is for; every IOTLB lookup misses");
    }

    private static void read(HardwarePort port, MemorySegment bytes, int rounds) {
        for (int round = 0; round < rounds; round++) {
            for (int page = 0; page < PAGES; page++) {
                long iova = IOVA + page * 4096L;
                if (port.read(iova, bytes, 0, 8) != DmaStatus.DONE || port.read(iova + APART, bytes, 0, 8) != DmaStatus.DONE) {
                    throw new AssertionError(port.lastFault().toString());
                }
            }
        }
    }

    /** Queues full of invalidations by address, each with a CMD_SYNC at its end. */
    private void commands(IommuUnit unit, boolean quick, Findings findings) {
        for (int i = 0; i < 2 * BATCH; i++) {
            boolean sync = i % BATCH == BATCH - 1;
            store(COMMANDS + i * 16L, sync ? 0x46 : 0x12 | 1L << 48);
            store(COMMANDS + i * 16L + 8, sync ? 0 : IOVA + i * 4096L);
        }
        int laps = quick ? 10_000 : 100_000;
        int produced = lap(unit, laps / 4, 0);
        long begin = System.nanoTime();
        produced = lap(unit, laps, produced);
        double seconds = (System.nanoTime() - begin) / 1e9;
        if (unit.read(0x9c, 4) != produced || unit.read(0x60, 4) != 0) {
            throw new AssertionError("the queue stopped");
        }
        findings.found("commands", (double) laps * BATCH / seconds, 0, BATCH + " by a write of CMDQ_PROD, one of them a CMD_SYNC");
    }

    /** @return CMDQ_PROD, with its wrap bit */
    private static int lap(IommuUnit unit, int laps, int produced) {
        int at = produced;
        for (int i = 0; i < laps; i++) {
            at = at + BATCH & (2 << QUEUE_LG2) - 1;
            unit.write(0x98, 4, at);
        }
        return at;
    }

    /** A device touches an absent page; whoever gets the fault maps it and answers; the request completes. */
    private void stalls(boolean quick, Findings findings) {
        Smmuv3Backend host = new Smmuv3Backend("smmu0", SmmuFeatures.host(SmmuFeatures.DEFAULT.streamIdBits(), true), DriverOptions.DEFAULT, memory.tables());
        HardwareEndpoint[] asking = new HardwareEndpoint[1];
        PagingDomain[] filled = new PagingDomain[1];
        PinnedRuns page = new PinnedRuns(1);
        page.add(guest, 4096);
        FaultSink resolver = new FaultSink() {
            @Override
            public void unrecoverable(DmaFault fault) {
                throw new AssertionError(fault.toString());
            }

            @Override
            public boolean pageRequest(PageRequest request) {
                filled[0].map(request.iova(), page, DmaAccess.READ_WRITE);
                asking[0].respond(new PageResponse(request.pasid(), request.groupIndex(), FaultResponse.SUCCESS));
                return true;
            }
        };
        asking[0] = host.probe(new EndpointDescription(new RequesterId(STREAM), 0, 0, true), resolver);
        filled[0] = asking[0].allocatePaging(PagingOptions.PLAIN);
        asking[0].attach(Pasid.NONE, filled[0]);
        HardwarePort port = asking[0].openPort(Pasid.NONE);
        MemorySegment bytes = MemorySegment.ofArray(new byte[8]);
        int count = quick ? 20_000 : 100_000;
        Samples nanos = new Samples(count);
        for (int i = -20_000; i < count; i++) {
            long begin = System.nanoTime();
            DmaStatus status = port.read(IOVA, bytes, 0, 8);
            long end = System.nanoTime();
            if (status != DmaStatus.DONE || filled[0].unmap(IOVA, IOVA + 4095) != 4096) {
                throw new AssertionError(port.lastFault().toString());
            }
            if (i >= 0) {
                nanos.add(end - begin);
            }
        }
        findings.found("stall", nanos.median() / 1e3, 0, "p99 %.1f µs; event, driver, map, CMD_RESUME, the bytes".formatted(nanos.quantile(0.99) / 1e3));
        port.close(1_000_000_000L);
        asking[0].release();
        filled[0].close();
        host.close();
    }
}
