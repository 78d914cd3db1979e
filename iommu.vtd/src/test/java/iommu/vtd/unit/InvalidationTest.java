package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static iommu.vtd.unit.Board.DEVICE;
import static iommu.vtd.unit.Board.READ;
import static iommu.vtd.unit.Board.WRITE;
import static iommu.vtd.unit.Board.contextInvalidate;
import static iommu.vtd.unit.Board.iotlbInvalidate;
import static iommu.vtd.unit.Board.pasidInvalidate;
import static iommu.vtd.unit.Board.pasidIotlbInvalidate;
import static iommu.vtd.unit.Board.peek;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.Ram;
import iommufd.api.dma.Pasid;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Each descriptor drops exactly what it must. Tables change without invalidation; then where DMA lands tells whether the unit
 * still uses what it had cached: OLD is the byte behind the former entry, NEW the one behind the present entry.
 */
class InvalidationTest {
    private static final int OLD = 1;
    private static final int NEW = 2;
    private static final int DID = 0x1234;
    private static final int OTHER_DID = 0x1235;
    private static final int PASID = 70;
    private static final long IOVA = 0x12_3456_7000L;
    private static final long OTHER_IOVA = IOVA + (1L << 30);

    private record Descriptor(String what, long first, long second, int expected) {}

    /** A request that uses the cache under test, after the change. */
    private record Scene(Board board, VtdPort port, long iova) {}

    private static long page(Board board, int content) {
        long page = board.ram.frame();
        Ram.bytes(page, 1).set(ValueLayout.JAVA_BYTE, 0, (byte) content);
        return page;
    }

    private static List<DynamicTest> tests(String cache, Function<Descriptor, Scene> scene, List<Descriptor> descriptors) {
        List<DynamicTest> tests = new ArrayList<>();
        for (Descriptor each : descriptors) {
            tests.add(DynamicTest.dynamicTest(cache + ": " + each.what, () -> {
                Scene prepared = scene.apply(each);
                assertThat(peek(prepared.port, prepared.iova)).as("before").isEqualTo(OLD);
                assertThat(prepared.board.execute(each.first, each.second)).as("wait completed").isTrue();
                assertThat(peek(prepared.port, prepared.iova)).isEqualTo(each.expected);
            }));
        }
        return tests;
    }

    /** A page is cached, then mapped to another page. @param type 0 legacy, 1 first stage, 2 second stage */
    private static Scene iotlb(int type) {
        Board board = type == 0 ? Board.legacy() : Board.scalable();
        long table = board.ram.frame();
        long old = page(board, OLD);
        long present = page(board, NEW);
        switch (type) {
            case 0 -> board.legacyContext(DEVICE, DID, 4, table);
            case 1 -> board.firstStage(DEVICE, PASID, DID, 4, table);
            default -> board.secondStage(DEVICE, PASID, DID, 4, table, 0);
        }
        board.map(table, 4, IOVA, 12, old | 7, 7);
        VtdPort port = board.port(DEVICE, type == 0 ? Pasid.NONE : PASID);
        assertThat(peek(port, IOVA)).isEqualTo(OLD);
        word(board.leafSlot(table, 4, IOVA, 12), present | 7);
        return new Scene(board, port, IOVA);
    }

    private static List<Descriptor> iotlbDescriptors(int sameAddressOnly) {
        return new ArrayList<>(List.of(
                new Descriptor("IOTLB global", iotlbInvalidate(1, OTHER_DID), OTHER_IOVA, NEW),
                new Descriptor("IOTLB domain", iotlbInvalidate(2, DID), 0, NEW),
                new Descriptor("IOTLB other domain", iotlbInvalidate(2, OTHER_DID), 0, OLD),
                new Descriptor("IOTLB page", iotlbInvalidate(3, DID), IOVA, NEW),
                new Descriptor("IOTLB page, leaves only", iotlbInvalidate(3, DID), IOVA | 1 << 6, NEW),
                new Descriptor("IOTLB page of other domain", iotlbInvalidate(3, OTHER_DID), IOVA, OLD),
                new Descriptor("IOTLB other page", iotlbInvalidate(3, DID), IOVA + 4096, sameAddressOnly),
                new Descriptor("IOTLB 2 MiB around", iotlbInvalidate(3, DID), IOVA & -1L << 21 | 9, NEW),
                new Descriptor("IOTLB 1 GiB around", iotlbInvalidate(3, DID), IOVA & -1L << 30 | 18, NEW),
                new Descriptor("IOTLB 64 KiB beside", iotlbInvalidate(3, DID), IOVA + 0x1_0000 & -1L << 16 | 4, sameAddressOnly),
                new Descriptor("context-cache", contextInvalidate(1, 0, 0, 0), 0, OLD),
                new Descriptor("interrupt entry cache", 0x4, 0, OLD)));
    }

