package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommu.vtd.Ram;
import iommu.vtd.unit.Board.Message;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Interrupts of devices by §5: compatibility format, remapped, posted, and everything that blocks them. */
class InterruptRemappingTest {
    private static final int SID = 0x0310;
    private static final long IRE = 1L << 25;
    private static final VtdFeatures FEATURES = VtdFeatures.scalableMode().with(VtdFeature.INTERRUPT_REMAPPING,
            VtdFeature.EXTENDED_INTERRUPTS, VtdFeature.POSTED_INTERRUPTS, VtdFeature.ENHANCED_SET_INTERRUPT);

    private final Board board = new Board(FEATURES);
    private final long table = board.ram.frame();
    private final VtdPort port = board.port(SID, Pasid.NONE);

    /** Size field 3: 16 entries. */
    private void enable(boolean extended) {
        board.writeLong(0xB8, table | (extended ? 1 << 11 : 0) | 3);
        board.command(24, true);
        assertThat(board.read(0x1C) & 1 << 24).as("IRTPS").isNotZero();
        board.command(25, true);
        assertThat(board.read(0x1C) & 1 << 25).as("IRES").isNotZero();
    }

    private static DmaStatus send(VtdPort from, long address, int data) {
        MemorySegment bytes = MemorySegment.ofArray(new byte[4]);
        bytes.set(ValueLayout.JAVA_INT_UNALIGNED, 0, data);
        return from.write(address, bytes, 0, 4);
    }

    private static long remappable(int index) {
        return 0xFEE0_0010L | (long) (index & 0x7FFF) << 5 | (index >>> 15) << 2;
    }

    private void entry(int index, long low, long high) {
        word(table + index * 16L + 8, high);
        word(table + index * 16L, low);
    }

    @Test
    void compatibilityFormatPassesUntilRemappingIsOn() {
        assertThat(send(port, 0xFEE0_1004L, 0x4031)).isEqualTo(DmaStatus.DONE);
        assertThat(board.interrupts).containsExactly(new Message(0xFEE0_1004L, 0x4031));
        enable(false);
        assertThat(send(port, 0xFEE0_1004L, 0x4031)).as("CFIS is 0").isEqualTo(DmaStatus.FAULTED);
        assertRecord(0x25, 0);
        board.command(23, true);
        assertThat(board.read(0x1C) >>> 23 & 1).as("CFIS").isEqualTo(1);
        assertThat(send(port, 0xFEE0_1004L, 0x4032)).isEqualTo(DmaStatus.DONE);
        assertThat(board.interrupts).hasSize(2).last().isEqualTo(new Message(0xFEE0_1004L, 0x4032));
    }

    @Test
    void compatibilityFormatNeverPassesInExtendedMode() {
        enable(true);
        board.command(23, true);
        assertThat(send(port, 0xFEE0_1004L, 0x4031)).isEqualTo(DmaStatus.FAULTED);
        assertRecord(0x25, 0);
        assertThat(board.interrupts).isEmpty();
    }

    @Test
    void entryMakesTheMessage() {
        enable(false);
        // DST 47:40 = 0xA5, V 0x67, DLM 1, TM 1, RH 1, DM 1
        entry(5, 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 0x67L << 16 | 0xA5L << 40, 0);
        assertThat(send(port, remappable(5), 0xFFFF_FFFF)).as("data without sub-handle is ignored").isEqualTo(DmaStatus.DONE);
        assertThat(board.interrupts).containsExactly(new Message(0xFEE0_0000L | 0xA5 << 12 | 1 << 3 | 1 << 2, 0x67 | 1 << 8 | 1 << 14 | 1 << 15));
    }

    @Test
    void extendedDestinationsReachTheUpperAddress() {
        enable(true);
        entry(0, 1 | 0x30L << 16 | 0x1234_5678L << 32, 0);
        assertThat(send(port, remappable(0), 0)).isEqualTo(DmaStatus.DONE);
        assertThat(board.interrupts).containsExactly(new Message(0x1234_5600L << 32 | 0xFEE7_8000L, 0x30 | 1 << 14));
    }

