package iommu.smmuv3;

import static iommu.smmuv3.format.SmmuRegister.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommu.common.unit.PhysicalWords;
import iommufd.api.DmaAccess;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import iommufd.api.hardware.UnitBoard;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The service for guests: everything the unit reaches lies in the guest's memory, which is elsewhere in the window. */
class GuestSmmuTest {
    private static final long WINDOW_START = 1L << 41;
    private static final long BYTES = 16L << 20;
    private static final long RAM = 0x4000_0000L;
    private static final long UPPER_RAM = 0x8_0000_1000L;
    /** Valid page, unprivileged, AF. */
    private static final long LEAF1 = 3 | 1 << 6 | 1 << 10;
    private static final long LEAF2 = 3 | 3 << 6 | 0xf << 2 | 1 << 10;
    private static final long CONTEXT = 16 | 1L << 30 | 1L << 31 | 4L << 32 | 1L << 41 | 1L << 45 | 1L << 46;
    /** S2T0SZ 25 (39 bits), SL0 1, S2PS 44 bits, AA64, R. */
    private static final long STAGE2_FORM = 25L << 32 | 1L << 38 | 4L << 48 | 1L << 51 | 1L << 58;

    private final Board board = new Board();
    private final MemorySegment buffer = MemorySegment.ofArray(new long[1024]);
    private long next = RAM + 0x10_0000;

    /** 15 MiB at 1 GiB, and the last MiB above 32 GiB, not aligned to 2 MiB. */
    private static final class Board implements UnitBoard {
        private final MemoryMap memory = MemoryMap.of(List.of(new MemoryMap.Range(RAM, BYTES - (1 << 20), WINDOW_START),
                new MemoryMap.Range(UPPER_RAM, 1 << 20, WINDOW_START + BYTES - (1 << 20))));
        private final List<String> signals = new ArrayList<>();

        Board() {
            HostMemory.backAnonymous(WINDOW_START, BYTES, false);
        }

        @Override
        public MemoryMap memory() {
            return memory;
        }

        @Override
        public void message(long address, int data) {
            signals.add("0x%x=%d".formatted(address, data));
        }

        @Override
        public void line(int line, boolean level) {
            signals.add(line + (level ? "+" : "-"));
        }
    }

    @AfterEach
    void unback() {
        HostMemory.unback(WINDOW_START, BYTES);
    }

    private static IommuUnit create(UnitBoard board, String... properties) {
        Map<String, String> map = new java.util.HashMap<>();
        for (int i = 0; i < properties.length; i += 2) {
            map.put(properties[i], properties[i + 1]);
        }
        return new Smmuv3Model().create("guest", map, board);
    }

    private void put(long guestAddress, long... words) {
        for (int i = 0; i < words.length; i++) {
            PhysicalWords.set(board.memory.hostAddress(guestAddress + 8L * i), words[i]);
        }
    }

    private long get(long guestAddress) {
        return PhysicalWords.get(board.memory.hostAddress(guestAddress));
    }

    private long page() {
        next += 4096;
        return next - 4096;
    }

    /** Puts a leaf of 4 KiB under tables of guest memory. */
    private void map(long table, int levels, long iova, long leaf) {
        long at = table;
        for (int level = levels - 1; level > 0; level--) {
            long slot = at + (iova >>> 12 + 9 * level & 511) * 8;
            if (get(slot) == 0) {
                put(slot, page() | 3);
            }
            at = get(slot) & 0x0000_FFFF_FFFF_F000L;
        }
        put(at + (iova >>> 12 & 511) * 8, leaf);
    }

