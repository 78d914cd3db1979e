package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.AtsPort.Translation;
import iommufd.api.hardware.PageResponse;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Devices that translate by themselves (IHI 0070, §3.9). */
class AtsTest {
    private static final long STREAM = 3L << 32;
    private static final long FULL = 1L << 28;
    private static final long SPLIT = 2L << 28;
    private static final long IOVA = 0x12_3456_7000L;
    private static final int ON = CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN;
    private static final Translation ABORT = new Translation(Translation.Status.ABORT, 0, 0, false, false, false);
    private static final Translation UNSUPPORTED = new Translation(Translation.Status.UNSUPPORTED, 0, 0, false, false, false);
    private static final Translation ABSENT = new Translation(Translation.Status.SUCCESS, 0, 4096, false, false, false);

    private final BareSmmu smmu = new BareSmmu(4, with(SmmuFeature.ATS, SmmuFeature.SPLIT_ATS, SmmuFeature.ATS_RECORDS)).start();
    private final Device device = new Device();
    private final MemorySegment buffer = MemorySegment.ofArray(new long[1]);

    /** Notes what it is told. */
    private static final class Device implements AtsPort.Device {
        final List<String> told = new ArrayList<>();
        boolean answers = true;

        @Override
        public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
            told.add("%d 0x%x+0x%x%s".formatted(pasid, iova, lengthBytes, global ? " global" : ""));
            return answers;
        }

