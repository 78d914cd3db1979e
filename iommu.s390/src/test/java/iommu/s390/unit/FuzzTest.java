package iommu.s390.unit;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.s390.Ram;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Instructions, operands, tables and requests at random: each ends in a way the formats know, nothing is written outside the guest's
 * memory, and a function that nobody touches works on.
 */
class FuzzTest {
    private static final int ROUNDS = 200_000;
    private static final long GUEST_BYTES = 1 << 18;
    private static final int GUARD_BYTES = 1 << 16;

    @Test
    void nothingEscapes() {
        long seed = System.getProperty("seed") == null ? 2026 : Long.getLong("seed");
        System.out.println("FuzzTest: -Dseed=" + seed);
        Random random = new Random(seed);
        Ram ram = new Ram();
        long whole = ram.take(1 << 20);
        long memory = whole + GUARD_BYTES * 4L;
        Ram.bytes(whole, 1 << 20).fill((byte) 0x5A);
        Ram.bytes(memory, GUEST_BYTES).fill((byte) 0);
        ZpciUnit unit = new ZpciUnit("fuzzed", new ZpciFeatures(0, -1L, true), MemoryMap.of(List.of(new MemoryMap.Range(0, GUEST_BYTES, memory))),
                pending -> { }, 1_000_000_000L);
        int[] handles = new int[4];
        HardwarePort[] ports = new HardwarePort[4];
        for (int i = 0; i < 4; i++) {
            handles[i] = unit.plug(Board.requester(i));
            ports[i] = unit.openPort(Board.requester(i), i == 2 ? 5 : Pasid.NONE);
        }
        int[] conditions = new int[4];
        int[] statuses = new int[DmaStatus.values().length];
        for (int round = 0; round < ROUNDS; round++) {
            int function = random.nextInt(4);
            int outcome = 0;
            long address = random.nextInt(50) == 0 ? random.nextLong() : random.nextInt((int) GUEST_BYTES) & -8;
            long request = (long) handle(random, handles[function]) << 32 | (random.nextInt(30) == 0 ? 1 << 16 : 0) | random.nextInt(12);
            switch (random.nextInt(12)) {
                case 0, 1 -> {
                    block(random, memory, address);
                    outcome = unit.modifyControls(request, address);
                }
                case 2 -> outcome = unit.storeControls(request, address);
                case 3 -> outcome = unit.refresh(request, random.nextLong() >>> random.nextInt(64), random.nextLong() >>> random.nextInt(64));
                case 4 -> outcome = unit.storeEvent(address);
                case 5 -> {
                    if (address >= 0 && address + 64 <= GUEST_BYTES) {
                        Ram.word(memory + address, 32L << 48 | 5L << 32);
                        Ram.word(memory + address + 16, (long) handles[function] << 32 | random.nextInt(2) << 8 | 1);
                        Ram.word(memory + address + 32, 32L << 48);
                    }
                    outcome = unit.callLogicalProcessor(address);
                    if (outcome == 0 && address + 64 <= GUEST_BYTES && Ram.word16(memory + address + 34) == 0x10) {
                        handles[function] = Ram.word32(memory + address + 48);
                    }
                }
                case 6, 7 -> Ram.word(memory + (random.nextInt((int) GUEST_BYTES) & -8), entry(random));
                default -> {
                    DmaStatus status = request(random, ports[function]);
                    statuses[status.ordinal()]++;
                    assertThat(status).isIn(DmaStatus.DONE, DmaStatus.FAULTED, DmaStatus.ABORTED);
                }
            }
            assertThat(outcome >>> 16).as("program interruption").isIn(0, 5, 6, 0x15);
            assertThat(outcome >>> 8 & 0xFF).as("status").isIn(0, 8, 24, 28, 40);
            conditions[outcome & 3]++;
        }
        for (int i = 0; i < GUARD_BYTES * 4; i += 8) {
            assertThat(Ram.word(whole + i)).as("guard before").isEqualTo(0x5A5A5A5A5A5A5A5AL);
            assertThat(Ram.word(memory + GUEST_BYTES + i)).as("guard behind").isEqualTo(0x5A5A5A5A5A5A5A5AL);
        }
        assertThat(conditions[1]).as("refusals").isPositive();
        assertThat(conditions[3]).as("handles of nobody").isPositive();
        assertThat(statuses[DmaStatus.DONE.ordinal()]).as("requests that got through").isPositive();
        assertThat(statuses[DmaStatus.FAULTED.ordinal()]).as("requests that were refused").isPositive();
    }

    private static int handle(Random random, int handle) {
        return random.nextInt(20) == 0 ? handle ^ 1 << random.nextInt(32) : handle;
    }

    private static void block(Random random, long memory, long address) {
        if (address < 0 || address + 80 > GUEST_BYTES) {
            return;
        }
        Ram.bytes(memory + address, 80).fill((byte) 0);
        Ram.octets(memory + address, random.nextInt(20) == 0 ? random.nextInt(256) : random.nextInt(4) == 0 ? 0x71 : 0);
        Ram.word(memory + address + 16, random.nextInt(4) == 0 ? random.nextLong() : 0);
        Ram.word(memory + address + 24, random.nextInt(4) == 0 ? random.nextLong() : -1L);
        Ram.word(memory + address + 32, anchor(random));
        Ram.word(memory + address + 48, anchor(random));
    }

    private static long anchor(Random random) {
        return (long) random.nextInt((int) (GUEST_BYTES >>> 14)) << 14 | (random.nextInt(4) == 0 ? 0 : 0x800) | random.nextInt(16) << 2 & 0x1C;
    }

    private static long entry(Random random) {
        return random.nextInt(8) == 0 ? random.nextLong() : (long) random.nextInt((int) (GUEST_BYTES >>> 11)) << 11 | random.nextInt(16)
                | (random.nextInt(3) == 0 ? 0x400 : 0) | (random.nextInt(5) == 0 ? 0x200 : 0);
    }

    private static DmaStatus request(Random random, HardwarePort port) {
        long iova = random.nextInt(4) == 0 ? random.nextLong() >>> random.nextInt(64) : random.nextInt((int) GUEST_BYTES);
        MemorySegment bytes = MemorySegment.ofArray(new byte[64]);
        return switch (random.nextInt(3)) {
            case 0 -> port.read(iova, bytes, 0, 1 + random.nextInt(64));
            case 1 -> port.write(iova, bytes, 0, 1 + random.nextInt(64));
            default -> {
                port.fetchAndAdd(iova & -8, 1);
                yield port.status();
            }
        };
    }
}
