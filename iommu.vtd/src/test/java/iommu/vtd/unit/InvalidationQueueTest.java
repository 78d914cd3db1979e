package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static iommu.vtd.unit.Board.contextInvalidate;
import static iommu.vtd.unit.Board.iotlbInvalidate;
import static iommu.vtd.unit.Board.pasidInvalidate;
import static iommu.vtd.unit.Board.pasidIotlbInvalidate;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.Ram;
import iommufd.api.dma.Pasid;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The invalidation queue's protocol: order, errors, stop and recovery, completion. */
class InvalidationQueueTest {
    private static final int IQE = 1 << 4;

    private static void assertStopped(Board board, long head, int reason) {
        assertThat(board.read(0x34) & IQE).as("IQE").isEqualTo(IQE);
        assertThat(board.readLong(0xB0) & 0xF).as("IQEI").isEqualTo(reason);
        assertThat(board.readLong(0x80)).as("head stays on it").isEqualTo(head);
    }

    /** Reserved bits and types by §6.5.2, Table 26: legacy narrow 0, legacy wide 1, scalable 2. */
    @ParameterizedTest
    @CsvSource({
        "0, 0x0, 0, 3", "0, 0x6, 0, 3", "0, 0x7, 0, 3", "0, 0x8, 0, 3", "0, 0x9, 0, 3", "0, 0xA, 0, 3", "0, 0x3, 0, 3",
        "0, 0x211, 0, 3", "0, 0x815, 0, 3", "1, 0x27, 0, 3", "2, 0x9, 0, 3", "2, 0xA, 0, 3", "2, 0x3, 0, 3", "2, 0x8, 0, 3",
        "0, 0x1, 0, 4", "0, 0x51, 0, 4", "0, 0x1011, 0, 4", "0, 0x4000000000011, 0, 4", "0, 0x11, 1, 4",
        "0, 0x2, 0, 4", "0, 0x112, 0, 4", "0, 0x100000012, 0, 4", "0, 0x12, 0x80, 4", "0, 0x32, 19, 4",
        "0, 0x24, 0, 4", "0, 0x1004, 0, 4", "0, 0x4, 1, 4", "0, 0x85, 0, 4", "0, 0x1005, 0, 4", "0, 0x5, 1, 4", "0, 0x5, 2, 4",
        "2, 0x6, 0, 4", "2, 0x16, 0, 4", "2, 0x10000000000026, 0, 4", "2, 0x26, 0x80, 4", "2, 0x27, 0, 4", "2, 0x7, 1, 4"})
    void refusesInvalidDescriptors(int mode, String first, String second, int reason) {
        Board board = mode == 2 ? Board.scalable() : new Board(mode == 0 ? VtdFeatures.legacy() : VtdFeatures.scalableMode());
        if (mode < 2) {
            board.setRoot(0);
            board.openQueue(mode == 1);
        }
        assertThat(board.execute(Long.decode(first), Long.decode(second))).as("wait completed").isFalse();
        assertStopped(board, 0, reason);
    }

    @Test
    void acceptsEveryDescriptorOfItsMode() {
        Board legacy = Board.legacy();
        assertThat(legacy.execute(contextInvalidate(3, 1, 2, 3), 0)).isTrue();
        assertThat(legacy.execute(iotlbInvalidate(3, 1) | 3 << 6, -4096 | 1 << 6 | 18)).isTrue();
        assertThat(legacy.execute(0x4 | 1 << 4 | 31L << 27 | 0xFFFFL << 32, 0)).isTrue();
        Board scalable = Board.scalable(VtdFeatures.scalableMode().withDeviceTlb());
        assertThat(scalable.execute(contextInvalidate(1, 0, 0, 0), 0)).isTrue();
        scalable.atsPort(0xFFFF, Pasid.NONE);
        assertThat(scalable.execute(0x3 | 0x1FL << 16 | 0xFFFFL << 32, -4096 | 1)).as("device-TLB").isTrue();
        assertThat(scalable.execute(0x8 | 0x1FL << 4 | 0xFFFFL << 16 | 0xFFFFFL << 32, -4096 | 1 << 11 | 1)).as("PASID device-TLB").isTrue();
        assertThat(scalable.execute(pasidInvalidate(1, 0xFFFF, 0xFFFFF), 0)).isTrue();
        assertThat(scalable.execute(pasidIotlbInvalidate(3, 0xFFFF, 0xFFFFF), -4096 | 1 << 6 | 63)).isTrue();
        assertThat(scalable.read(0x34)).isZero();
    }