    @TestFactory
    List<DynamicTest> iotlbInLegacyMode() {
        return tests("IOTLB, legacy", each -> iotlb(0), iotlbDescriptors(OLD));
    }

    @TestFactory
    List<DynamicTest> iotlbOfSecondStage() {
        List<Descriptor> descriptors = iotlbDescriptors(OLD);
        descriptors.add(new Descriptor("P_IOTLB PASID", pasidIotlbInvalidate(2, DID, PASID), 0, NEW));
        descriptors.add(new Descriptor("P_IOTLB other PASID", pasidIotlbInvalidate(2, DID, PASID + 1), 0, OLD));
        descriptors.add(new Descriptor("P_IOTLB page must not drop second-stage entries (pitfall 4)",
                pasidIotlbInvalidate(3, DID, PASID), IOVA, OLD));
        descriptors.add(new Descriptor("PASID-cache", pasidInvalidate(3, 0, 0), 0, OLD));
        return tests("IOTLB, second stage", each -> iotlb(2), descriptors);
    }

    @TestFactory
    List<DynamicTest> iotlbOfFirstStage() {
        List<Descriptor> descriptors = iotlbDescriptors(NEW);
        descriptors.add(new Descriptor("P_IOTLB PASID", pasidIotlbInvalidate(2, DID, PASID), 0, NEW));
        descriptors.add(new Descriptor("P_IOTLB other PASID", pasidIotlbInvalidate(2, DID, PASID + 1), 0, OLD));
        descriptors.add(new Descriptor("P_IOTLB other domain", pasidIotlbInvalidate(2, OTHER_DID, PASID), 0, OLD));
        descriptors.add(new Descriptor("P_IOTLB page", pasidIotlbInvalidate(3, DID, PASID), IOVA, NEW));
        descriptors.add(new Descriptor("P_IOTLB other page", pasidIotlbInvalidate(3, DID, PASID), IOVA + 4096, OLD));
        descriptors.add(new Descriptor("P_IOTLB 16 MiB around", pasidIotlbInvalidate(3, DID, PASID), IOVA & -1L << 24 | 12, NEW));
        descriptors.add(new Descriptor("P_IOTLB everything by mask", pasidIotlbInvalidate(3, DID, PASID), 63, NEW));
        descriptors.add(new Descriptor("P_IOTLB page of other PASID", pasidIotlbInvalidate(3, DID, PASID + 1), IOVA, OLD));
        descriptors.add(new Descriptor("PASID-cache", pasidInvalidate(3, 0, 0), 0, OLD));
        return tests("IOTLB, first stage", each -> iotlb(1), descriptors);
    }

    /** A context entry is cached, then refers to another table; the page asked for is in no IOTLB. */
    private static Scene context() {
        Board board = Board.legacy();
        long former = board.ram.frame();
        long present = board.ram.frame();
        board.legacyContext(DEVICE, DID, 4, former);
        for (long iova = IOVA; iova <= IOVA + 8192; iova += 4096) {
            board.mapSecond(former, 4, iova, page(board, OLD), READ | WRITE);
            board.mapSecond(present, 4, iova, page(board, NEW), READ | WRITE);
        }
        VtdPort port = board.port();
        assertThat(peek(port, IOVA)).isEqualTo(OLD);
        word(board.contextEntry(DEVICE), present | 1);
        return new Scene(board, port, IOVA + 4096);
    }

