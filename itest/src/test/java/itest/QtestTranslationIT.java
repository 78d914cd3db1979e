package itest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * DMA on both boards of {@code ./vmm qtest} through every kind of translation that their IOMMUs have: tables written by hand, registers set
 * as a driver would, one page that is mapped and one that is not. What QEMU's iommu-intel-test and iommu-smmuv3-test do as well, where
 * they can be had.
 */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class QtestTranslationIT {
    private static final int DEVICE_FUNCTION = 4 << 3;
    private static final long BAR = 0x1000_0000L;
    private static final long IOVA = 0x80_8060_4567L;
    private static final long PAGE_OFFSET = IOVA & 0xfff;
    private static final int WRITE_FAILED = 0xdead_0002;
    private static final int MISMATCH = 0xdead_0004;

    /** A board, its IOMMU's way to translate, and how it is built. */
    enum Mode {
        LEGACY_PASS_THROUGH("intel-iommu"), LEGACY("intel-iommu"), SCALABLE_PASS_THROUGH("intel-iommu,x-scalable-mode=on"),
        SECOND_STAGE("intel-iommu,x-scalable-mode=on"), FIRST_STAGE("intel-iommu,x-scalable-mode=on,x-flts=on"),
        STAGE_1(""), STAGE_2(""), NESTED("");

        private final String iommu;

        Mode(String iommu) {
            this.iommu = iommu;
        }

        boolean isVtd() {
            return !iommu.isEmpty();
        }

        boolean isScalable() {
            return iommu.contains("scalable");
        }

        boolean isPassThrough() {
            return this == LEGACY_PASS_THROUGH || this == SCALABLE_PASS_THROUGH;
        }

        /** Where RAM begins. */
        long ram() {
            return isVtd() ? 0 : 0x4000_0000L;
        }
    }

    private Process board;

    @BeforeAll
    static void useWhatThisBuildMade() throws IOException {
        Vmm.useWhatThisBuildMade();
    }

    private long ask(String format, Object... values) throws IOException {
        String request = format.formatted(values);
        board.getOutputStream().write((request + "\n").getBytes(StandardCharsets.US_ASCII));
        board.getOutputStream().flush();
        String answer = board.inputReader().readLine();
        assertThat(answer).as(request).startsWith("OK");
        return answer.equals("OK") ? 0 : Long.parseUnsignedLong(answer.substring("OK 0x".length()), 16);
    }

    private void store(long address, long... words) throws IOException {
        for (int i = 0; i < words.length; i++) {
            ask("writeq 0x%x 0x%x", address + 8L * i, words[i]);
        }
    }

    @ParameterizedTest
    @EnumSource
    void dmaArrivesWhereTheTablesSay(Mode mode) throws Exception {
        List<String> command = new ArrayList<>(List.of(Vmm.ROOT.resolve("vmm").toString(), "qtest", "--", "-m", "64", "-qtest", "stdio", "-M"));
        command.addAll(mode.isVtd() ? List.of("q35", "-device", mode.iommu) : List.of("virt,iommu=smmuv3"));
        command.addAll(List.of("-device", "iommu-testdev,addr=4"));
        board = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        configure(mode, 0x10, BAR);
        configure(mode, 4, 6);
        long target = mode.ram() + 0x12_3000 + PAGE_OFFSET;
        if (mode.isVtd()) {
            switchVtdOn(mode, target & ~0xfff);
        } else {
            switchSmmuOn(mode, target & ~0xfff);
        }
        assertThat(transfer(mode.isPassThrough() ? target : IOVA, target)).isZero();
        assertThat((int) ask("readl 0x%x", target)).isEqualTo(0x1234_5678);
        ask("writel 0x%x 0", target);
        if (mode.isPassThrough()) {
            assertThat(transfer(target + 8, target)).as("somewhere else").isEqualTo(MISMATCH);
        } else {
            assertThat(transfer(IOVA + 0x1000, target)).as("not mapped").isEqualTo(WRITE_FAILED);
            assertFaultRecorded(mode);
        }
        board.getOutputStream().close();
        assertThat(board.waitFor()).isZero();
    }

    private void configure(Mode mode, int register, long value) throws IOException {
        if (mode.isVtd()) {
            ask("outl 0xcf8 0x%x", 0x8000_0000L | DEVICE_FUNCTION << 8 | register);
            ask("outl 0xcfc 0x%x", value);
        } else {
            ask("writel 0x%x 0x%x", 0x40_1000_0000L + (DEVICE_FUNCTION << 12) + register, value);
        }
    }

    private int transfer(long iova, long address) throws IOException {
        long[][] settings = {{0x04, iova & 0xffff_ffffL}, {0x08, iova >>> 32}, {0x1c, address}, {0x0c, 4}, {0x18, 0xa}, {0x14, 1}};
        for (long[] setting : settings) {
            ask("writel 0x%x 0x%x", BAR + setting[0], setting[1]);
        }
        ask("readl 0x%x", BAR);
        return (int) ask("readl 0x%x", BAR + 0x10);
    }

    /** Four levels of tables from {@code table} on, one page each, for the page of the IOVA. */
    private void mapPage(long table, long iova, long page, long tableBits, long leafBits) throws IOException {
        for (int level = 3; level > 0; level--) {
            long next = table + 0x1000;
            store(table + (iova >>> 12 + 9 * level & 511) * 8, next | tableBits);
            table = next;
        }
        store(table + (iova >>> 12 & 511) * 8, page | leafBits);
    }

    /** VT-d rev. 5.10: entries of §9.1 to §9.6, tables of §9.8 and §9.9, registers of §11.4. */
    private void switchVtdOn(Mode mode, long page) throws IOException {
        long unit = 0xfed9_0000L;
        int fourLevels = 2;
        store(0x1000, 0x2001);
        if (mode.isScalable()) {
            store(0x2000 + DEVICE_FUNCTION * 32, 0x6001);
            store(0x6000, 0x7001);
            switch (mode) {
                case SCALABLE_PASS_THROUGH -> store(0x7000, 1 | fourLevels << 2 | 4 << 6, 1);
                case SECOND_STAGE -> store(0x7000, 0x8000 | 1 | fourLevels << 2 | 2 << 6, 1);
                default -> store(0x7000, 1 | 1 << 6, 1 | 1 << 23, 0x8000);   // snooped (PWSNP), or it could not mark what it used
            }
        } else {
            store(0x2000 + DEVICE_FUNCTION * 16, mode == Mode.LEGACY ? 0x8001 : 1 | 2 << 2, 1 << 8 | fourLevels);
        }
        mapPage(0x8000, IOVA, page, mode == Mode.FIRST_STAGE ? 7 : 3, mode == Mode.FIRST_STAGE ? 7 : 3);
        store(unit + 0x20, 0x1000 | (mode.isScalable() ? 1 << 10 : 0));
        ask("writel 0x%x 0x%x", unit + 0x18, 1L << 30);
        ask("writel 0x%x 0x%x", unit + 0x18, 1L << 31);
        assertThat(ask("readl 0x%x", unit + 0x1c) >>> 30).as("TES, RTPS").isEqualTo(3);
    }

    /** IHI 0070: stream table entry §5.2, context descriptor §5.4, registers §6.3; VMSAv8-64 descriptors with 4 KiB granules. */
    private void switchSmmuOn(Mode mode, long page) throws IOException {
        long unit = 0x905_0000L;
        long ram = mode.ram();
        long streams = ram + 0x1_0000;
        long context = ram + 0x2_0000;
        long stage1 = ram + 0x3_0000;
        long stage2 = ram + 0x4_0000;
        boolean hasStage1 = mode != Mode.STAGE_2;
        long accessed = 1 << 10;
        long stage2Leaf = 3 | accessed | 3 << 6 | 0xf << 2;
        long stage2Settings = 20 | 2 << 6 | 4L << 16 | 1L << 19 | 1L << 26;   // 44 bits from level 0, 44 out, AArch64, record faults
        long config = (mode == Mode.STAGE_1 ? 5 : mode == Mode.STAGE_2 ? 6 : 7) << 1;
        store(streams + DEVICE_FUNCTION * 64, (hasStage1 ? context : 0) | config | 1, 1L << 44,
                mode == Mode.STAGE_1 ? 0 : stage2Settings << 32 | 7, mode == Mode.STAGE_1 ? 0 : stage2);
        if (hasStage1) {
            long settings = 16 | 1L << 30 | 1L << 31 | 4L << 32 | 1L << 41 | 1L << 45 | 1L << 46 | 9L << 48;
            store(context, settings, stage1);
            mapPage(stage1, IOVA, mode == Mode.NESTED ? ram + 0x5_0000 : page, 3, 3 | accessed | 1 << 6);
        }
        if (mode == Mode.STAGE_2) {
            mapPage(stage2, IOVA, page, 3, stage2Leaf);
        } else if (mode == Mode.NESTED) {
            for (long ipa = context; ipa < stage2; ipa += 0x1000) {
                mapPage(stage2, ipa, ipa, 3, stage2Leaf);
            }
            mapPage(stage2, ram + 0x5_0000, page, 3, stage2Leaf);
        }
        store(unit + 0x80, streams);
        ask("writel 0x%x 6", unit + 0x88);
        store(unit + 0x90, ram + 0x6_0000 | 8);
        store(unit + 0xa0, ram + 0x7_0000 | 7);
        ask("writel 0x%x 0xd", unit + 0x20);
        assertThat(ask("readl 0x%x", unit + 0x24)).as("CR0ACK").isEqualTo(0xd);
    }

    private void assertFaultRecorded(Mode mode) throws IOException {
        if (mode.isVtd()) {
            assertThat(ask("readq 0xfed90228") >>> 63).as("F").isEqualTo(1);
            assertThat(ask("readq 0xfed90228") & 0xffff).as("source").isEqualTo(DEVICE_FUNCTION);
            assertThat(ask("readq 0xfed90220")).as("page").isEqualTo(IOVA + 0x1000 & ~0xfff);
        } else {
            assertThat(ask("readl 0x90600a8")).as("EVENTQ_PROD").isEqualTo(1);
            assertThat(ask("readl 0x%x", mode.ram() + 0x7_0000) & 0xff).as("F_TRANSLATION").isEqualTo(0x10);
            assertThat(ask("readl 0x%x", mode.ram() + 0x7_0004)).as("stream").isEqualTo(DEVICE_FUNCTION);
            assertThat(ask("readq 0x%x", mode.ram() + 0x7_0010)).as("input address").isEqualTo(IOVA + 0x1000);
        }
    }
}