    @Test
    void subHandleAddsToTheHandle() {
        enable(false);
        entry(7, 1 | 0x44L << 16, 0);
        assertThat(send(port, remappable(4) | 1 << 3, 3)).isEqualTo(DmaStatus.DONE);
        assertThat(board.interrupts.getFirst().data() & 0xFF).isEqualTo(0x44);
    }

    @Test
    void pitfall12IndexIsCheckedAgainstTheSize() {
        enable(false);
        entry(16, 1 | 0x44L << 16, 0);
        assertThat(send(port, remappable(16), 0)).isEqualTo(DmaStatus.FAULTED);
        assertRecord(0x21, 16);
        assertThat(send(port, remappable(0x8000), 0)).as("bit 15 is bit 2 of the address").isEqualTo(DmaStatus.FAULTED);
        assertRecord(0x21, 0x8000);
        assertThat(send(port, remappable(10) | 1 << 3, 6)).isEqualTo(DmaStatus.FAULTED);
        assertRecord(0x21, 16);
    }

    /** The trigger mode of the request itself, which an I/O APIC must program likewise, changes nothing (§5.1.5.1). */
    @Test
    void pitfall12TriggerModeIsTheEntrys() {
        enable(false);
        VtdPort ioApic = board.port(0xF0F8, Pasid.NONE);
        entry(1, 1 | 0x44L << 16, 0x4F0F8);
        entry(2, 1 | 1 << 4 | 0x44L << 16, 0x4F0F8);
        send(ioApic, remappable(1), 1 << 15);
        send(ioApic, remappable(2), 0);
        assertThat(board.interrupts.get(0).data()).as("edge").isEqualTo(0x44 | 1 << 14);
        assertThat(board.interrupts.get(1).data()).as("level").isEqualTo(0x44 | 1 << 14 | 1 << 15);
    }

    /** Two devices post, a processor takes: every vector that was posted is taken, and none without a notification. */
    @Test
    void postingBesideAProcessorLosesNothing() throws InterruptedException {
        enable(false);
        long pid = board.ram.frame();
        for (int index = 0; index < 8; index++) {
            postedEntry(index, 8 * index + index, false, pid);
        }
        AtomicInteger notifications = new AtomicInteger();
        board.interrupt = message -> notifications.incrementAndGet();
        AtomicLong seen = new AtomicLong();
        Thread[] devices = new Thread[2];
        for (int i = 0; i < 2; i++) {
            VtdPort own = board.port(SID, Pasid.NONE);
            int half = 4 * i;
            devices[i] = Thread.ofPlatform().start(() -> {
                for (int round = 0; round < 20_000; round++) {
                    send(own, remappable(half + (round & 3)), 0);
                }
            });
        }
        long handled = 0;
        while (devices[0].isAlive() || devices[1].isAlive() || notifications.get() > handled) {
            if (notifications.get() > handled) {
                handled++;
                // As a processor does: ON first, then the requests (SDM, posted-interrupt processing).
                PhysicalWords.compareAndSet(pid + 32, 1, 0);
                seen.set(seen.get() | PhysicalWords.getAndSet(pid, 0));
                PhysicalWords.getAndSet(pid + 8, 0);
            }
        }
        assertThat(word(pid)).as("nothing is left without a notification").isZero();
        assertThat(word(pid + 32) & 1).isZero();
        assertThat(seen.get()).isEqualTo(0x8040_2010_0804_0201L);
    }

