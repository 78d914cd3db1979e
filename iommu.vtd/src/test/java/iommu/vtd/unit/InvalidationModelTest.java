package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static iommu.vtd.unit.Board.contextInvalidate;
import static iommu.vtd.unit.Board.iotlbInvalidate;
import static iommu.vtd.unit.Board.pasidInvalidate;
import static iommu.vtd.unit.Board.pasidIotlbInvalidate;
import static iommu.vtd.unit.Board.peek;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.Ram;
import iommufd.api.dma.Pasid;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Random descriptors on many devices at once. A model of the caches, written from Tables 17, 23 and 24, says which translations must
 * go; these go and no others. Masks of up to 64 pages: beyond, a unit may drop more (§6.5.2.3).
 */
class InvalidationModelTest {
    private static final int OLD = 1;
    private static final int NEW = 2;
    private static final int FIRST = 1;
    private static final int SECOND = 2;
    private static final int NESTED = 3;
    private static final long BASE = 0x12_3400_0000L;
    private static final int PAGES = 12;
    private static final int ROUNDS = 150;
    private static final int MAX_MASK = 6;

    /** What is cached of one device and PASID. */
    private record Requester(int sid, int pasid, int did, int type, long table, VtdPort port) {
        int effectivePasid() {
            return Math.max(pasid, 0);
        }
    }

    private record Command(String what, long first, long second, int kind, int granularity, int did, int pasid, int sid, int functionMask) {}

    private final Board board = Board.scalable(VtdFeatures.scalableMode().withNested());
    private final List<Requester> requesters = new ArrayList<>();
    private final long old = page(OLD);
    private final long present = page(NEW);
    private Random random;

    private long page(int content) {
        long page = board.ram.frame();
        Ram.bytes(page, 1).fill((byte) content);
        return page;
    }

    private static long iova(int index) {
        return BASE + index * 4096L * (1 + index % 3) + (index > 8 ? 1L << 30 : 0);
    }

    private void build() {
        int[] sids = {0x0310, 0x0311, 0x0398, 0x0410};
        int[] pasids = {Pasid.NONE, 5, 70};
        long identity = board.ram.frame();
        board.map(identity, 4, Ram.BASE, 30, Ram.BASE | 3 | 1 << 7, 3);
        for (int sid : sids) {
            for (int pasid : pasids) {
                int type = 1 + random.nextInt(3);
                int did = 1 + random.nextInt(3) + (type == NESTED ? 8 : 0);
                long table = board.ram.frame();
                switch (type) {
                    case FIRST -> board.firstStage(sid, Math.max(pasid, 0), did, 4, table);
                    case SECOND -> board.secondStage(sid, Math.max(pasid, 0), did, 4, table, 0);
                    default -> board.nested(sid, Math.max(pasid, 0), did, 4, table, 4, identity, 0);
                }
                requesters.add(new Requester(sid, pasid, did, type, table, board.port(sid, pasid)));
            }
        }
    }

    private void point(Requester requester, long page) {
        for (int i = 0; i < PAGES; i++) {
            board.map(requester.table, 4, iova(i), 12, page | 7, 7);
        }
    }

    private Command command() {
        int did = random.nextInt(4) == 0 ? 9 + random.nextInt(3) : 1 + random.nextInt(3);
        int pasid = new int[] {0, 5, 70, 6}[random.nextInt(4)];
        int sid = new int[] {0x0310, 0x0311, 0x0398, 0x0410, 0x0500}[random.nextInt(5)];
        int functionMask = random.nextInt(4);
        long second = iova(random.nextInt(PAGES)) + 4096L * random.nextInt(3) | random.nextInt(MAX_MASK + 1) | random.nextInt(2) << 6;
        int granularity = 1 + random.nextInt(3);
        return switch (random.nextInt(5)) {
            case 0 -> new Command("context " + granularity, contextInvalidate(granularity, did, sid, functionMask), 0, 1, granularity, did,
                    pasid, sid, functionMask);
            case 1 -> {
                int which = new int[] {0, 1, 3}[granularity - 1];
                yield new Command("PASID " + which, pasidInvalidate(which, did, pasid), 0, 7, which, did, pasid, sid, 0);
            }
            case 2, 3 -> new Command("IOTLB " + granularity, iotlbInvalidate(granularity, did), granularity == 3 ? second : 0, 2,
                    granularity, did, pasid, sid, 0);
            default -> {
                int which = 2 + random.nextInt(2);
                yield new Command("P_IOTLB " + which, pasidIotlbInvalidate(which, did, pasid), which == 3 ? second : 0, 6, which, did,
                        pasid, sid, 0);
            }
        };
    }

