package iommu.s390.unit;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.s390.Ram;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests through random tables end where {@link NaiveTables} says: at the same byte, or with the same event about the same table. */
class WalkComparisonTest {
    private static final int TABLES = 8;
    private static final int[] INDEXES = {0, 1, 2, 255, 256, 2047};
    private static final int WORLDS = 40;
    private static final int PROBES = 60;
    private static final int PAGES = 16;

    private final Board board = new Board(new ZpciFeatures(0, -1L, false), MemoryMap.HOST);
    private final long[] tables = new long[TABLES];
    private final long[] pages = new long[PAGES];
    private final long megabyte = board.ram.take(1 << 20);
    private final int handle = board.enabled(1);
    private final HardwarePort port = board.port(1);
    private Random random;
    /** Of the tables: table i is mostly used as one of this level less i, down to page tables. */
    private int topLevel;
    private int hits;
    private int refusals;

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void everyDesignationTypeIsWalkedAsWrittenDown(int type) {
        long seed = System.getProperty("seed") == null ? 4711 + type : Long.getLong("seed");
        System.out.println("WalkComparisonTest, designation type " + type + ": -Dseed=" + seed);
        random = new Random(seed);
        for (int world = 0; world < WORLDS; world++) {
            build(type);
            long anchor = Board.anchor(tables[0], type) | (random.nextInt(8) == 0 ? 0x200 : 0);
            probe(0, anchor, 0, type, new NaiveTables(anchor, null));
        }
        assertThat(hits).as("requests that got through").isGreaterThan(100);
        assertThat(refusals).as("requests that were refused").isGreaterThan(100);
    }

    /** The guest's memory: IOVA of the host's tables are addresses in the guest's. */
    @ParameterizedTest
    @CsvSource({"0, 0", "1, 1", "2, 1", "3, 0", "1, 2"})
    void tablesOverTablesAreWalkedAsWrittenDown(int type, int hostType) {
        long seed = System.getProperty("seed") == null ? 815 + type : Long.getLong("seed");
        System.out.println("WalkComparisonTest, nested " + type + " over " + hostType + ": -Dseed=" + seed);
        random = new Random(seed);
        for (int world = 0; world < WORLDS; world++) {
            build(type);
            long hostAnchor = hostTables(hostType);
            long anchor = 0x800 | type << 2;   // the guest's table at its address 0
            probe(0x71, anchor, hostAnchor, type, new NaiveTables(anchor, new NaiveTables(hostAnchor, null)));
        }
        assertThat(hits).as("requests that got through").isGreaterThan(50);
        assertThat(refusals).as("requests that were refused").isGreaterThan(100);
    }

    /** Tables that point at each other, at pages, and at what is not there. */
    private void build(int type) {
        topLevel = type + 1;
        for (int i = 0; i < TABLES; i++) {
            tables[i] = tables[i] == 0 ? board.ram.take(16384) : tables[i];
            for (int offset = 0; offset < 16384; offset += 8) {
                Ram.word(tables[i] + offset, 0x420);
            }
        }
        for (int i = 0; i < PAGES; i++) {
            pages[i] = pages[i] == 0 ? board.ram.page() : pages[i];
        }
        for (int i = 0; i < TABLES; i++) {
            int level = Math.max(0, topLevel - i);
            for (int index : INDEXES) {
                Ram.word(tables[i] + index * 8L, entry(level));
            }
        }
    }

    private long entry(int level) {
        int kind = random.nextInt(30);
        if (kind == 0) {
            return random.nextLong();
        }
        if (kind == 1) {
            return 0;
        }
        long noise = random.nextInt(6) == 0 ? 0x200 : 0;
        if (random.nextInt(25) == 0) {
            noise |= 1L << new int[] {0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 46, 63}[random.nextInt(14)];
        }
        if (level == 0) {
            return target(pages) ^ noise;
        }
        if (level == 1 && random.nextInt(4) == 0) {
            return (random.nextInt(12) == 0 ? Ram.HOLE : megabyte) ^ (0x400 | noise);
        }
        int next = topLevel - level + 1;
        long table = random.nextInt(15) == 0 ? target(tables) : tables[next + random.nextInt(level == 1 ? TABLES - next : 1)];
        return table ^ ((level == 1 ? 0 : (level - 1) * 4 | 3) | noise);
    }

    private long target(long[] among) {
        return random.nextInt(20) == 0 ? Ram.HOLE : among[random.nextInt(among.length)];
    }