    @ParameterizedTest
    @CsvSource({
        // SVT 1, SQ 0 to 3
        "0x40310, 0x0310, true", "0x40310, 0x0311, false", "0x40311, 0x0311, true", "0x50310, 0x0314, true",
        "0x50310, 0x0312, false", "0x60310, 0x0316, true", "0x60310, 0x0311, false", "0x70310, 0x0317, true",
        "0x70310, 0x0318, false", "0x70310, 0x0410, false",
        // SVT 2: buses 2 to 4
        "0x80204, 0x0200, true", "0x80204, 0x04FF, true", "0x80204, 0x01FF, false", "0x80204, 0x0500, false",
        // SVT 0
        "0x00310, 0x0999, true"})
    void sourceIsValidated(String high, String sid, boolean allowed) {
        enable(false);
        entry(1, 1 | 0x44L << 16, Long.decode(high));
        int source = Integer.decode(sid);
        assertThat(send(board.port(source, Pasid.NONE), remappable(1), 0)).isEqualTo(allowed ? DmaStatus.DONE : DmaStatus.FAULTED);
        if (!allowed) {
            assertThat(board.record(0)).as("F, FR, SID").isEqualTo(1L << 63 | 0x26L << 32 | source);
            assertThat(board.readLong(0x220)).as("FI").isEqualTo(1L << 48);
        }
    }

    @ParameterizedTest
    @CsvSource({"0x22, 0, 0", "0x24, 0x1001, 0", "0x24, 0x1000001, 0", "0x24, 1, 0x100000", "0x24, 0x61, 0", "0x24, 0xC1, 0",
        "0x24, 0x100000001, 0", "0x24, 0x1000000000001, 0", "0x24, 1, 0xC0000"})
    void badEntriesAreRecordedUnlessTheySayOtherwise(String reason, String low, String high) {
        enable(false);
        entry(2, Long.decode(low), Long.decode(high));
        assertThat(send(port, remappable(2), 0)).isEqualTo(DmaStatus.FAULTED);
        assertRecord(Integer.decode(reason), 2);
        entry(2, Long.decode(low) | 2, Long.decode(high));
        assertThat(send(port, remappable(2), 0)).isEqualTo(DmaStatus.FAULTED);
        assertThat(board.record(1)).as("FPD").isZero();
        assertThat(board.interrupts).isEmpty();
    }

    @Test
    void reservedDataWithSubHandle() {
        enable(false);
        assertThat(send(port, remappable(2) | 1 << 3, 0x1_0000)).isEqualTo(DmaStatus.FAULTED);
        assertThat(board.record(0) >>> 32 & 0xFF).isEqualTo(0x20);
    }

    @Test
    void tableWithoutMemory() {
        board.writeLong(0xB8, Ram.HOLE | 3);
        board.command(24, true);
        board.command(25, true);
        assertThat(send(port, remappable(2), 0)).isEqualTo(DmaStatus.FAULTED);
        assertRecord(0x23, 2);
    }

    @Test
    void whatIsNoInterruptIsRefused() {
        assertThat(Board.poke(port, 0xFEE0_0000L, 1)).as("not a DWORD").isEqualTo(DmaStatus.FAULTED);
        assertThat(board.record(0) & ~0xFFFFL).as("write").isEqualTo(1L << 63 | 0x29L << 32);
        assertThat(Board.peek(port, 0xFEE0_0000L)).as("a read").isEqualTo(-1);
        assertThat(board.record(1) & ~0xFFFFL).as("read").isEqualTo(1L << 63 | 1L << 62 | 0x29L << 32);
        port.fetchAndAdd(0xFEE0_0000L, 1);
        assertThat(board.record(2) & ~0xFFFFL).as("AtomicOp").isEqualTo(1L << 63 | 1L << 62 | 1L << 28 | 0x29L << 32);
        assertThat(send(port, 0xFEE0_0002L, 1)).as("misaligned").isEqualTo(DmaStatus.FAULTED);
        assertThat(board.interrupts).isEmpty();
    }

    @Test
    void pitfall9InputIsAnInterruptWhateverTheTablesSay() {
        Board translating = Board.legacy(FEATURES);
        long second = translating.ram.frame();
        translating.legacyContext(SID, 7, 4, second);
        translating.mapSecond(second, 4, 0xFEE0_1000L, translating.ram.frame(), 3);
        assertThat(send(translating.port(SID, Pasid.NONE), 0xFEE0_1000L, 0x31)).isEqualTo(DmaStatus.DONE);
        assertThat(translating.interrupts).containsExactly(new Message(0xFEE0_1000L, 0x31));
    }