    @TestFactory
    List<DynamicTest> contextCacheInLegacyMode() {
        List<Descriptor> descriptors = List.of(
                new Descriptor("global", contextInvalidate(1, 0, 0, 0), 0, NEW),
                new Descriptor("domain", contextInvalidate(2, DID, 0, 0), 0, NEW),
                new Descriptor("other domain", contextInvalidate(2, OTHER_DID, DEVICE, 0), 0, OLD),
                new Descriptor("device", contextInvalidate(3, DID, DEVICE, 0), 0, NEW),
                new Descriptor("device of other domain", contextInvalidate(3, OTHER_DID, DEVICE, 0), 0, OLD),
                new Descriptor("other device", contextInvalidate(3, DID, DEVICE + 8, 3), 0, OLD),
                new Descriptor("other function", contextInvalidate(3, DID, DEVICE + 1, 0), 0, OLD),
                new Descriptor("mask 1 hides bit 2", contextInvalidate(3, DID, DEVICE + 4, 1), 0, NEW),
                new Descriptor("mask 1 does not hide bit 1", contextInvalidate(3, DID, DEVICE + 2, 1), 0, OLD),
                new Descriptor("mask 2 hides bits 2:1", contextInvalidate(3, DID, DEVICE + 6, 2), 0, NEW),
                new Descriptor("mask 2 does not hide bit 0", contextInvalidate(3, DID, DEVICE + 1, 2), 0, OLD),
                new Descriptor("mask 3 hides the function", contextInvalidate(3, DID, DEVICE + 7, 3), 0, NEW));
        List<DynamicTest> tests = new ArrayList<>();
        for (Descriptor each : descriptors) {
            tests.add(DynamicTest.dynamicTest("context-cache, legacy: " + each.what, () -> {
                Scene scene = context();
                scene.board.execute(each.first, each.second);
                assertThat(peek(scene.port, scene.iova)).isEqualTo(each.expected);
                assertThat(peek(scene.port, IOVA)).as("the IOTLB is another cache").isEqualTo(OLD);
                scene.board.execute(iotlbInvalidate(1, 0), 0);
                assertThat(peek(scene.port, scene.iova + 4096)).as("and not the context-cache").isEqualTo(each.expected);
            }));
        }
        return tests;
    }

    /** A scalable-mode context entry is cached, then names another PASID for requests without one. */
    @TestFactory
    List<DynamicTest> contextEntriesOfScalableModeHaveNoDomain() {
        List<Descriptor> descriptors = List.of(
                new Descriptor("global", contextInvalidate(1, 0, 0, 0), 0, NEW),
                new Descriptor("any domain", contextInvalidate(2, 99, 0, 0), 0, NEW),
                new Descriptor("device, any domain", contextInvalidate(3, 99, DEVICE, 0), 0, NEW),
                new Descriptor("other device", contextInvalidate(3, DID, DEVICE + 8, 0), 0, OLD),
                new Descriptor("IOTLB", iotlbInvalidate(1, 0), 0, OLD),
                new Descriptor("PASID-cache", pasidInvalidate(3, 0, 0), 0, OLD));
        List<DynamicTest> tests = new ArrayList<>();
        for (Descriptor each : descriptors) {
            tests.add(DynamicTest.dynamicTest("context-cache, scalable: " + each.what, () -> {
                Board board = Board.scalable();
                long former = board.ram.frame();
                long present = board.ram.frame();
                board.firstStage(DEVICE, 0, DID, 4, former);
                board.firstStage(DEVICE, 1, OTHER_DID, 4, present);
                for (long iova = IOVA; iova <= IOVA + 4096; iova += 4096) {
                    board.mapFirst(former, 4, iova, page(board, OLD));
                    board.mapFirst(present, 4, iova, page(board, NEW));
                }
                VtdPort port = board.port();
                assertThat(peek(port, IOVA)).isEqualTo(OLD);
                word(board.scalableContextEntry(DEVICE) + 8, 1);
                board.execute(each.first, each.second);
                assertThat(peek(port, IOVA + 4096)).isEqualTo(each.expected);
                assertThat(peek(port, IOVA)).as("a change of domain empties the IOTLB").isEqualTo(each.expected);
            }));
        }
        return tests;
    }