    private static boolean inRange(Command command, long iova) {
        int mask = (int) command.second & 63;
        return (iova >>> 12 >>> mask) == (command.second >>> 12 >>> mask);
    }

    /** Tables 23 and 24. */
    private static boolean dropsTranslation(Command command, Requester of, long iova) {
        boolean second = of.type == SECOND;
        return switch (command.kind) {
            case 2 -> command.granularity == 1 || command.did == of.did
                    && (command.granularity == 2 || !second || inRange(command, iova));
            case 6 -> command.did == of.did && command.pasid == of.effectivePasid()
                    && (command.granularity == 2 || !second && inRange(command, iova));
            default -> false;
        };
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void dropsExactlyTheTranslationsItMust(long seed) {
        random = new Random(seed);
        build();
        int dropped = 0;
        for (int round = 0; round < ROUNDS; round++) {
            requesters.forEach(requester -> point(requester, old));
            board.execute(iotlbInvalidate(1, 0), 0);
            for (Requester requester : requesters) {
                for (int i = 0; i < PAGES; i++) {
                    assertThat(peek(requester.port, iova(i))).as("seed %d round %d", seed, round).isEqualTo(OLD);
                }
            }
            requesters.forEach(requester -> point(requester, present));
            Command command = command();
            assertThat(board.execute(command.first, command.second)).isTrue();
            for (Requester requester : requesters) {
                for (int i = 0; i < PAGES; i++) {
                    boolean gone = dropsTranslation(command, requester, iova(i));
                    dropped += gone ? 1 : 0;
                    assertThat(peek(requester.port, iova(i))).as("seed %d round %d: %s, 0x%x 0x%x, on %s page 0x%x", seed, round,
                            command.what, command.first, command.second, requester, iova(i)).isEqualTo(gone ? NEW : OLD);
                }
            }
        }
        assertThat(dropped).isGreaterThan(ROUNDS);
    }

    /** PASID entries change; a page that is in no IOTLB tells whether the cached one is still used. */
    @ParameterizedTest
    @ValueSource(longs = {11, 12, 13, 14})
    void dropsExactlyThePasidEntriesItMust(long seed) {
        random = new Random(seed);
        build();
        for (int round = 0; round < ROUNDS; round++) {
            List<Long> others = new ArrayList<>();
            long fresh = BASE + (2L << 30) + round * 4096L;
            for (Requester requester : requesters) {
                long other = board.ram.frame();
                others.add(other);
                board.map(requester.table, 4, iova(0), 12, old | 7, 7);
                board.map(requester.table, 4, fresh, 12, old | 7, 7);
                board.map(other, 4, fresh, 12, present | 7, 7);
                assertThat(peek(requester.port, iova(0))).isEqualTo(OLD);
                redirect(requester, other);
            }
            Command command = command();
            board.execute(command.first, command.second);
            for (Requester requester : requesters) {
                boolean gone = command.kind == 7 && (command.granularity == 3
                        || command.did == requester.did && (command.granularity == 0 || command.pasid == requester.effectivePasid()));
                assertThat(peek(requester.port, fresh)).as("seed %d round %d: %s, 0x%x, on %s", seed, round, command.what, command.first,
                        requester).isEqualTo(gone ? NEW : OLD);
            }
            requesters.forEach(requester -> redirect(requester, requester.table));
            board.execute(pasidInvalidate(3, 0, 0), 0);
            board.execute(iotlbInvalidate(1, 0), 0);
            assertThat(others).hasSize(requesters.size());
        }
    }

    private void redirect(Requester requester, long table) {
        long entry = board.pasidEntry(requester.sid, requester.effectivePasid());
        if (requester.type == SECOND) {
            word(entry, word(entry) & 0xFFF | table);
        } else {
            word(entry + 16, word(entry + 16) & 0xFFF | table);
        }
    }
}
