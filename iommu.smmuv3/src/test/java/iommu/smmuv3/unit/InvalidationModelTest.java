package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.GERROR;
import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Random commands against a model of the caches. Every stream caches several pages; then all leaves are changed and one command is
 * carried out. The model says which cached translations the command drops: what the specification demands, and of more only what
 * this unit is documented to do (combined translations go with any IPA of their VMID, global ones with their ASID).
 */
class InvalidationModelTest {
    private static final int ROUNDS = 1500;
    private static final int PAGES = 6;
    private static final long FIRST = 0x40_0000;

    /** How a stream translates. */
    private enum Kind { STAGE1, STAGE2, NESTED, HYPERVISOR }

    /** A stream with cached pages. */
    private record Stream(int id, int substream, Kind kind, int vmid, int asid, boolean global, HardwarePort port, List<Page> pages) {}

    /** One of them: its leaf leads to the old page, or the new. */
    private record Page(long iova, long oldPage, long newPage, long slot, long attributes) {}

    /** A command and its parameters. */
    private record Command(int opcode, int vmid, int asid, long first, long last, long firstStream, long lastStream, int substream,
            long word0, long word1) {}

    private final BareSmmu smmu = new BareSmmu(4, with(SmmuFeature.HYPERVISOR)).start();
    private final List<Stream> streams = new ArrayList<>();

    private void stream(int id, int substream, Kind kind, int vmid, int asid, boolean global) {
        long table = smmu.memory.page();
        long word0 = CONTEXT | (long) asid << 48;
        switch (kind) {
            case STAGE1, HYPERVISOR -> {
                long contexts = smmu.memory.take(64 * 8, 512);
                TestMemory.words(contexts + Math.max(0, substream) * 64L, word0, table);
                smmu.stream(id, STAGE1 | contexts | (substream < 0 ? 0 : 3L << 59), kind == Kind.HYPERVISOR ? 2L << 30 : 0, vmid, 0);
            }
            case STAGE2 -> smmu.stream(id, BareSmmu.STAGE2, 0, STAGE2_FORM | vmid, table);
            case NESTED -> {
                long second = smmu.memory.page();
                for (long block = 0; block < 32L << 20; block += 2L << 20) {
                    smmu.map(second, TestMemory.BASE + block, TestMemory.BASE + block | LEAF2 & ~2, 1);
                }
                smmu.stream(id, BareSmmu.NESTED | smmu.context(word0, table), 0, STAGE2_FORM | vmid, second);
            }
        }
        long attributes = kind == Kind.STAGE2 ? LEAF2 : global ? LEAF1 & ~(1 << 11) : LEAF1;
        List<Page> pages = new ArrayList<>();
        for (int i = 0; i < PAGES; i++) {
            long iova = FIRST + i * 0x1000L;
            long oldPage = smmu.memory.page();
            pages.add(new Page(iova, oldPage, smmu.memory.page(), smmu.map(table, iova, oldPage | attributes), attributes));
        }
        HardwarePort port = substream < 0 ? smmu.port(id) : smmu.port(id, substream);
        streams.add(new Stream(id, substream, kind, vmid, asid, global, port, pages));
    }

    @Test
    void exactlyWhatACommandNamesIsDropped() {
        try {
            stream(1, -1, Kind.STAGE1, 0, 1, false);
            stream(2, -1, Kind.STAGE1, 0, 2, false);
            stream(3, -1, Kind.STAGE1, 7, 1, false);
            stream(4, -1, Kind.STAGE2, 7, 0, false);
            stream(5, -1, Kind.STAGE2, 8, 0, false);
            stream(6, -1, Kind.NESTED, 7, 1, false);
            stream(7, -1, Kind.STAGE1, 0, 2, true);
            stream(8, -1, Kind.HYPERVISOR, 0, 1, false);
            stream(9, 5, Kind.STAGE1, 0, 1, false);
            stream(10, 0, Kind.STAGE1, 0, 3, false);
            for (long seed = 0; seed < ROUNDS; seed++) {
                round(seed, new SplittableRandom(seed));
            }
        } finally {
            smmu.close();
        }
    }

