package iommu.vtd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.UnitBoard;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The guest's unit, as a VMM wires it: the guest's memory lies elsewhere in the host's, in two pieces. */
class VtdModelTest {
    private static final long LOW_BYTES = 4L << 20;
    private static final long HIGH = 1L << 32;
    private static final long PAGE = 0x12_3000;
    private static final RequesterId DEVICE = RequesterId.of(0, 0, 2, 0);

    private final Ram ram = new Ram();
    private final long low = ram.frames((int) (LOW_BYTES >>> 12));
    private final long high = ram.frames((int) (LOW_BYTES >>> 12)) + 4096;   // not placed as a large page is
    private final List<Long> messages = new ArrayList<>();
    private final UnitBoard board = new UnitBoard() {
        private final MemoryMap memory = MemoryMap.of(List.of(new MemoryMap.Range(0, LOW_BYTES, low),
                new MemoryMap.Range(HIGH, LOW_BYTES / 2, high)));

        @Override
        public MemoryMap memory() {
            return memory;
        }

        @Override
        public void message(long address, int data) {
            messages.add(address << 16 | data);
        }

        @Override
        public void line(int line, boolean level) {
            throw new AssertionError("VT-d has no wires");
        }
    };

    private void store(long guestAddress, long value) {
        Ram.word(board.memory().hostAddress(guestAddress), value);
    }

    private static void command(IommuUnit unit, int bit) {
        long kept = unit.read(0x1C, 4) & 0x96FF_FFFFL;
        unit.write(0x18, 4, kept | 1L << bit);
        assertThat(unit.read(0x1C, 4) >>> bit & 1).isEqualTo(1);
    }

    private static DmaStatus poke(HardwarePort port, long iova, int value) {
        return port.write(iova, MemorySegment.ofArray(new byte[] {(byte) value}), 0, 1);
    }

    private int byteAt(long hostAddress) {
        return Ram.bytes(hostAddress, 1).get(ValueLayout.JAVA_BYTE, 0);
    }

    /** Tables at 0x1000 (root), 0x2000 (context), 0x3000.. (second stage) in the guest. */
    private void legacyTables() {
        store(0x1000, 0x2001);
        store(0x2000 + 0x10 * 16 + 8, 5 << 8 | 1);      // 3 levels
        store(0x2000 + 0x10 * 16, 0x3001);
        store(0x3000, 0x4003);
        store(0x4000, 0x5003);
        store(0x5000, PAGE | 3);
        store(0x5008, HIGH + 0x1000 | 3);
        store(0x5010, 0x7000_0000 | 3);                 // where the guest has no memory
        store(0x4008, HIGH | 1 << 7 | 3);               // 2 MiB
    }

    @Test
    void translatesThroughLegacyTablesOfAGuest() {
        try (IommuUnit unit = new VtdModel().create("viommu", Map.of(), board)) {
            HardwarePort port = unit.openPort(DEVICE, Pasid.NONE);
            assertThat(poke(port, PAGE + 5, 7)).as("before translation is on").isEqualTo(DmaStatus.DONE);
            assertThat(byteAt(low + PAGE + 5)).isEqualTo(7);
            assertThat(poke(port, 0x7000_0000, 7)).isEqualTo(DmaStatus.ABORTED);
            legacyTables();
            unit.write(0x20, 8, 0x1000);
            command(unit, 30);
            command(unit, 31);
            assertThat(poke(port, 9, 1)).isEqualTo(DmaStatus.DONE);
            assertThat(byteAt(low + PAGE + 9)).isEqualTo(1);
            assertThat(poke(port, 0x1009, 2)).isEqualTo(DmaStatus.DONE);
            assertThat(byteAt(high + 0x1009)).isEqualTo(2);
            assertThat(poke(port, 0x2000, 2)).as("leads out of the guest's memory").isEqualTo(DmaStatus.ABORTED);
            assertThat(poke(port, 0x3000, 2)).isEqualTo(DmaStatus.FAULTED);
            assertThat(unit.read(0x228, 8)).as("SID, FR, F").isEqualTo(1L << 63 | 5L << 32 | 0x10);
            assertThat(poke(port, 0x20_0000 + 0x3004, 3)).as("large page over memory that is placed oddly").isEqualTo(DmaStatus.DONE);
            assertThat(byteAt(high + 0x3004)).isEqualTo(3);
            unit.reset();
            assertThat(unit.read(0x1C, 4)).isZero();
            assertThat(unit.read(0x228, 8)).isZero();
            assertThat(poke(port, 9, 4)).isEqualTo(DmaStatus.DONE);
            assertThat(byteAt(low + 9)).as("untranslated again").isEqualTo(4);
        }
    }

