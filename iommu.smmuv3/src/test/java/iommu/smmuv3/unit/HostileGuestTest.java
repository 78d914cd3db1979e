package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A guest that writes anything anywhere: nothing is thrown, nothing hangs, and nothing outside its memory is touched. */
class HostileGuestTest {
    private static final long START = 1L << 41;
    private static final long PART = 4L << 20;
    private static final long RAM = 0x4000_0000L;
    private static final int[] REGISTERS = {CR0, CR1, CR2, GBPA, IRQ_CTRL, GERRORN, GERROR_IRQ_CFG0, STRTAB_BASE, STRTAB_BASE_CFG,
        CMDQ_BASE, CMDQ_PROD, CMDQ_CONS, EVENTQ_BASE, EVENTQ_IRQ_CFG0, EVENTQ_PROD, EVENTQ_CONS, PRIQ_BASE, PRIQ_IRQ_CFG0, PRIQ_PROD,
        PRIQ_CONS, GATOS_CTRL, GATOS_SID, GATOS_ADDR, 0x2_0000, 0x2_0200, 0x2_0204, 0x2_1000, 0x2_1100, 0x3_0000, 0x3_0004, 0x3_0008,
        0x4_0000, 0x5_0004, 0x5_0008};
    private static final int[] OPCODES = {1, 2, 3, 4, 5, 6, 0x10, 0x11, 0x12, 0x13, 0x20, 0x21, 0x22, 0x23, 0x28, 0x2a, 0x30, 0x40, 0x41,
        0x44, 0x45, 0x46};

    @BeforeEach
    void back() {
        HostMemory.backAnonymous(START, 3 * PART, false);
    }

    @AfterEach
    void unback() {
        HostMemory.unback(START, 3 * PART);
    }

    private static SmmuUnit unit() {
        MemoryMap memory = MemoryMap.of(List.of(new MemoryMap.Range(RAM, PART, START + PART)));
        SmmuFeatures all = new SmmuFeatures(8, 8, 19, 52, 3, EnumSet.allOf(SmmuFeature.class));
        return new SmmuUnit("hostile", all, memory, line -> { }, (address, data) -> { }, entry -> { });
    }

    private static void untouched() {
        for (long part : new long[] {START, START + 2 * PART}) {
            long[] words = HostMemory.WINDOW.asSlice(part, PART).toArray(ValueLayout.JAVA_LONG);
            assertThat(java.util.Arrays.stream(words).allMatch(word -> word == 0)).as("memory beside the guest's").isTrue();
        }
    }

    /** Words that look like what a unit reads, often enough. */
    private static long word(SplittableRandom random) {
        long pointer = RAM + (random.nextLong() & PART - 1 & -64);
        return switch (random.nextInt(8)) {
            case 0 -> random.nextLong();
            case 1 -> pointer | random.nextInt(64);
            case 2 -> pointer | 3 | 1 << 6 | 1 << 10;                                          // a page
            case 3 -> (RAM | random.nextLong() & PART - 1 & -4096) | 3;                        // a table
            case 4 -> 1 | (long) (4 + random.nextInt(4)) << 1 | pointer;                       // a stream table entry
            case 5 -> 16 | 1L << 30 | 1L << 31 | 6L << 32 | 1L << 41 | random.nextLong() & 0x7c00_0000_0000L;   // a context
            case 6 -> 16L << 32 | 2L << 38 | 5L << 48 | 1L << 51 | random.nextLong() & 0x0e00_0000_0000_ffffL;
            default -> OPCODES[random.nextInt(OPCODES.length)] | random.nextLong() & ~0xffL & (random.nextBoolean() ? -1L : 0xfL << 32);
        };
    }

    private static long registerValue(int register, SplittableRandom random) {
        return switch (register) {
            case CR0 -> random.nextInt(4) != 0 ? 0x1f : random.nextInt(512);
            case STRTAB_BASE, CMDQ_BASE, EVENTQ_BASE, PRIQ_BASE -> RAM + (random.nextLong() & PART - 1 & -64) | random.nextInt(14);
            case STRTAB_BASE_CFG -> random.nextInt(9) | (random.nextInt(3) == 0 ? 1 << 16 : 0) | random.nextInt(16) << 6;
            case CMDQ_PROD -> random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(1 << 10);
            default -> random.nextInt(3) == 0 ? random.nextLong() : random.nextInt(64);
        };
    }

    private static void disturb(SmmuUnit unit, SplittableRandom random) {
        for (int i = 0; i < 200; i++) {
            PhysicalWords.set(START + PART + (random.nextLong() & PART - 1 & -8), word(random));
        }
        int register = REGISTERS[random.nextInt(REGISTERS.length)];
        int bytes = random.nextInt(10) == 0 ? 1 << random.nextInt(4) : random.nextInt(3) == 0 ? 8 : 4;
        int offset = random.nextInt(20) == 0 ? random.nextInt(0xd_0000) : register;
        unit.write(offset, bytes, registerValue(register, random));
        unit.read(offset, bytes);
    }