    private void round(long seed, SplittableRandom random) {
        for (Stream stream : streams) {
            for (Page page : stream.pages) {
                PhysicalWords.set(page.slot, page.oldPage | page.attributes);
            }
        }
        smmu.command(0x04, 31);
        for (Stream stream : streams) {
            for (Page page : stream.pages) {
                assertThat(smmu.write(stream.port, page.iova, 1)).as("%s", stream.port.lastFault()).isEqualTo(DmaStatus.DONE);
                PhysicalWords.set(page.slot, page.newPage | page.attributes);
            }
        }
        Command command = command(random);
        smmu.command(command.word0, command.word1);
        assertThat(smmu.get(GERROR)).as("seed %d: %s", seed, command).isZero();
        for (Stream stream : streams) {
            for (Page page : stream.pages) {
                PhysicalWords.set(page.newPage, 0);
                smmu.write(stream.port, page.iova, 2);
                assertThat(PhysicalWords.get(page.newPage) == 2).as("seed %d: %s of %s at 0x%x dropped", seed, command, stream, page.iova)
                        .isEqualTo(drops(command, stream, page.iova));
            }
        }
    }

    private static Command command(SplittableRandom random) {
        int[] opcodes = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x20, 0x21, 0x22, 0x23, 0x28, 0x2a, 0x30, 0x46};
        int opcode = opcodes[random.nextInt(opcodes.length)];
        int vmid = new int[] {0, 7, 8, 9}[random.nextInt(4)];
        int asid = random.nextInt(4);
        long address = FIRST + (random.nextInt(PAGES + 4) - 2) * 0x1000L;
        if (opcode <= 0x06) {
            long stream = random.nextInt(12);
            int range = random.nextInt(8) == 0 ? 31 : random.nextInt(4);
            int substream = random.nextInt(3) == 0 ? 0 : 5;
            long inside = (2L << range) - 1;
            long first = opcode != 0x04 ? stream : range == 31 ? 0 : stream & ~inside;
            long last = opcode != 0x04 ? stream : range == 31 ? 0xffff_ffffL : first | inside;
            return new Command(opcode, 0, 0, 0, 0, first, last, substream, opcode | (long) substream << 12 | stream << 32,
                    opcode == 0x04 ? range : random.nextInt(2));
        }
        long word0 = opcode | (long) vmid << 32 | (long) asid << 48;
        long word1 = address | random.nextInt(2);
        long last = address | 0xfff;
        boolean ranged = random.nextBoolean() && (opcode == 0x12 || opcode == 0x13 || opcode == 0x22 || opcode == 0x23 || opcode == 0x2a);
        if (ranged) {
            int num = random.nextInt(4);
            int scale = random.nextInt(3);
            int level = random.nextInt(2) * 3;
            if (num == 0 && scale == 0 && level == 0) {
                num = 1;
            }
            word0 |= (long) num << 12 | (long) scale << 20;
            word1 |= 1 << 10 | level << 8;
            last = address + ((num + 1L) << scale + 12) - 1;
        }
        if (opcode == 0x46) {
            word0 = 0x46;
        }
        return new Command(opcode, vmid, asid, address, last, 0, 0, 0, word0, word1);
    }

    private static boolean drops(Command command, Stream stream, long iova) {
        boolean byStage1 = stream.kind == Kind.STAGE1 || stream.kind == Kind.NESTED;
        boolean guest = stream.kind != Kind.HYPERVISOR;
        boolean inRange = command.first <= iova && iova <= command.last;
        boolean named = command.firstStream <= stream.id && stream.id <= command.lastStream;
        boolean sameVmid = guest && command.vmid == stream.vmid;
        return switch (command.opcode) {
            case 0x03, 0x04 -> named;
            case 0x05 -> named && Math.max(0, stream.substream) == command.substream;
            case 0x06 -> named;
            case 0x10 -> sameVmid && byStage1;
            case 0x11 -> sameVmid && byStage1 && command.asid == stream.asid;
            case 0x12 -> sameVmid && byStage1 && inRange && (command.asid == stream.asid || stream.global);
            case 0x13 -> sameVmid && byStage1 && inRange;
            case 0x20 -> !guest;
            case 0x22, 0x23 -> !guest && inRange;
            case 0x28 -> sameVmid;
            case 0x2a -> sameVmid && (stream.kind == Kind.NESTED || stream.kind == Kind.STAGE2 && inRange);
            case 0x30 -> guest;
            default -> false;
        };
    }
}