    @Test
    void requestsWithPasidAreTranslatedThereToo() {
        Board translating = Board.scalable(FEATURES);
        long first = translating.ram.frame();
        long page = translating.ram.frame();
        translating.firstStage(SID, 9, 7, 4, first);
        translating.mapFirst(first, 4, 0xFEE0_1000L, page);
        assertThat(send(translating.port(SID, 9), 0xFEE0_1000L, 0x31)).isEqualTo(DmaStatus.DONE);
        assertThat(translating.interrupts).isEmpty();
        assertThat(Ram.bytes(page, 1).get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 0x31);
    }

    @Test
    void settingTakesEffectByCommand() {
        enable(false);
        entry(1, 1 | 0x44L << 16, 0);
        long other = board.ram.frame();
        word(other + 16, 1 | 0x55L << 16);
        board.writeLong(0xB8, other | 3);
        send(port, remappable(1), 0);
        assertThat(board.interrupts.getLast().data() & 0xFF).as("before the command").isEqualTo(0x44);
        board.command(24, true);
        send(port, remappable(1), 0);
        assertThat(board.interrupts.getLast().data() & 0xFF).isEqualTo(0x55);
    }

    private long postedEntry(int index, int vector, boolean urgent, long descriptor) {
        entry(index, 1 | 1 << 15 | (urgent ? 1 << 14 : 0) | (long) vector << 16 | (descriptor & 0xFFFF_FFC0L) << 32, descriptor & -1L << 32);
        return descriptor;
    }

    @Test
    void postingSetsTheVectorsBitAndNotifiesOnce() {
        enable(false);
        long pid = postedEntry(3, 0xC5, false, board.ram.frame() + 64);
        word(pid + 32, 0xF2L << 16 | 0x07L << 40);
        assertThat(send(port, remappable(3), 0)).isEqualTo(DmaStatus.DONE);
        assertThat(word(pid + 24)).as("PIR 255:192").isEqualTo(1L << 5);
        assertThat(word(pid + 32) & 3).as("ON").isEqualTo(1);
        assertThat(board.interrupts).containsExactly(new Message(0xFEE0_7000L, 0xF2 | 1 << 14));
        postedEntry(4, 0x20, true, pid);
        send(port, remappable(4), 0);
        assertThat(word(pid)).isEqualTo(1L << 0x20);
        assertThat(board.interrupts).as("outstanding").hasSize(1);
    }

    @Test
    void suppressionHoldsWhatIsNotUrgent() {
        enable(true);
        long pid = postedEntry(3, 1, false, board.ram.frame());
        word(pid + 32, 2 | 0xF2L << 16 | 0x12345L << 32);
        send(port, remappable(3), 0);
        assertThat(word(pid)).isEqualTo(2);
        assertThat(word(pid + 32) & 3).as("SN, not ON").isEqualTo(2);
        assertThat(board.interrupts).isEmpty();
        postedEntry(4, 2, true, pid);
        send(port, remappable(4), 0);
        assertThat(word(pid + 32) & 3).isEqualTo(3);
        assertThat(board.interrupts).containsExactly(new Message(0x1_2300L << 32 | 0xFEE4_5000L, 0xF2 | 1 << 14));
    }