        @Override
        public void pageResponse(PageResponse response) {
            told.add(response.toString());
        }
    }

    @AfterEach
    void end() {
        smmu.close();
    }

    private AtsPort port(int streamId) {
        return smmu.unit.openAtsPort(new RequesterId(streamId), Pasid.NONE, device);
    }

    private long stage1(long eats) {
        long table = smmu.memory.page();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | 1L << 48, table), eats, 0, 0);
        return table;
    }

    private static Translation granted(long address, long bytes, boolean read, boolean write) {
        return new Translation(Translation.Status.SUCCESS, address, bytes, read, write, false);
    }

    @Test
    void aTranslationHasTheSizeAndRightsOfItsPage() {
        long table = stage1(FULL);
        long page = smmu.memory.page();
        smmu.map(table, IOVA, page | LEAF1);
        smmu.map(table, IOVA + 0x1000, page | LEAF1 | 1 << 7);
        long block = TestMemory.BASE;
        smmu.map(table, (IOVA & -(2L << 20)) + (4L << 20), block | LEAF1 & ~2, 1);
        AtsPort port = port(3);
        assertThat(port.requestTranslation(IOVA + 8, DmaAccess.READ_WRITE)).isEqualTo(granted(page, 4096, true, true));
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ)).as("No Write").isEqualTo(granted(page, 4096, true, false));
        assertThat(port.requestTranslation(IOVA + 0x1000, DmaAccess.READ_WRITE)).as("less than asked for").isEqualTo(granted(page, 4096, true, false));
        assertThat(port.requestTranslation((IOVA & -(2L << 20)) + (4L << 20) + 0x12345, DmaAccess.READ_WRITE))
                .isEqualTo(granted(block, 2L << 20, true, true));
        assertThat(port.requestTranslation(0x5000, DmaAccess.READ)).as("absent").isEqualTo(ABSENT);
        assertThat(smmu.event()).as("faults of translation requests are no events").isEmpty();
    }

    @Test
    void aRequestToWriteMarksItsPageDirtyAndOneToReadDoesNot() {
        long table = smmu.memory.page();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | 3L << 42 | 1L << 48, table), FULL, 0, 0);
        long clean = smmu.memory.page() | LEAF1 & ~(1 << 10) | 1 << 7 | 1L << 51;
        long slot = smmu.map(table, IOVA, clean);
        AtsPort port = port(3);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ).write()).isFalse();
        assertThat(PhysicalWords.get(slot)).isEqualTo(clean | 1 << 10);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ_WRITE).write()).isTrue();
        assertThat(PhysicalWords.get(slot)).isEqualTo((clean | 1 << 10) & ~(1L << 7));
    }

    @Test
    void bothStagesOrTheFirstAlone() {
        long second = smmu.memory.page();
        for (long block = 0; block < 16L << 20; block += 2L << 20) {
            smmu.map(second, TestMemory.BASE + block, TestMemory.BASE + block | LEAF2 & ~2, 1);
        }
        long page = smmu.memory.page();
        smmu.map(second, 0x8000, page | LEAF2);
        long table = smmu.memory.page();
        smmu.map(table, IOVA, 0x8000 | LEAF1);
        long context = smmu.context(CONTEXT, table);
        smmu.stream(3, NESTED | context, FULL, STAGE2_FORM | 7, second);
        AtsPort port = port(3);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ_WRITE)).isEqualTo(granted(page, 4096, true, true));
        smmu.unit.write(CR0, 4, ON | CR0_ATSCHK);
        smmu.stream(3, NESTED | context, SPLIT, STAGE2_FORM | 7, second);
        smmu.command(0x03 | STREAM, 0);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ_WRITE)).isEqualTo(granted(0x8000, 4096, true, true));
        assertThat(port.writeTranslated(0x8010, buffer, 0, 8)).as("through stage 2").isEqualTo(DmaStatus.DONE);
        assertThat(port.writeTranslated(0x9010, buffer, 0, 8)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x10 | STREAM, 1L << 39 | 2L << 40, 0x9010, 0x9000);
        smmu.map(second, 0x8000, 0);
        assertThat(port.writeTranslated(0x8010, buffer, 0, 8)).as("cached").isEqualTo(DmaStatus.DONE);
        smmu.command(0x2a | 7L << 32, 0x8000);
        assertThat(port.writeTranslated(0x8010, buffer, 0, 8)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void withoutEatsRequestsAreUnsupportedAndAnEventSaysSo() {
        stage1(0);
        assertThat(port(3).requestTranslation(IOVA + 0x18, DmaAccess.READ_WRITE)).isEqualTo(UNSUPPORTED);
        assertThat(smmu.event()).containsExactly(0x05 | STREAM, 0, IOVA, 0);
        smmu.stream(3, BYPASS, FULL, 0, 0);
        assertThat(port(3).requestTranslation(IOVA, DmaAccess.READ)).isEqualTo(UNSUPPORTED);
        assertThat(smmu.event()).containsExactly(0x05 | STREAM, 0, IOVA, 0);
        smmu.stream(3, ABORT_STREAM, FULL, 0, 0);
        assertThat(port(3).requestTranslation(IOVA, DmaAccess.READ)).isEqualTo(UNSUPPORTED);
        assertThat(smmu.event()).as("silent").isEmpty();
        smmu.unit.write(CR0, 4, CR0_EVENTQEN);
        assertThat(port(3).requestTranslation(IOVA, DmaAccess.READ)).isEqualTo(UNSUPPORTED);
        assertThat(smmu.event()).containsExactly(0x05 | STREAM, 0, IOVA, 0);
    }

    private static final long ABORT_STREAM = BareSmmu.ABORT;

    @Test
    void brokenTablesAbortAndAreRecordedOnlyIfAskedFor() {
        smmu.stream(3, 0, 0, 0, 0);
        assertThat(port(3).requestTranslation(IOVA, DmaAccess.READ)).isEqualTo(ABORT);
        long table = stage1(FULL);
        PhysicalWords.set(table + (IOVA >>> 39 & 511) * 8, TestMemory.HOLE | 3);
        assertThat(port(3).requestTranslation(IOVA, DmaAccess.READ)).isEqualTo(ABORT);
        assertThat(smmu.event()).isEmpty();
        smmu.unit.write(CR0, 4, CR0_CMDQEN | CR0_EVENTQEN);
        smmu.unit.write(CR2, 4, CR2_RECINVSID | CR2_REC_CFG_ATS);
        smmu.unit.write(CR0, 4, ON);
        assertThat(port(3).requestTranslation(IOVA, DmaAccess.READ)).isEqualTo(ABORT);
        assertThat(smmu.event()[0]).isEqualTo(0x0b | STREAM);
        smmu.stream(3, 0, 0, 0, 0);
        assertThat(port(3).requestTranslation(IOVA, DmaAccess.READ)).isEqualTo(ABORT);
        assertThat(smmu.event()).containsExactly(0x04 | STREAM, 0, 0, 0);
    }

    @Test
    void translatedRequestsPassUncheckedOrByTheirEntry() {
        long page = smmu.memory.page();
        AtsPort port = port(3);
        PhysicalWords.set(page, 77);
        assertThat(port.readTranslated(page, buffer, 0, 8)).as("ATSCHK 0: not even an entry is needed").isEqualTo(DmaStatus.DONE);
        assertThat(buffer.toArray(java.lang.foreign.ValueLayout.JAVA_LONG)).containsExactly(77);
        assertThat(port.writeTranslated(1L << 48, buffer, 0, 8)).as("beyond OAS").isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).isEmpty();
        stage1(0);
        smmu.unit.write(CR0, 4, ON | CR0_ATSCHK);
        assertThat(port.readTranslated(page + 8, buffer, 0, 8)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x07 | STREAM, 1L << 35, page + 8, 0);
        assertThat(port.writeTranslated(page + 8, buffer, 0, 8)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x07 | STREAM, 0, page + 8, 0);
        stage1(FULL);
        smmu.command(0x03 | STREAM, 0);
        assertThat(port.writeTranslated(page, buffer, 0, 8)).isEqualTo(DmaStatus.DONE);
        smmu.stream(3, ABORT_STREAM, 0, 0, 0);
        smmu.command(0x03 | STREAM, 0);
        assertThat(port.writeTranslated(page, buffer, 0, 8)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).as("silent").isEmpty();
        smmu.unit.write(CR0, 4, CR0_EVENTQEN);
        assertThat(port.writeTranslated(page, buffer, 0, 8)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x07 | STREAM, 0, page, 0);
    }

    @Test
    void atcInvReachesTheDevicesOfItsStreamBeforeSyncCompletes() {
        port(3);
        port(3);
        smmu.unit.openAtsPort(new RequesterId(4), Pasid.NONE, new Device());
        smmu.command(0x40 | STREAM, 0x1234_5000L);
        smmu.command(0x40 | STREAM, 0x1234_5000L | 4);
        smmu.command(0x40 | STREAM, 52);
        smmu.command(0x40 | STREAM | 1 << 11 | 9 << 12, 0x7000);
        smmu.command(0x40 | STREAM | 1 << 11 | 1 << 9 | 9 << 12, 0x7000);
        assertThat(device.told).containsExactly("-1 0x12345000+0x1000", "-1 0x12340000+0x10000", "-1 0x0+0x0", "9 0x7000+0x1000",
                "9 0x7000+0x1000 global");
        assertThat(smmu.get(GERROR)).isZero();
    }

    @Test
    void aDeviceThatDoesNotAnswerIsAnErrorOfTheNextSync() {
        port(3);
        device.answers = false;
        smmu.put(0x40 | STREAM, 0x1000);
        smmu.put(0x30, 0);
        smmu.put(0x46, 0);
        smmu.ring();
        assertThat(smmu.get(CMDQ_CONS)).as("CERROR_ATC_INV_SYNC at the SYNC").isEqualTo(2 | 3 << 24);
        assertThat(smmu.get(GERROR)).isEqualTo(GERROR_CMDQ_ERR);
        device.answers = true;
        smmu.unit.write(GERRORN, 4, GERROR_CMDQ_ERR);
        assertThat(smmu.get(CMDQ_CONS)).isEqualTo(3);
    }

    @Test
    void atcInvIsIgnoredWhileTheUnitIsOffAndForUnknownStreams() {
        port(3);
        smmu.command(0x40 | 9L << 32, 0x1000);
        smmu.unit.write(CR0, 4, CR0_CMDQEN);
        smmu.command(0x40 | STREAM, 0x1000);
        assertThat(device.told).isEmpty();
        assertThat(smmu.get(GERROR)).isZero();
        smmu.command(0x40 | STREAM, 53);
        assertThat(smmu.get(CMDQ_CONS) >>> 24).isEqualTo(1);
    }

    @Test
    void illegalCombinationsOfEats() {
        long second = smmu.memory.page();
        smmu.stream(3, STAGE2, SPLIT, STAGE2_FORM, second);   // split needs both stages
        assertThat(smmu.write(smmu.port(3), IOVA, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x04 | STREAM, 0, 0, 0);
    }

    @Test
    void aClosedPortTakesNothingAndIsToldNothing() {
        AtsPort port = port(3);
        assertThat(port.close(1_000_000_000)).isTrue();
        stage1(FULL);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ)).isEqualTo(ABORT);
        assertThat(port.readTranslated(IOVA, buffer, 0, 8)).isEqualTo(DmaStatus.CLOSED);
        smmu.command(0x40 | STREAM, 0x1000);
        assertThat(device.told).isEmpty();
    }
}