    private static void start(IommuUnit unit, long streamTable, long commands, long events) {
        unit.write(STRTAB_BASE, 8, streamTable);
        unit.write(STRTAB_BASE_CFG, 4, 6);
        unit.write(CMDQ_BASE, 8, commands | 6);
        unit.write(EVENTQ_BASE, 8, events | 6);
        unit.write(IRQ_CTRL, 4, IRQ_CTRL_EVENTQ | IRQ_CTRL_GERROR);
        unit.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN);
    }

    private void arrives(HardwarePort port, long iova, long guestAddress) {
        buffer.set(ValueLayout.JAVA_LONG, 0, iova | 5);
        assertThat(port.write(iova, buffer, 0, 8)).as("%s", port.lastFault()).isEqualTo(DmaStatus.DONE);
        assertThat(get(guestAddress)).isEqualTo(iova | 5);
        put(guestAddress, 77);
        assertThat(port.read(iova, buffer, 8, 8)).isEqualTo(DmaStatus.DONE);
        assertThat(buffer.get(ValueLayout.JAVA_LONG, 8)).isEqualTo(77);
    }

    @Test
    void stagesOneTwoAndBothInGuestMemory() {
        try (IommuUnit unit = create(board, "stage", "nested")) {
            long streams = RAM + 0x1_0000;
            start(unit, streams, page(), page());
            long table = page();
            long context = page();
            put(context, CONTEXT, table);
            map(table, 4, 0x7000, UPPER_RAM + 0x3000 | LEAF1);
            put(streams + 64, 1 | 5 << 1 | context);
            arrives(unit.openPort(new RequesterId(1), Pasid.NONE), 0x7010, UPPER_RAM + 0x3010);

            long second = page();
            map(second, 3, 0x9000, UPPER_RAM + 0x4000 | LEAF2);
            put(streams + 2 * 64, 1 | 6 << 1, 0, STAGE2_FORM, second);
            arrives(unit.openPort(new RequesterId(2), Pasid.NONE), 0x9010, UPPER_RAM + 0x4010);

            // Both: the second stage maps the guest's memory to itself by 2 MiB, and one page elsewhere.
            long both = page();
            put(both + (RAM >>> 30) * 8, page() | 3);
            long blocks = get(both + (RAM >>> 30) * 8) & ~0xfffL;
            for (int block = 0; block < 7; block++) {
                put(blocks + block * 8L, RAM + ((long) block << 21) | LEAF2 & ~2L);
            }
            map(both, 3, 0x5000, UPPER_RAM + 0x5000 | LEAF2);
            long first = page();
            long nestedContext = page();
            put(nestedContext, CONTEXT, first);
            map(first, 4, 0xb000, 0x5000 | LEAF1);
            put(streams + 3 * 64, 1 | 7 << 1 | nestedContext, 0, STAGE2_FORM, both);
            arrives(unit.openPort(new RequesterId(3), Pasid.NONE), 0xb010, UPPER_RAM + 0x5010);
            assertThat(board.signals).isEmpty();
        }
    }

    @Test
    void blocksThatAreNotAlignedInTheWindowAndRunsAcrossRanges() {
        try (IommuUnit unit = create(board)) {
            unit.write(GBPA, 4, GBPA_UPDATE);
            HardwarePort port = unit.openPort(new RequesterId(1), Pasid.NONE);
            arrives(port, RAM + (14 << 20), RAM + (14 << 20));
            arrives(port, UPPER_RAM + 0xff8, UPPER_RAM + 0xff8);
            arrives(port, UPPER_RAM + 0x1000, UPPER_RAM + 0x1000);
            assertThat(port.write(UPPER_RAM + (1 << 20) - 8, buffer, 0, 16)).as("past the end").isEqualTo(DmaStatus.ABORTED);
            assertThat(port.write(RAM - 8, buffer, 0, 8)).isEqualTo(DmaStatus.ABORTED);
            assertThat(port.write(WINDOW_START, buffer, 0, 8)).as("the host's address of it").isEqualTo(DmaStatus.ABORTED);
        }
    }

    @Test
    void aFaultPulsesTheLineOfTheEventQueueAndMessagesGoToTheBoard() {
        try (IommuUnit unit = create(board)) {
            long commands = page();
            long events = page();
            start(unit, RAM + 0x1_0000, commands, events);
            HardwarePort port = unit.openPort(new RequesterId(1), Pasid.NONE);
            assertThat(port.write(0x1000, buffer, 0, 8)).isEqualTo(DmaStatus.FAULTED);
            assertThat(get(events)).isEqualTo(4 | 1L << 32);
            assertThat(board.signals).containsExactly("0+", "0-");
            board.signals.clear();
            put(commands, 0x46 | 1 << 12 | 123L << 32, 0x808_0040L, 0x46 | 1 << 12 | 9L << 32, RAM + 0x8000, 0, 0);
            unit.write(CMDQ_PROD, 4, 3);
            assertThat(board.signals).containsExactly("0x8080040=123", "2+", "2-", "2+", "2-", "3+", "3-");
            assertThat(get(RAM + 0x8000)).as("a message into memory").isEqualTo(9);
            unit.reset();
            assertThat(unit.read(CR0, 4)).isZero();
            assertThat(unit.read(STRTAB_BASE, 8)).isZero();
            assertThat(unit.read(GERROR, 4)).isZero();
            assertThat(port.write(RAM, buffer, 0, 8)).as("bypass after reset").isEqualTo(DmaStatus.DONE);
        }
    }

    @Test
    void aDevicesMessageIsTranslatedAndGoesToTheBoard() {
        try (IommuUnit unit = create(board)) {
            long streams = RAM + 0x1_0000;
            start(unit, streams, page(), page());
            long table = page();
            long context = page();
            put(context, CONTEXT, table);
            map(table, 4, 0x7000, 0x808_0000L | LEAF1);
            put(streams + 64, 1 | 5 << 1 | context);
            HardwarePort port = unit.openPort(new RequesterId(1), Pasid.NONE);
            buffer.set(ValueLayout.JAVA_INT, 0, 321);
            assertThat(port.write(0x7040, buffer, 0, 4)).isEqualTo(DmaStatus.DONE);
            assertThat(board.signals).containsExactly("0x8080040=321");
            assertThat(port.write(0x7040, buffer, 0, 8)).as("no message").isEqualTo(DmaStatus.ABORTED);
            assertThat(port.write(0x7042, buffer, 0, 4)).as("not aligned").isEqualTo(DmaStatus.ABORTED);
            assertThat(port.read(0x7040, buffer, 0, 4)).as("a read").isEqualTo(DmaStatus.ABORTED);
            assertThat(board.signals).hasSize(1);
        }
    }

    @Test
    void portsOfDevicesThatTranslateEndWithTheUnit() {
        IommuUnit unit = create(board, "ats", "on", "pri", "on", "cmdqv", "on");
        assertThat(unit.registerBytes()).isGreaterThan(0x2_0000);
        AtsPort port = unit.openAtsPort(new RequesterId(1), Pasid.NONE, new AtsPort.Device() {
            @Override
            public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
                return true;
            }

            @Override
            public void pageResponse(PageResponse response) {
                board.signals.add(response.toString());
            }
        });
        assertThat(port.requestTranslation(0x1000, DmaAccess.READ).status()).isEqualTo(AtsPort.Translation.Status.UNSUPPORTED);
        assertThat(port.requestPage(new PageRequest(Pasid.NONE, 3, 0x1000, DmaAccess.READ, false, false, true))).isTrue();
        assertThat(board.signals).as("the queue is off").hasSize(1);
        unit.close();
        assertThat(port.read(RAM, buffer, 0, 8)).isEqualTo(DmaStatus.CLOSED);
        assertThat(unit.read(1, 1)).isZero();
        assertThat(unit.read(-4, 4)).isZero();
        assertThat(unit.read(1L << 40, 8)).isZero();
    }

    @Test
    void propertiesAreInTheRegistersAndOthersAreRefused() {
        try (IommuUnit unit = create(board, "stage", "2", "oas", "48", "ssidsize", "7", "ril", "off", "httu", "access", "sidsize", "8",
                "msi", "off")) {
            assertThat(unit.read(IDR0, 4) & 3).isEqualTo(1);
            assertThat(unit.read(IDR0, 4) >>> 6 & 3).isEqualTo(1);
            assertThat(unit.read(IDR0, 4) & IDR0_MSI).isZero();
            assertThat(unit.read(IDR1, 4) & 0x3f).isEqualTo(8);
            assertThat(unit.read(IDR1, 4) >>> 6 & 0x1f).isEqualTo(7);
            assertThat(unit.read(IDR3, 4) & IDR3_RIL).isZero();
            assertThat(unit.read(IDR5, 4) & 7).isEqualTo(5);
        }
        for (String[] bad : new String[][] {{"stage", "3"}, {"stagee", "1"}, {"oas", "45"}, {"ssidsize", "21"}, {"ril", "yes"},
            {"sidsize", "x"}, {"httu", "on"}, {"pri", "on"}, {"oas", "52", "gran64k", "off"}}) {
            assertThatThrownBy(() -> create(board, bad)).as(bad[0]).isInstanceOf(IommufdException.class).hasMessageContaining("EINVAL");
        }
    }
}
