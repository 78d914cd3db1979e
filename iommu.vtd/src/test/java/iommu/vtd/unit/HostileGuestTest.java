package iommu.vtd.unit;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommu.vtd.Ram;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A guest that writes what it likes into registers, tables and queues, with devices that send what they like: nothing is thrown,
 * nothing hangs, and not a byte outside the guest's memory is read or written.
 */
class HostileGuestTest {
    private static final int STEPS = 20_000;
    private static final long GUARD_WORD = 0xA5A5_DEAD_BEEF_C0DEL;
    private static final long LOW_BYTES = 4 << 20;
    private static final long HIGH_BYTES = 1 << 20;
    private static final long HIGH = 1L << 32;
    private static final long GUARD_BYTES = 1 << 20;
    private static final int[] REGISTERS = {0x18, 0x20, 0x28, 0x2C, 0x34, 0x38, 0x3C, 0x40, 0x44, 0x64, 0x68, 0x6C, 0x70, 0x78, 0x88, 0x90,
        0x9C, 0xA0, 0xA4, 0xA8, 0xB0, 0xB8, 0xC0, 0xC8, 0xD0, 0xDC, 0xE0, 0xE8, 0xF0, 0xF8, 0xFC, 0x22C, 0x23C};
    private static final VtdFeatures EVERYTHING = VtdFeatures.scalableMode().with(VtdFeature.NESTED, VtdFeature.DEVICE_TLB,
            VtdFeature.INTERRUPT_REMAPPING, VtdFeature.EXTENDED_INTERRUPTS, VtdFeature.POSTED_INTERRUPTS, VtdFeature.SUPERVISOR,
            VtdFeature.RID_PRIVILEGED, VtdFeature.PAGE_REQUESTS, VtdFeature.PAGE_REQUEST_DRAIN, VtdFeature.NO_WRITE_FLAG,
            VtdFeature.PROTECTED_LOW, VtdFeature.PROTECTED_HIGH).withFaultRecords(2);

    private final Ram ram = new Ram();
    private final long start = ram.frames(8 << 8);
    private final long low = start + GUARD_BYTES;
    private final long high = low + LOW_BYTES + GUARD_BYTES;
    private final MemoryMap map = MemoryMap.of(List.of(new MemoryMap.Range(0, LOW_BYTES, low), new MemoryMap.Range(HIGH, HIGH_BYTES, high)));
    private Random random;
    private int messages;

    private void fillGuards() {
        for (long at = start; at < start + (8 << 20); at += 8) {
            if (isGuard(at)) {
                PhysicalWords.set(at, GUARD_WORD);
            }
        }
    }

    private boolean isGuard(long at) {
        return at < low || at >= low + LOW_BYTES && at < high || at >= high + HIGH_BYTES;
    }

    private void assertGuards(String what) {
        for (long at = start; at < start + (8 << 20); at += 8) {
            if (isGuard(at) && PhysicalWords.get(at) != GUARD_WORD) {
                throw new AssertionError("%s: 0x%x outside the guest was written".formatted(what, at - low));
            }
        }
    }

    private VtdUnit unit(VtdFeatures features) {
        MessageSink sink = (address, data) -> messages++;
        return new VtdUnit("hostile", features, map, entry -> { }, sink, Optional.of(sink), 20_000_000);
    }

    /** An address the guest might mean: most are in its memory, some at its ends, some anywhere. */
    private long address() {
        return switch (random.nextInt(12)) {
            case 0 -> random.nextLong();
            case 1 -> LOW_BYTES - 4096;
            case 2 -> LOW_BYTES + random.nextInt(1 << 20);
            case 3 -> HIGH + random.nextInt((int) HIGH_BYTES);
            case 4 -> HIGH - 4096;
            default -> random.nextInt(64) * 4096L;
        };
    }