    @Test
    void pitfall5UpperHalfOfWideDescriptorsMustBeZero() {
        Board board = Board.scalable();
        board.post(iotlbInvalidate(1, 0), 0);
        word(board.queueAddress() + 24, 1);
        board.ring();
        assertStopped(board, 0, 4);
    }

    @Test
    void pitfall5TailOfWideQueuesIsAligned() {
        Board board = Board.scalable();
        board.writeLong(0x88, 16);
        assertStopped(board, 0, 6);
    }

    @Test
    void tailOutsideTheQueueIsAnError() {
        Board board = Board.legacy();
        board.writeLong(0x88, 4096);
        assertStopped(board, 0, 1);
    }

    @Test
    void narrowDescriptorsAreAnErrorInScalableMode() {
        Board board = new Board(VtdFeatures.scalableMode());
        board.setRoot(1);
        board.openQueue(false);
        board.post(iotlbInvalidate(1, 0), 0);
        board.ring();
        assertStopped(board, 0, 5);
    }

    @Test
    void reservedTableModeIsAnError() {
        Board board = new Board(VtdFeatures.scalableMode());
        board.setRoot(2);
        board.openQueue(true);
        board.post(iotlbInvalidate(1, 0), 0);
        board.ring();
        assertStopped(board, 0, 7);
    }

    @Test
    void queueWithoutMemoryIsAFetchError() {
        Board board = Board.legacy();
        board.command(26, false);
        board.writeLong(0x90, Ram.HOLE);
        board.writeLong(0x88, 16);
        board.command(26, true);
        assertStopped(board, 0, 2);
    }

    @Test
    void goesOnWhenTheErrorIsCleared() {
        Board board = Board.legacy();
        board.post(iotlbInvalidate(1, 0), 0);
        assertThat(board.execute(0xF, 0)).isFalse();
        assertStopped(board, 16, 3);
        board.ring();
        assertThat(board.waitCompleted()).as("a new tail does not restart it").isFalse();
        board.write(0x34, IQE);
        assertStopped(board, 16, 3);
        word(board.queueAddress() + 16, iotlbInvalidate(1, 0));
        board.write(0x34, IQE);
        assertThat(board.read(0x34)).isZero();
        assertThat(board.waitCompleted()).isTrue();
        assertThat(board.readLong(0x80)).isEqualTo(board.tail());
    }

    @Test
    void raisesTheFaultEventOncePerError() {
        Board board = Board.legacy();
        board.write(0x3C, 0x42);
        board.write(0x40, 0xFEE0_1000);
        board.write(0x38, 0);
        board.execute(0xF, 0);
        assertThat(board.messages).containsExactly(0xFEE0_1000L << 16 | 0x42);
        board.write(0x34, IQE);
        assertThat(board.messages).as("it stops again").hasSize(2);
    }

    @Test
    void runsLapsAroundTheQueue() {
        Board board = Board.scalable();
        for (int i = 0; i < 1000; i++) {
            assertThat(board.execute(iotlbInvalidate(2, i), 0)).isTrue();
        }
        board.command(26, false);
        assertThat(board.readLong(0x80)).as("head after disabling").isZero();
    }

    @Test
    void waitsUntilItIsEnabled() {
        Board board = new Board(VtdFeatures.legacy());
        board.setRoot(0);
        long queue = board.ram.frame();
        long status = board.ram.frame();
        word(queue, 0x5 | 1 << 5 | 77L << 32);
        word(queue + 8, status);
        board.writeLong(0x90, queue);
        board.writeLong(0x88, 16);
        assertThat(word(status)).isZero();
        board.command(26, true);
        assertThat(word(status)).isEqualTo(77);
    }