    /** Leads the guest's addresses 0 and up to the tables and pages, some of it read-only, some nowhere. */
    private long hostTables(int hostType) {
        long top = board.ram.table();
        long table = top;
        for (int level = hostType + 1; level > 1; level--) {
            long below = board.ram.table();
            Ram.word(table, below | (level - 1) * 4L | 3);
            table = below;
        }
        long hostPages = board.ram.pageTable();
        Ram.word(table, hostPages);
        for (int i = 0; i < TABLES; i++) {
            for (int page = 0; page < 4; page++) {
                Ram.word(hostPages + (i * 4 + page) * 8L, tables[i] + page * 4096L | (random.nextInt(5) == 0 ? 0x200 : 0));
            }
        }
        for (int i = 0; i < PAGES; i++) {
            Ram.word(hostPages + (TABLES * 4 + i) * 8L, pages[i] | (random.nextInt(4) == 0 ? 0x200 : 0) | (random.nextInt(10) == 0 ? 0x400 : 0));
        }
        rewriteForGuest();
        return Board.anchor(top, hostType);
    }

    /** Pointers in the guest's tables become the guest's addresses. */
    private void rewriteForGuest() {
        for (long table : tables) {
            for (int index : INDEXES) {
                long slot = table + index * 8L;
                long entry = Ram.word(slot);
                for (int i = 0; i < TABLES; i++) {
                    if (entry >>> 14 == tables[i] >>> 14) {
                        Ram.word(slot, i * 16384L | entry & 0x3FFF);
                    }
                }
                for (int i = 0; i < PAGES; i++) {
                    if (entry >>> 12 == pages[i] >>> 12) {
                        Ram.word(slot, (TABLES * 4 + i) * 4096L | entry & 0xFFF);
                    }
                }
            }
        }
    }

    private void probe(int format, long anchor, long hostAnchor, int type, NaiveTables naive) {
        boolean registered = (board.controls(handle) & 0x10) != 0;
        assertThat(board.modify(handle, registered ? 6 : 4, format, 0, -1L, anchor, hostAnchor)).isEqualTo(Board.CC0);
        for (int probe = 0; probe < PROBES; probe++) {
            long iova = address(type);
            boolean write = random.nextBoolean();
            String what = "%s at 0x%x through anchor 0x%x over 0x%x".formatted(write ? "write" : "read", iova, anchor, hostAnchor);
            long expected = naive.resolve(iova, write);
            byte[] value = {(byte) random.nextInt(256)};
            long saved = -1;
            if (expected >= 0 && HostMemory.isBacked(expected)) {
                saved = Ram.octet(expected);
            }
            if (!write && saved >= 0) {
                value[0] = (byte) saved;
            }
            byte[] got = {(byte) ~value[0]};
            DmaStatus status = write ? port.write(iova, MemorySegment.ofArray(value), 0, 1) : port.read(iova, MemorySegment.ofArray(got), 0, 1);
            if (expected >= 0) {
                assertThat(status).as(what).isEqualTo(saved >= 0 ? DmaStatus.DONE : DmaStatus.ABORTED);
                if (saved >= 0) {
                    hits++;
                    assertThat(Ram.octet(expected)).as(what).isEqualTo(Byte.toUnsignedInt(value[0]));
                    if (!write) {
                        assertThat(got).as(what).isEqualTo(value);
                    }
                    Ram.bytes(expected, 1).set(ValueLayout.JAVA_BYTE, 0, (byte) saved);   // it may be a table's
                }
                continue;
            }
            refusals++;
            assertThat(status).as(what).isEqualTo(DmaStatus.FAULTED);
            int code = (int) -expected;
            assertThat(Board.fault(port).code()).as(what).isEqualTo(code);
            board.takeEvent();
            assertThat(Ram.word16(board.block + 94)).as(what).isEqualTo(code);
            assertThat(Ram.word(board.block + 80)).as(what).isEqualTo(iova);
            boolean ofNoTable = code == 4 || code == 5;
            assertThat(Ram.word32(board.block + 76)).as(what).isEqualTo((ofNoTable ? 0 : naive.table) << 28 | (write ? 1 : 0));
            assertThat(board.modify(handle, 7, 0, 0, 0)).isEqualTo(Board.CC0);
        }
    }

    private long address(int type) {
        long address = random.nextInt(4096);
        address |= (long) (INDEXES[random.nextInt(INDEXES.length)] & 255) << 12;
        for (int level = 1; level <= type + 1; level++) {
            address |= (long) INDEXES[random.nextInt(INDEXES.length)] << 20 + 11 * (level - 1);
        }
        return random.nextInt(20) == 0 ? address ^ 1L << random.nextInt(64) : address;
    }
}