    private long value() {
        return switch (random.nextInt(8)) {
            case 0 -> random.nextLong();
            case 1 -> -1L;
            case 2 -> random.nextInt(1 << 19);
            case 3 -> 1L << random.nextInt(64);
            case 4 -> 1L << 63 | (long) random.nextInt(4) << 60 | random.nextInt(1 << 16);
            default -> address() & -4096 | random.nextInt(1 << 12);
        };
    }

    private void scribble() {
        for (int i = 0; i < 64; i++) {
            long at = random.nextInt(64) * 4096L + random.nextInt(512) * 8L;
            long entry = switch (random.nextInt(6)) {
                case 0 -> random.nextLong();
                case 1 -> 1 + random.nextInt(10) | (long) random.nextInt(1 << 12) << 4 | (long) random.nextInt(1 << 20) << 32;
                default -> address() & -4096 | 7 | (random.nextInt(6) == 0 ? random.nextInt(1 << 12) : 0);
            };
            PhysicalWords.set(low + at, entry);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void nothingHappensOutsideTheGuest(long seed) {
        random = new Random(seed);
        fillGuards();
        VtdFeatures features = seed % 2 == 0 ? EVERYTHING.with(VtdFeature.CACHING_MODE) : EVERYTHING;
        VtdUnit unit = unit(features);
        AtsPort.Device device = new AtsPort.Device() {
            @Override
            public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
                unit.write(0x88, 8, value());
                return random.nextInt(8) != 0;
            }

            @Override
            public void pageResponse(PageResponse response) {
                unit.read(0xC8, 8);
            }
        };
        VtdPort[] ports = {unit.openPort(new RequesterId(0x10), Pasid.NONE), unit.openPort(new RequesterId(0x10), 3),
            unit.openPort(new RequesterId(0x1FF), 1 << 19, true), unit.openAtsPort(new RequesterId(0x10), Pasid.NONE, device),
            unit.openAtsPort(new RequesterId(0x20), 1, device)};
        int[] done = new int[3];
        Assertions.assertTimeoutPreemptively(Duration.ofSeconds(120), () -> {
            for (int step = 0; step < STEPS; step++) {
                step(unit, ports, done);
            }
        }, "seed " + seed);
        assertGuards("seed " + seed);
        assertThat(done[DmaStatus.DONE.ordinal()]).as("requests that went through").isPositive();
        assertThat(done[DmaStatus.FAULTED.ordinal()]).as("requests that were refused").isPositive();
        unit.reset();
        for (VtdPort port : ports) {
            assertThat(Board.poke(port, 0x1000, 1)).as("the unit works after a reset").isEqualTo(DmaStatus.DONE);
        }
        unit.close();
    }

    private void step(VtdUnit unit, VtdPort[] ports, int[] done) {
        switch (random.nextInt(10)) {
            case 0 -> scribble();
            case 1, 2, 3 -> unit.write(random.nextInt(20) == 0 ? random.nextInt(5000) - 400 : REGISTERS[random.nextInt(REGISTERS.length)],
                    random.nextInt(3) == 0 ? 4 : 8, value());
            case 4 -> sensible(unit);
            default -> done[request(ports[random.nextInt(ports.length)]).ordinal()]++;
        }
    }

    /** What a driver would do, with the guest's own garbage as tables: else hardly anything is ever enabled. */
    private void sensible(VtdUnit unit) {
        switch (random.nextInt(7)) {
            case 0 -> {
                unit.write(0x20, 8, random.nextInt(64) * 4096L | (long) random.nextInt(4) << 10);
                unit.write(0x18, 4, unit.read(0x1C, 4) & 0x96FF_FFFFL | 1 << 30);
            }
            case 1 -> unit.write(0x18, 4, unit.read(0x1C, 4) & 0x96FF_FFFFL ^ 1L << 31);
            case 2 -> {
                unit.write(0x90, 8, random.nextInt(64) * 4096L | random.nextInt(2) << 11 | random.nextInt(3));
                unit.write(0x18, 4, unit.read(0x1C, 4) & 0x96FF_FFFFL | 1 << 26);
                unit.write(0x88, 8, random.nextInt(128) * 32L);
            }
            case 3 -> unit.write(0x34, 4, 0x71);
            case 4 -> {
                unit.write(0xB8, 8, random.nextInt(64) * 4096L | random.nextInt(16));
                unit.write(0x18, 4, unit.read(0x1C, 4) & 0x96FF_FFFFL | 3 << 24);
            }
            case 5 -> {
                unit.write(0xD0, 8, address() & -4096);
                unit.write(0xDC, 4, 3);
            }
            default -> {
                for (int i = 0; i < 2; i++) {
                    unit.write(0x22C + 16 * i, 4, 1L << 31);
                }
            }
        }
    }

    private DmaStatus request(VtdPort port) {
        long iova = random.nextInt(6) == 0 ? 0xFEE0_0000L | random.nextInt(1 << 20) & ~3 : address();
        MemorySegment bytes = MemorySegment.ofArray(new byte[1 + random.nextInt(12_000)]);
        long length = random.nextInt(3) == 0 ? Math.min(4, bytes.byteSize()) : bytes.byteSize();
        DmaStatus status = DmaStatus.DONE;
        switch (random.nextInt(8)) {
            case 0, 1 -> {
                status = port.read(iova, bytes, 0, length);
                assertClean(bytes);
            }
            case 2, 3 -> status = port.write(iova, bytes, 0, length);
            case 4 -> {
                port.fetchAndAdd(iova & ~7L, 1);
                status = port.status();
            }
            case 5 -> status = port.write(new ScatterList(2).add(iova, 1).add(address(), length), MemorySegment.ofArray(new byte[13_000]), 0);
            default -> {
                if (port instanceof VtdAtsPort ats) {
                    translate(ats, iova, bytes, length);
                }
            }
        }
        return status;
    }

    private void translate(VtdAtsPort ats, long iova, MemorySegment bytes, long length) {
        AtsPort.Translation translation = ats.requestTranslation(iova, DmaAccess.READ_WRITE);
        ats.writeTranslated(random.nextBoolean() ? translation.address() : address(), bytes, 0, length);
        ats.readTranslated(address(), bytes, 0, length);
        assertClean(bytes);
        ats.requestPage(new PageRequest(Pasid.NONE, random.nextInt(600), iova, DmaAccess.WRITE, random.nextBoolean(), random.nextBoolean(),
                random.nextBoolean()));
        if (random.nextInt(50) == 0) {
            ats.completeInvalidation();
        }
    }

    private static void assertClean(MemorySegment bytes) {
        for (long at = 0; at + 8 <= bytes.byteSize(); at++) {
            if (bytes.get(ValueLayout.JAVA_LONG_UNALIGNED, at) == GUARD_WORD) {
                throw new AssertionError("bytes from outside the guest at " + at);
            }
        }
    }

    /** A queue as long as it gets: the writer is kept for its share only, the rest is done all the same, and faults are recorded meanwhile. */
    @Test
    void longQueuesDoNotKeepTheWriter() throws InterruptedException {
        VtdUnit unit = unit(VtdFeatures.legacy());
        long queueBytes = 4096L << 7;
        for (long at = 0; at < queueBytes; at += 16) {
            PhysicalWords.set(low + (1 << 20) + at, 0x2 | 1 << 4);
            PhysicalWords.set(low + (1 << 20) + at + 8, 0);
        }
        unit.write(0x90, 8, 1 << 20 | 7);
        unit.write(0x18, 4, 1 << 26);
        unit.write(0x88, 8, queueBytes - 16);
        long executed = unit.read(0x80, 8) / 16;
        assertThat(executed).as("by the writer, and perhaps some by the helper").isGreaterThanOrEqualTo(VtdUnit.DESCRIPTORS_PER_WRITE);
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (unit.read(0x80, 8) != queueBytes - 16 && System.nanoTime() < deadline) {
            Thread.sleep(1);
        }
        assertThat(unit.read(0x80, 8)).as("all of it").isEqualTo(queueBytes - 16);
        unit.close();
    }
}