    @Test
    void badPostedDescriptors() {
        enable(false);
        postedEntry(3, 1, false, Ram.HOLE);
        send(port, remappable(3), 0);
        assertRecord(0x27, 3);
        long pid = postedEntry(3, 1, false, board.ram.frame());
        for (long[] wrong : new long[][] {{32, 4}, {32, 1L << 24}, {32, 1L << 32}, {32, 1L << 48}, {40, 1}, {56, 1L << 63}}) {
            word(pid + wrong[0], wrong[1]);
            send(port, remappable(3), 0);
            assertRecord(0x28, 3);
            word(pid + wrong[0], 0);
        }
        assertThat(word(pid)).as("nothing was posted").isZero();
        for (long reserved : new long[] {1 << 2, 1 << 12, 1L << 24, 1L << 37}) {
            word(table + 3 * 16, word(table + 3 * 16) | reserved);
            send(port, remappable(3), 0);
            assertRecord(0x24, 3);
            word(table + 3 * 16, word(table + 3 * 16) & ~reserved);
        }
        assertThat(send(port, remappable(3), 0)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void withoutPostingItsBitIsReserved() {
        Board plain = new Board(VtdFeatures.legacy().with(VtdFeature.INTERRUPT_REMAPPING));
        long entries = plain.ram.frame();
        plain.writeLong(0xB8, entries | 1 << 11 | 3);
        assertThat(plain.readLong(0xB8) & 1 << 11).as("EIME without EIM").isZero();
        plain.command(24, true);
        plain.command(25, true);
        word(entries, 1 | 1 << 15);
        assertThat(send(plain.port(SID, Pasid.NONE), remappable(0), 0)).isEqualTo(DmaStatus.FAULTED);
        assertThat(plain.record(0) >>> 32 & 0xFF).isEqualTo(0x24);
    }

    /** §6.5.5: a wait behind an IEC invalidation completes after interrupts that may have used the former entry. */
    @Test
    void waitsForInterruptsUnderWay() throws InterruptedException {
        enable(false);
        board.setRoot(1);
        board.openQueue(true);
        entry(1, 1 | 0x44L << 16, 0);
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch deliver = new CountDownLatch(1);
        AtomicBoolean delivered = new AtomicBoolean();
        board.interrupt = message -> {
            inside.countDown();
            try {
                delivered.set(deliver.await(10, TimeUnit.SECONDS));
            } catch (InterruptedException stop) {
                Thread.currentThread().interrupt();
            }
        };
        Thread device = Thread.ofPlatform().start(() -> send(port, remappable(1), 0));
        assertThat(inside.await(10, TimeUnit.SECONDS)).isTrue();
        Thread.ofPlatform().daemon().start(() -> {
            try {
                TimeUnit.MILLISECONDS.sleep(50);
            } catch (InterruptedException stop) {
                Thread.currentThread().interrupt();
            }
            deliver.countDown();
        });
        assertThat(board.execute(0x4 | 1 << 4 | 1L << 32, 0)).isTrue();
        assertThat(delivered).as("before the wait completed").isTrue();
        device.join();
    }

    @Test
    void handlerOfAnInterruptMayInvalidate() {
        enable(false);
        board.setRoot(1);
        board.openQueue(true);
        entry(1, 1 | 0x44L << 16, 0);
        AtomicBoolean completed = new AtomicBoolean();
        board.interrupt = message -> completed.set(board.execute(0x4, 0));
        assertThat(send(port, remappable(1), 0)).isEqualTo(DmaStatus.DONE);
        assertThat(completed).isTrue();
    }

    @Test
    void faultIndexStartsOverOnlyWhenBothAreOff() {
        enable(false);
        board.command(31, true);
        send(port, remappable(9), 0);
        board.command(31, false);
        send(port, remappable(9), 0);
        assertThat(board.record(1)).as("interrupt remapping was still on").isNotZero();
        board.command(25, false);
        board.clearRecord(0);
        board.clearRecord(1);
        board.command(25, true);
        assertThat(board.read(0x1C) & IRE).isNotZero();
        send(port, remappable(9), 0);
        assertThat(board.record(0)).isNotZero();
    }

    /** All fields of the record, which is then cleared. */
    private void assertRecord(int reason, int index) {
        int at = board.read(0x34) >>> 8 & 0xFF;
        assertThat(board.read(0x34) & 2).as("PPF").isEqualTo(2);
        assertThat(board.record(at)).as("F, FR, SID; no T, AT, PV, PP").isEqualTo(1L << 63 | (long) reason << 32 | SID);
        assertThat(board.readLong(0x220 + 16 * at)).as("FI: index").isEqualTo((long) index << 48);
        board.clearRecord(at);
    }
}