    @Test
    @Timeout(120)
    void anythingInRegistersQueuesAndTables() throws Exception {
        for (long seed = 0; seed < 6; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            SmmuUnit unit = unit();
            AtomicBoolean stop = new AtomicBoolean();
            List<HardwarePort> ports = new ArrayList<>();
            ExecutorService devices = Executors.newCachedThreadPool();
            try {
                for (long i = 0; i < PART; i += 8) {
                    PhysicalWords.set(START + PART + i, word(random));
                }
                List<Future<?>> running = new ArrayList<>();
                for (int stream = 0; stream < 4; stream++) {
                    AtsPort port = unit.openAtsPort(new RequesterId(stream), stream == 3 ? 2 : Pasid.NONE, new QuietDevice());
                    ports.add(port);
                    SplittableRandom own = random.split();
                    running.add(devices.submit(() -> run(port, own, stop)));
                }
                long end = System.nanoTime() + Duration.ofSeconds(2).toNanos();
                while (System.nanoTime() < end) {
                    disturb(unit, random);
                    if (random.nextInt(500) == 0) {
                        unit.reset();
                    }
                }
                stop.set(true);
                for (HardwarePort port : ports) {
                    assertThat(port.close(5_000_000_000L)).as("seed %d", seed).isTrue();
                }
                for (Future<?> device : running) {
                    device.get(20, TimeUnit.SECONDS);
                }
            } finally {
                stop.set(true);
                ports.forEach(port -> port.close(1));
                unit.close();
                devices.shutdownNow();
            }
            untouched();
        }
    }

    private static void run(AtsPort port, SplittableRandom random, AtomicBoolean stop) {
        MemorySegment buffer = MemorySegment.ofArray(new long[2048]);
        while (!stop.get()) {
            long address = random.nextInt(4) == 0 ? random.nextLong() : RAM + (random.nextLong() & PART - 1);
            int length = 1 + random.nextInt(9000);
            switch (random.nextInt(7)) {
                case 0 -> port.read(address, buffer, 0, length);
                case 1 -> port.write(address, buffer, 0, length);
                case 2 -> port.requestTranslation(address, DmaAccess.READ_WRITE);
                case 3 -> port.readTranslated(address, buffer, 0, length);
                case 4 -> port.writeTranslated(address, buffer, 0, length);
                case 5 -> port.fetchAndAdd(address & -8, 1);
                default -> port.requestPage(new PageRequest(random.nextBoolean() ? Pasid.NONE : 2, random.nextInt(512), address & -4096,
                        DmaAccess.READ, false, false, random.nextBoolean()));
            }
        }
    }

    /** Answers at once. */
    private static final class QuietDevice implements AtsPort.Device {
        @Override
        public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
            return true;
        }

        @Override
        public void pageResponse(PageResponse response) {
            // nothing waits for it
        }
    }

    @Test
    @Timeout(60)
    void aFloodOfCommandsKeepsItsWriterNoLongerThanABatch() throws InterruptedException {
        try (SmmuUnit unit = unit()) {
            long queue = RAM + (2L << 20);
            int entriesLg2 = 16;
            for (long i = 0; i < 1L << entriesLg2; i++) {
                TestMemory.words(START + PART + (2L << 20) + i * 16, 0x30, 0);
            }
            unit.write(CMDQ_BASE, 8, queue | entriesLg2);
            unit.write(CR0, 4, CR0_CMDQEN);
            unit.write(CMDQ_PROD, 4, 1 << entriesLg2);
            long atReturn = unit.read(CMDQ_CONS, 4);
            assertThat(atReturn).as("carried out by the writer").isGreaterThanOrEqualTo(CommandQueue.BATCH);
            for (int i = 0; i < 5000 && unit.read(CMDQ_CONS, 4) != 1 << entriesLg2; i++) {
                Thread.sleep(1);
            }
            assertThat(unit.read(CMDQ_CONS, 4)).as("the rest later").isEqualTo(1 << entriesLg2);
        }
    }

    @Test
    void aCyclicTableEnds() {
        try (SmmuUnit unit = unit()) {
            long table = RAM + 0x10_0000;
            long entries = RAM;
            long context = RAM + 0x1_0000;
            for (int i = 0; i < 512; i++) {
                PhysicalWords.set(START + PART + 0x10_0000 + i * 8, table | 3 | 1 << 6 | 1 << 10);
            }
            TestMemory.words(START + PART + 0x1_0000, 16 | 1L << 30 | 1L << 31 | 6L << 32 | 1L << 41 | 3L << 45, table);
            TestMemory.words(START + PART + 64, 1 | 5 << 1 | context);
            unit.write(STRTAB_BASE, 8, entries);
            unit.write(STRTAB_BASE_CFG, 4, 4);
            unit.write(CR0, 4, CR0_SMMUEN);
            HardwarePort port = unit.openPort(new RequesterId(1), Pasid.NONE);
            MemorySegment buffer = MemorySegment.ofArray(new long[1]);
            assertThat(port.read(0x1000, buffer, 0, 8)).as("a leaf at last: the table itself").isEqualTo(DmaStatus.DONE);
            assertThat(buffer.get(ValueLayout.JAVA_LONG, 0)).isEqualTo(table | 3 | 1 << 6 | 1 << 10);
        }
    }
}
