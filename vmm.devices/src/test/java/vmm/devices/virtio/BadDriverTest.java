package vmm.devices.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static vmm.devices.virtio.Descriptor.HALF;
import static vmm.devices.virtio.Descriptor.QUARTER;
import static vmm.devices.virtio.RingDriver.INDIRECT;
import static vmm.devices.virtio.RingDriver.NEXT;
import static vmm.devices.virtio.RingDriver.WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vdpa.device.QueueState;
import vdpa.device.VirtioFeature;
import vmm.devices.virtio.RingDriver.Piece;

/** Queues with drivers that break the rules: the queue breaks, and nothing else. */
@Timeout(60)
class BadDriverTest {
    private static final int SIZE = 8;
    private static final long FEATURES = VirtioFeature.INDIRECT_DESC | VirtioFeature.EVENT_IDX;

    private final QueueBoard board = new QueueBoard();
    private final Arena arena = Arena.ofShared();
    private final DescriptorChain chain = new DescriptorChain(Virtqueue.maxChain(SIZE));
    private final SplitDriver split = new SplitDriver(board, SIZE, FEATURES);
    private final PackedDriver packed = new PackedDriver(board, SIZE, FEATURES | VirtioFeature.RING_PACKED);
    private final RingDriver other = RingDriver.of(board, false, SIZE, FEATURES);
    private final Virtqueue otherQueue = other.open(arena);

    @AfterEach
    void close() {
        arena.close();
        board.close();
    }