    @TestFactory
    List<DynamicTest> pasidCache() {
        List<Descriptor> descriptors = List.of(
                new Descriptor("global", pasidInvalidate(3, 0, 0), 0, NEW),
                new Descriptor("domain", pasidInvalidate(0, DID, 0), 0, NEW),
                new Descriptor("other domain", pasidInvalidate(0, OTHER_DID, PASID), 0, OLD),
                new Descriptor("PASID", pasidInvalidate(1, DID, PASID), 0, NEW),
                new Descriptor("other PASID", pasidInvalidate(1, DID, PASID + 1), 0, OLD),
                new Descriptor("PASID in other domain", pasidInvalidate(1, OTHER_DID, PASID), 0, OLD),
                new Descriptor("context-cache", contextInvalidate(1, 0, 0, 0), 0, OLD),
                new Descriptor("IOTLB", iotlbInvalidate(1, 0), 0, OLD),
                new Descriptor("P_IOTLB", pasidIotlbInvalidate(2, DID, PASID), 0, OLD));
        List<DynamicTest> tests = new ArrayList<>();
        for (Descriptor each : descriptors) {
            tests.add(DynamicTest.dynamicTest("PASID-cache: " + each.what, () -> {
                Board board = Board.scalable();
                long former = board.ram.frame();
                long present = board.ram.frame();
                board.firstStage(DEVICE, PASID, DID, 4, former);
                for (long iova = IOVA; iova <= IOVA + 4096; iova += 4096) {
                    board.mapFirst(former, 4, iova, page(board, OLD));
                    board.mapFirst(present, 4, iova, page(board, NEW));
                }
                VtdPort port = board.port(DEVICE, PASID);
                assertThat(peek(port, IOVA)).isEqualTo(OLD);
                word(board.pasidEntry(DEVICE, PASID) + 16, present);
                board.execute(each.first, each.second);
                assertThat(peek(port, IOVA + 4096)).isEqualTo(each.expected);
            }));
        }
        return tests;
    }

