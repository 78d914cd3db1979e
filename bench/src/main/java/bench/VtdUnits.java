package bench;

import iommu.common.unit.PhysicalWords;
import iommu.vtd.VtdBackend;
import iommu.vtd.VtdModel;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeature;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.DmaAccess;
import iommufd.api.FaultResponse;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
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
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;

/** A VT-d unit in front of a guest, programmed by hand: nested walks and invalidations; and page requests through unit and driver. */
final class VtdUnits implements Scenario {
    private static final long GUEST_BYTES = 64 << 20;
    private static final int LEVELS = 4;
    private static final long IOVA = 0x12_3400_0000L;
    private static final RequesterId DEVICE = RequesterId.of(0, 0, 2, 0);
    /** As many pages as the IOTLB has entries lie between two that take each other's place. */
    private static final long APART = 2048 * 4096L;
    private static final int PAGES = 32;
    private static final long GUEST_QUEUE = 0x3000;
    private static final int QUEUE_ENTRIES = 128;

    private final HostPhysicalMemory memory = new HostPhysicalMemory();
    private final long guest = memory.allocateGuestRam(GUEST_BYTES, true).physicalAddress();
    /** Tables of the guest are taken from here on. */
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
                throw new AssertionError("a fault");
            }

            @Override
            public void line(int line, boolean level) {
                throw new AssertionError("VT-d has no lines");
            }
        };
        IommuUnit unit = new VtdModel().create("bench", Map.of("x-scalable-mode", "on", "x-flts", "on", "nested", "on"), board);
        walks(unit, quick, findings);
        invalidations(unit, quick, findings);
        unit.close();
        pageRequests(quick, findings);
    }

    private void store(long guestAddress, long value) {
        PhysicalWords.set(guest + guestAddress, value);
    }

    private long load(long guestAddress) {
        return PhysicalWords.get(guest + guestAddress);
    }

    private void map(long table, long address, long leaf) {
        long at = table;
        for (int level = LEVELS; level > 1; level--) {
            long slot = at + (address >>> 12 + 9 * (level - 1) & 511) * 8;
            if (load(slot) == 0) {
                store(slot, nextTable | 7);
                nextTable += 4096;
            }
            at = load(slot) & -4096;
        }
        store(at + (address >>> 12 & 511) * 8, leaf);
    }

    /** Both stages have four levels and small pages; the second one maps the guest's memory onto itself. */
    private void walks(IommuUnit unit, boolean quick, Findings findings) {
        long second = 0x5000;
        long first = 0x6000;
        for (int page = 0; page < 2 * PAGES; page++) {
            map(first, IOVA + (page & PAGES - 1) * 4096L + page / PAGES * APART, 0x200_0000 + page * 4096L | 0x67);
        }
        for (long page = 0; page < GUEST_BYTES; page += 4096) {
            map(second, page, page | 3);
        }
        store(0x1000, 0x2001);
        store(0x2000 + DEVICE.deviceFunction() * 32L, 0x4001);
        store(0x4000, 0x7001);
        store(0x7008, 7 | 1 << 23);
        store(0x7010, first);
        store(0x7000, second | 2 << 2 | 3 << 6 | 1);
        unit.write(0x20, 8, 0x1000 | 1 << 10);
        unit.write(0x18, 4, 1 << 30);
        unit.write(0x18, 4, 1L << 31);
        HardwarePort port = unit.openPort(DEVICE, Pasid.NONE);
        MemorySegment bytes = MemorySegment.ofArray(new byte[8]);
        int rounds = quick ? 20_000 : 100_000;
        read(port, bytes, rounds);
        long allocated = Samples.allocatedBytes();
        long start = System.nanoTime();
        read(port, bytes, rounds);
        double nanos = (double) (System.nanoTime() - start) / rounds / PAGES / 2;
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

    /** Queues full of page-selective invalidations, each with a wait at its end. */
    private void invalidations(IommuUnit unit, boolean quick, Findings findings) {
        for (int i = 0; i < QUEUE_ENTRIES; i++) {
            boolean wait = i % 64 == 63;
            store(GUEST_QUEUE + i * 32L, wait ? 0x5 | 1 << 5 | 1L << 32 : 0x6 | 3 << 4 | 7 << 16);
            store(GUEST_QUEUE + i * 32L + 8, wait ? 0x8000 : IOVA + i * 4096L);
        }
        unit.write(0x90, 8, GUEST_QUEUE | 1 << 11);
        unit.write(0x18, 4, 1L << 31 | 1 << 26);
        int laps = quick ? 20_000 : 200_000;
        lap(unit, laps / 4);
        long start = System.nanoTime();
        lap(unit, laps);
        double seconds = (System.nanoTime() - start) / 1e9;
        if ((load(0x8000) & 1) != 1 || unit.read(0x34, 4) != 0) {
            throw new AssertionError("the queue stopped");
        }
        findings.found("invalidations", 2.0 * laps * (QUEUE_ENTRIES / 2) / seconds, 0, "64 by a write of the tail, one of them a wait");
    }

    private static void lap(IommuUnit unit, int laps) {
        for (int i = 0; i < laps; i++) {
            unit.write(0x88, 8, QUEUE_ENTRIES / 2 * 32L);
            unit.write(0x88, 8, 0);
        }
    }

    private void pageRequests(boolean quick, Findings findings) {
        VtdBackend host = new VtdBackend(memory.tables(), VtdFeatures.scalableMode().with(VtdFeature.DEVICE_TLB, VtdFeature.PAGE_REQUESTS),
                VtdDriverOptions.named("vtd0"));
        HardwareEndpoint[] asking = new HardwareEndpoint[1];
        FaultSink answers = new FaultSink() {
            @Override
            public void unrecoverable(DmaFault fault) {
                throw new AssertionError(fault.toString());
            }

            @Override
            public boolean pageRequest(PageRequest request) {
                asking[0].respond(new PageResponse(request.pasid(), request.groupIndex(), FaultResponse.SUCCESS));
                return true;
            }
        };
        asking[0] = host.probe(new EndpointDescription(DEVICE, 0, 0, true), answers);
        PagingDomain domain = asking[0].allocatePaging(PagingOptions.PLAIN);
        asking[0].attach(Pasid.NONE, domain);
        int[] answered = new int[1];
        AtsPort port = asking[0].openAtsPort(Pasid.NONE, new AtsPort.Device() {
            @Override
            public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
                return true;
            }

            @Override
            public void pageResponse(PageResponse response) {
                answered[0]++;
            }
        });
        int count = quick ? 30_000 : 200_000;
        Samples nanos = new Samples(count);
        for (int i = -30_000; i < count; i++) {
            int before = answered[0];
            long start = System.nanoTime();
            port.requestPage(new PageRequest(Pasid.NONE, i & 0x1FF, IOVA, DmaAccess.READ, false, false, true));
            long end = System.nanoTime();
            if (answered[0] != before + 1) {
                throw new AssertionError("no answer");
            }
            if (i >= 0) {
                nanos.add(end - start);
            }
        }
        findings.found("pageRequest", nanos.median() / 1e3, 0, "p99 %.1f µs; queue, event, driver, response".formatted(nanos.quantile(0.99) / 1e3));
        asking[0].release();
        domain.close();
        host.close();
    }
}