    @Test
    void translatesThroughScalableTablesOfAGuest() {
        Map<String, String> properties = Map.of("x-scalable-mode", "on", "x-flts", "on", "x-pasid-mode", "on");
        try (IommuUnit unit = new VtdModel().create("viommu", properties, board)) {
            store(0x1000, 0x2001);
            store(0x2000 + 0x10 * 32, HIGH | 1 | 1 << 3);    // context: PASID directory in the other piece of memory
            store(HIGH, 0x6001);
            long entry = 0x6000 + 5 * 64;
            store(entry + 8, 7 | 1 << 23);
            store(entry + 16, 0x7000);
            store(entry, 1 | 1 << 6);
            store(0x7000, 0x8007);
            store(0x8000, 0x9007);
            store(0x9000, 0xA007);
            store(0xA000, HIGH + 0x2000 | 7);
            unit.write(0x20, 8, 0x1000 | 1 << 10);
            command(unit, 30);
            command(unit, 31);
            assertThat(poke(unit.openPort(DEVICE, 5), 3, 6)).isEqualTo(DmaStatus.DONE);
            assertThat(byteAt(high + 0x2003)).isEqualTo(6);
            assertThat(Ram.word(low + 0xA000) & 0x60).as("A, D").isEqualTo(0x60);
            assertThat(poke(unit.openPort(DEVICE, 6), 3, 6)).isEqualTo(DmaStatus.FAULTED);
            assertThat(unit.read(0x228, 8) >>> 32 & 0xFF).isEqualTo(0x59);
        }
    }

    @Test
    void capabilitiesAreThoseOfQemuWhereItHasThem() {
        IommuUnit usual = new VtdModel().create("a", Map.of(), board);
        assertThat(usual.read(8, 8) >>> 8 & 31).as("SAGAW").isEqualTo(6);
        assertThat(usual.read(8, 8) >>> 16 & 63).as("MGAW").isEqualTo(47);
        assertThat(usual.read(0x10, 8) >>> 43 & 1).as("SMTS").isZero();
        IommuUnit first = new VtdModel().create("b", Map.of("x-scalable-mode", "on", "x-flts", "on"), board);
        assertThat(first.read(8, 8) >>> 8 & 31).isEqualTo(6);
        assertThat(first.read(0x10, 8) >>> 46 & 3).as("SSTS, FSTS").isEqualTo(2);
        IommuUnit second = new VtdModel().create("c", Map.of("x-scalable-mode", "on"), board);
        assertThat(second.read(0x10, 8) >>> 46 & 3).isEqualTo(1);
    }

    @Test
    void refusesWhatItDoesNotKnow() {
        for (Map<String, String> wrong : List.of(Map.of("x-flts", "on"), Map.of("aw-bits", "40"), Map.of("aw-bits", "many"),
                Map.of("pt", "perhaps"), Map.of("color", "red"), Map.of("fault-records", "14"))) {
            assertThatThrownBy(() -> new VtdModel().create("v", wrong, board)).as(wrong.toString())
                    .isInstanceOfSatisfying(IommufdException.class, failure -> assertThat(failure.errno()).isEqualTo(Errno.EINVAL));
        }
    }
}