    @Test
    void pitfall5QueueAddressReadsBackItsDescriptorWidth() {
        Board board = new Board(VtdFeatures.scalableMode());
        board.writeLong(0x90, 0x7000_0000L | 1 << 11 | 7);
        assertThat(board.readLong(0x90)).isEqualTo(0x7000_0000L | 1 << 11 | 7);
    }

    @Test
    void pitfall6StatusAndInterruptTogetherAreLegal() {
        Board board = Board.legacy();
        board.write(0xA4, 0x55);
        board.write(0xA8, 0xFEE0_2000);
        board.write(0xA0, 0);
        board.post(0x5 | 1 << 4 | 1 << 5 | 9L << 32, board.statusAddress());
        board.ring();
        assertThat(word(board.statusAddress())).isEqualTo(9);
        assertThat(board.read(0x9C)).as("IWC").isEqualTo(1);
        assertThat(board.messages).containsExactly(0xFEE0_2000L << 16 | 0x55);
        board.post(0x5 | 1 << 4, 0);
        board.ring();
        assertThat(board.messages).as("IWC was not serviced").hasSize(1);
        board.write(0x9C, 1);
        assertThat(board.read(0x9C)).isZero();
        board.post(0x5 | 1 << 4, 0);
        board.ring();
        assertThat(board.messages).hasSize(2);
    }

    @Test
    void completionEventWaitsForTheMask() {
        Board board = Board.legacy();
        board.post(0x5 | 1 << 4, 0);
        board.ring();
        assertThat(board.messages).isEmpty();
        assertThat(board.read(0xA0)).as("IM and IP").isEqualTo(3 << 30);
        board.write(0xA0, 0);
        assertThat(board.messages).hasSize(1);
        assertThat(board.read(0xA0)).isZero();
        board.write(0xA0, 1 << 31);
        board.write(0x9C, 1);
        board.post(0x5 | 1 << 4, 0);
        board.ring();
        board.write(0x9C, 1);
        board.write(0xA0, 0);
        assertThat(board.messages).as("serviced before it was unmasked").hasSize(1);
    }

    @Test
    void pitfall6FenceOnlyIsLegal() {
        Board board = Board.legacy();
        assertThat(board.execute(0x5 | 1 << 6, 0)).isTrue();
        assertThat(board.read(0x34)).isZero();
    }

    @Test
    void statusWithoutMemoryIsDropped() {
        Board board = Board.legacy();
        assertThat(board.execute(0x5 | 1 << 5 | 3L << 32, Ram.HOLE)).isTrue();
    }

    @Test
    void requestThatDoesNotEndTimesTheWaitOut() throws InterruptedException {
        Board board = Board.scalable();
        long table = board.ram.frame();
        board.firstStage(Board.DEVICE, 0, 1, 4, table);
        board.mapFirst(table, 4, 0x1000, board.ram.frame());
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch mayLeave = new CountDownLatch(1);
        board.whenMarked = () -> {
            inside.countDown();
            try {
                mayLeave.await();
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
        };
        VtdPort port = board.port();
        Thread device = Thread.ofPlatform().start(() -> Board.poke(port, 0x1000, 1));
        inside.await();
        assertThat(board.execute(iotlbInvalidate(1, 0), 0)).as("completed under the request").isFalse();
        assertThat(board.read(0x34)).as("ITE").isEqualTo(1 << 6);
        assertThat(board.readLong(0x80)).as("head stays on the wait").isEqualTo(32);
        mayLeave.countDown();
        device.join();
        board.ring();
        assertThat(board.waitCompleted()).as("nothing is fetched before ITE is cleared").isFalse();
        board.write(0x34, 1 << 6);
        assertThat(board.waitCompleted()).isTrue();
        assertThat(board.read(0x34)).isZero();
    }
}