    private void breaks(RingDriver driver, QueueFault fault) {
        Virtqueue queue = driver.open(arena);
        byte[] before = driver.deviceArea.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
        assertThat(queue.next(chain)).isFalse();
        assertThat(queue.fault()).isEqualTo(fault);
        assertThat(queue.next(chain)).as("it stays broken").isFalse();
        queue.complete(chain, 1);
        assertThat(queue.publish()).isFalse();
        assertThat(queue.requestNotifications()).isFalse();
        queue.suppressNotifications();
        assertThat(driver.deviceArea.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE)).as("its ring is left alone").isEqualTo(before);
        othersWork();
    }

    private void othersWork() {
        int id = other.put(Piece.write(1, 1));
        assertThat(otherQueue.next(chain)).isTrue();
        otherQueue.complete(chain, 1);
        otherQueue.publish();
        assertThat(other.takeIds()).containsExactly(id);
    }

    @Test
    void aLoop() {
        for (int i = 0; i < SIZE; i++) {
            RingDriver.descriptor(split.descriptors, i, 0x1000, 1, NEXT, (i + 1) % 3);
        }
        split.offerHead(0);
        breaks(split, QueueFault.CHAIN_TOO_LONG);
    }

    @Test
    void aDescriptorThatFollowsItself() {
        RingDriver.descriptor(split.descriptors, 5, 0x1000, 1, NEXT, 5);
        split.offerHead(5);
        breaks(split, QueueFault.CHAIN_TOO_LONG);
    }

    @Test
    void aPackedChainWithoutEnd() {
        for (int i = 0; i < SIZE; i++) {
            packed.offerRaw(0x1000, 1, 0, NEXT);
        }
        breaks(packed, QueueFault.CHAIN_TOO_LONG);
    }

    @ParameterizedTest
    @ValueSource(ints = {SIZE, 0x7fff, 0x8000, 0xffff})
    void aHeadThatIsNoDescriptor(int head) {
        split.offerHead(head);
        breaks(split, QueueFault.HEAD_INDEX);
    }

    @ParameterizedTest
    @ValueSource(ints = {SIZE, 0x7fff, 0x8000, 0xffff})
    void aNextThatIsNoDescriptor(int next) {
        RingDriver.descriptor(split.descriptors, 0, 0x1000, 1, NEXT, next);
        split.offerHead(0);
        breaks(split, QueueFault.NEXT_INDEX);
    }

    @ParameterizedTest
    @ValueSource(ints = {SIZE + 1, 0x8000, 0xffff})
    void anAvailableIndexThatRunsAhead(int index) {
        split.driverArea.set(QUARTER, 2, (short) index);
        breaks(split, QueueFault.AVAILABLE_INDEX);
    }

    @Test
    void zeroLength() {
        split.put(Piece.read(0x1000, 1), Piece.write(0x1000, 0));
        breaks(split, QueueFault.ZERO_LENGTH);
        packed.put(Piece.read(0x1000, 0));
        breaks(packed, QueueFault.ZERO_LENGTH);
    }

    @Test
    void readableAfterWritable() {
        split.put(Piece.write(0x1000, 1), Piece.read(0x1000, 1));
        breaks(split, QueueFault.READABLE_AFTER_WRITABLE);
        packed.put(Piece.write(0x1000, 1), Piece.read(0x1000, 1));
        breaks(packed, QueueFault.READABLE_AFTER_WRITABLE);
    }

    @Test
    void aBufferBeyondTheLastAddress() {
        split.put(Piece.write(-8, 9));
        breaks(split, QueueFault.ADDRESS_WRAPS);
        packed.put(Piece.write(-8, 9));
        breaks(packed, QueueFault.ADDRESS_WRAPS);
    }

    @Test
    void moreThanFourGigabytes() {
        split.put(Piece.read(0x1000, -1), Piece.write(0x1000, -1));
        breaks(split, QueueFault.CHAIN_TOO_LARGE);
        packed.put(Piece.read(0x1000, -1), Piece.write(0x1000, -1));
        breaks(packed, QueueFault.CHAIN_TOO_LARGE);
    }

    @Test
    void nestedTables() {
        for (RingDriver driver : new RingDriver[] {split, packed}) {
            driver.putIndirect(Piece.read(0x1000, 16), Piece.read(0x1000, 16));
            MemorySegment table = board.at(driver.table(0), 32);
            long flagsAt = driver == split ? 16 + 12 : 16 + 14;
            table.set(QUARTER, flagsAt, (short) INDIRECT);
            breaks(driver, QueueFault.INDIRECT_NESTED);
        }
    }

    @Test
    void aLoopInATable() {
        split.putIndirect(Piece.read(0x1000, 16), Piece.read(0x1000, 16), Piece.read(0x1000, 16));
        MemorySegment table = board.at(split.table(0), 48);
        RingDriver.descriptor(table, 2, 0x1000, 16, NEXT, 1);
        breaks(split, QueueFault.CHAIN_TOO_LONG);
    }

    @Test
    void aTableThatIsLeft() {
        split.putIndirect(Piece.read(0x1000, 16), Piece.read(0x1000, 16));
        RingDriver.descriptor(board.at(split.table(0, Piece.read(0x1000, 16), Piece.read(0x1000, 16)), 32), 0, 0x1000, 16, NEXT, 2);
        breaks(split, QueueFault.NEXT_INDEX);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 8, 17, 16 * 1025, -16})
    void aTableOfAnImpossibleLength(int length) {
        split.putIndirect(Piece.read(0x1000, 16));
        split.descriptors.set(HALF, 8, length);
        breaks(split, QueueFault.INDIRECT_LENGTH);
        packed.putIndirect(Piece.read(0x1000, 16));
        packed.descriptors.set(HALF, 8, length);
        breaks(packed, QueueFault.INDIRECT_LENGTH);
    }

    @Test
    void aTableThatHasANext() {
        split.putIndirect(Piece.read(0x1000, 16));
        split.descriptors.set(QUARTER, 12, (short) (INDIRECT | NEXT));
        breaks(split, QueueFault.INDIRECT_GOES_ON);
        packed.offerRaw(0x1000, 16, 0, INDIRECT | NEXT);
        breaks(packed, QueueFault.INDIRECT_GOES_ON);
    }

    @Test
    void aTableWithoutTheFeature() {
        RingDriver plain = RingDriver.of(board, false, SIZE, 0);
        plain.putIndirect(Piece.read(0x1000, 16));
        breaks(plain, QueueFault.INDIRECT_NOT_NEGOTIATED);
        RingDriver plainPacked = RingDriver.of(board, true, SIZE, 0);
        plainPacked.putIndirect(Piece.read(0x1000, 16));
        breaks(plainPacked, QueueFault.INDIRECT_NOT_NEGOTIATED);
    }

    @Test
    void aTableThatCannotBeReached() {
        split.putIndirect(Piece.read(0x1000, 16));
        RingDriver.descriptor(split.descriptors, 0, QueueBoard.UNMAPPED, 16, INDIRECT, 0);
        breaks(split, QueueFault.RING_UNREACHABLE);
        packed.offerRaw(-16, 16, 0, INDIRECT);
        breaks(packed, QueueFault.RING_UNREACHABLE);
    }

    @Test
    void aTableWithChainsBeforeItIsFine() {
        RingDriver.descriptor(split.descriptors, 1, split.table(1, Piece.read(0x3000, 3), Piece.write(0x4000, 4)), 32, INDIRECT | WRITE, 0);
        RingDriver.descriptor(split.descriptors, 0, 0x1000, 1, NEXT, 1);
        split.offerHead(0);
        Virtqueue queue = split.open(arena);
        assertThat(queue.next(chain)).isTrue();
        assertThat(chain.readableBytes()).isEqualTo(4);
        assertThat(chain.writableBytes()).isEqualTo(4);
    }

    @ParameterizedTest
    @CsvSource({"false,0", "false,1", "false,2", "true,0", "true,1", "true,2"})
    void aRingThatCannotBeReached(boolean isPacked, int part) {
        RingDriver driver = isPacked ? packed : split;
        QueueLayout good = driver.layout;
        var bad = new QueueLayout(SIZE, part == 0 ? QueueBoard.UNMAPPED : good.descriptorIova(), part == 1 ? QueueBoard.UNMAPPED : good.driverIova(),
                part == 2 ? QueueBoard.UNMAPPED : good.deviceIova());
        driver.put(Piece.write(0x1000, 1));
        Virtqueue queue = Virtqueue.open(board.port, bad, driver.features, QueueState.PACKED_START, arena);
        if (queue.next(chain)) {
            queue.complete(chain, 1);
            queue.publish();
            queue.suppressNotifications();
            queue.requestNotifications();
        }
        assertThat(queue.fault()).isEqualTo(QueueFault.RING_UNREACHABLE);
        othersWork();
    }

    @Test
    void aRingThatIsUnmappedMeanwhile() {
        for (RingDriver driver : new RingDriver[] {split, packed}) {
            driver.put(Piece.write(0x1000, 1));
        }
        Virtqueue[] queues = {split.open(arena), packed.open(arena)};
        for (Virtqueue queue : queues) {
            assertThat(queue.next(chain)).isTrue();
            queue.complete(chain, 1);
        }
        board.ioas.unmapAll();
        for (Virtqueue queue : queues) {
            assertThat(queue.publish()).isFalse();
            assertThat(queue.fault()).isEqualTo(QueueFault.RING_UNREACHABLE);
        }
    }

    @ParameterizedTest
    @CsvSource({"false,1", "false,2", "false,3", "false,4", "true,5", "true,6", "true,7", "true,8"})
    void garbageInTheRingsBreaksNothingElse(boolean isPacked, long seed) {
        var random = new Random(seed);
        int faults = 0;
        for (int round = 0; round < 1500; round++) {
            RingDriver driver = isPacked ? packed : split;
            Virtqueue queue = driver.open(isPacked ? QueueState.packed(random.nextInt(SIZE) | random.nextInt(2) << 15 | random.nextInt(SIZE) << 16)
                    : QueueState.split(driver.driverArea.get(QUARTER, 2) - random.nextInt(SIZE)), Arena.ofAuto());
            for (int step = 0; step < 12 && queue.working(); step++) {
                scribble(random, driver);
                if (queue.next(chain)) {
                    assertThat(chain.readable().count() + chain.writable().count()).as("seed %d", seed).isPositive();
                    queue.complete(chain, random.nextInt(100));
                }
                if (random.nextInt(3) == 0) {
                    queue.publish();
                    queue.requestNotifications();
                    queue.suppressNotifications();
                }
            }
            faults += queue.working() ? 0 : 1;
        }
        assertThat(faults).as("seed %d", seed).isGreaterThan(100);
        othersWork();
    }

    private static void scribble(Random random, RingDriver driver) {
        for (int i = random.nextInt(4); i >= 0; i--) {
            int index = random.nextInt(SIZE);
            long iova = random.nextInt(4) == 0 ? random.nextLong() : QueueBoard.RAM_IOVA + random.nextInt(1 << 20);
            int flags = random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(8) | (random.nextBoolean() ? 0x80 : 0x8000);
            int length = random.nextInt(3) == 0 ? random.nextInt() : 16 * random.nextInt(70);
            if (driver instanceof PackedDriver) {
                RingDriver.descriptor(driver.descriptors, index, iova, length, random.nextInt(), flags);
            } else {
                RingDriver.descriptor(driver.descriptors, index, iova, length, flags, random.nextInt(12));
                driver.driverArea.set(QUARTER, 4 + random.nextInt(SIZE) * 2L, (short) random.nextInt(9));
                driver.driverArea.set(QUARTER, 2, (short) (driver.driverArea.get(QUARTER, 2) + random.nextInt(3)));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void ringsThatChangeUnderTheDeviceBreakNothingElse(boolean isPacked) throws InterruptedException {
        RingDriver driver = isPacked ? packed : split;
        var end = System.nanoTime() + 1_000_000_000L;
        var limit = end + 30_000_000_000L;
        var stop = new AtomicBoolean();
        Thread scribbler = Thread.ofPlatform().start(() -> {
            var random = new Random(11);
            while (!stop.get()) {
                scribble(random, driver);
            }
        });
        int taken = 0;
        int broken = 0;
        // A busy machine may not let both threads run for a while.
        while (System.nanoTime() < end || (taken == 0 || broken == 0) && System.nanoTime() < limit) {
            Virtqueue queue = driver.open(isPacked ? QueueState.PACKED_START : QueueState.split(driver.driverArea.get(QUARTER, 2)), Arena.ofAuto());
            for (int i = 0; i < 1000 && queue.working(); i++) {
                if (queue.next(chain)) {
                    queue.complete(chain, 1);
                    queue.publish();
                    taken++;
                }
            }
            broken += queue.working() ? 0 : 1;
        }
        stop.set(true);
        scribbler.join();
        assertThat(taken).isPositive();
        assertThat(broken).isPositive();
        othersWork();
    }
}