    /** Ids that agree in their lower bits are not taken for each other. */
    @Test
    void pitfall12CachesTellWholeIdsApart() {
        Board board = Board.scalable();
        int[] sids = {0x0310, 0x0B10, 0x8310, 0x0390};
        int[] pasids = {5, 0x1005, 0x45, 0x1F05};
        List<VtdPort> ports = new ArrayList<>();
        int content = 0;
        for (int sid : sids) {
            for (int pasid : pasids) {
                long table = board.ram.frame();
                board.firstStage(sid, pasid, DID, 4, table);
                board.mapFirst(table, 4, IOVA, page(board, ++content));
                ports.add(board.port(sid, pasid));
            }
        }
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < ports.size(); i++) {
                assertThat(peek(ports.get(i), IOVA)).isEqualTo(i + 1);
            }
        }
    }

    @Test
    void absentEntriesAreNotCached() {
        Board board = Board.scalable();
        VtdPort port = board.port();
        assertThat(peek(port, IOVA)).isEqualTo(-1);
        long table = board.ram.frame();
        board.scalableContextEntry(DEVICE);
        assertThat(peek(port, IOVA)).isEqualTo(-1);
        board.firstStage(DEVICE, 0, DID, 4, table);
        assertThat(peek(port, IOVA)).isEqualTo(-1);
        board.mapFirst(table, 4, IOVA, page(board, NEW));
        assertThat(peek(port, IOVA)).as("CM is 0").isEqualTo(NEW);
    }

    @Test
    void registersInvalidateInLegacyMode() {
        Scene scene = context();
        scene.board.writeLong(0x28, 1L << 63 | 3L << 61 | (long) DEVICE << 16 | DID);
        assertThat(scene.board.readLong(0x28) >>> 59).as("ICC 0, CIRG 3, CAIG 3").isEqualTo(0b0_11_11);
        assertThat(peek(scene.port, scene.iova)).isEqualTo(NEW);
        assertThat(peek(scene.port, IOVA)).isEqualTo(OLD);
        scene.board.writeLong(0xF0, IOVA);
        scene.board.writeLong(0xF8, 1L << 63 | 3L << 60 | (long) DID << 32);
        assertThat(scene.board.readLong(0xF8) >>> 57).as("IVT 0, IIRG 3, IAIG 3").isEqualTo(0b0_0_11_0_11);
        assertThat(peek(scene.port, IOVA)).isEqualTo(NEW);
        scene.board.writeLong(0xF0, IOVA | 19);
        scene.board.writeLong(0xF8, 1L << 63 | 3L << 60 | (long) DID << 32);
        assertThat(scene.board.readLong(0xF8) >>> 57 & 3).as("mask beyond MAMV").isZero();
    }

    @Test
    void registersDoNotInvalidateInScalableMode() {
        Scene scene = iotlb(1);
        scene.board.writeLong(0xF8, 1L << 63 | 1L << 60);
        assertThat(scene.board.readLong(0xF8) >>> 57 & 3).as("IAIG").isZero();
        scene.board.writeLong(0x28, 1L << 63 | 1L << 61);
        assertThat(scene.board.readLong(0x28) >>> 59 & 3).as("CAIG").isZero();
        assertThat(peek(scene.port, IOVA)).isEqualTo(OLD);
    }

    @Test
    void pitfall8SettingTheRootTableForgetsEverything() {
        Scene scene = iotlb(1);
        assertThat(peek(scene.port, IOVA)).isEqualTo(OLD);
        scene.board.setRoot(1);
        assertThat(peek(scene.port, IOVA)).isEqualTo(NEW);
    }

    @Test
    void pitfall7PasidCacheInvalidationReevaluatesTheDomain() {
        Board board = Board.scalable();
        long former = board.ram.frame();
        long present = board.ram.frame();
        board.firstStage(DEVICE, 0, DID, 4, former);
        board.mapFirst(former, 4, IOVA, page(board, OLD));
        board.mapSecond(present, 4, IOVA, page(board, NEW), READ | WRITE);
        VtdPort port = board.port();
        assertThat(peek(port, IOVA)).isEqualTo(OLD);
        board.secondStage(DEVICE, 0, OTHER_DID, 4, present, 0);
        board.execute(pasidInvalidate(1, DID, 0), 0);
        board.execute(pasidIotlbInvalidate(2, DID, 0), 0);
        assertThat(peek(port, IOVA)).isEqualTo(NEW);
        board.execute(iotlbInvalidate(2, OTHER_DID), 0);
        assertThat(peek(port, IOVA)).isEqualTo(NEW);
    }

    @Test
    void pitfall2PageSelectiveInvalidationHitsALargerCachedPage() {
        Board board = Board.legacy();
        long table = board.ram.frame();
        board.legacyContext(DEVICE, DID, 4, table);
        long iova = 6L << 30;
        board.map(table, 4, iova, 21, Ram.BASE + (512L << 20) | 1 << 7 | 3, 3);
        VtdPort port = board.port();
        Ram.bytes(Ram.BASE + (512L << 20) + 4096, 1).set(ValueLayout.JAVA_BYTE, 0, (byte) OLD);
        assertThat(peek(port, iova + 4096)).isEqualTo(OLD);
        word(board.leafSlot(table, 4, iova, 21), 0);
        board.execute(iotlbInvalidate(3, DID), iova + 0x5000);
        assertThat(peek(port, iova + 4096)).as("the 2 MiB entry went by one of its small pages").isEqualTo(-1);
    }

    @Test
    void pitfall1MasksHave64Bits() {
        Board board = Board.scalable();
        long table = board.ram.frame();
        board.firstStage(DEVICE, 0, DID, 5, table);
        long iova = 0xAB_0000_0000_0000L;
        long old = page(board, OLD);
        board.map(table, 5, iova, 12, old | 7, 7);
        VtdPort port = board.port();
        assertThat(peek(port, iova)).isEqualTo(OLD);
        word(board.leafSlot(table, 5, iova, 12), page(board, NEW) | 7);
        board.execute(pasidIotlbInvalidate(3, DID, 0), iova ^ 1L << 44);
        assertThat(peek(port, iova)).as("another page in the upper bits").isEqualTo(OLD);
        board.execute(pasidIotlbInvalidate(3, DID, 0), iova & -1L << 52 | 40);
        assertThat(peek(port, iova)).isEqualTo(NEW);
    }
}
