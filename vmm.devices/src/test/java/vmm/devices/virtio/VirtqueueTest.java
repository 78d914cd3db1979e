package vmm.devices.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import iommufd.api.IommufdException;
import iommufd.api.dma.ScatterList;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vdpa.device.QueueState;
import vdpa.device.VirtioFeature;
import vmm.devices.virtio.RingDriver.Piece;
import vmm.devices.virtio.RingDriver.Used;

/** Queues with drivers that keep the rules. */
@Timeout(60)
class VirtqueueTest {
    private static final long ALL = VirtioFeature.INDIRECT_DESC;
    private static final long EVENTS = ALL | VirtioFeature.EVENT_IDX;

    private final QueueBoard board = new QueueBoard();
    private final Arena arena = Arena.ofConfined();
    private final DescriptorChain chain = new DescriptorChain(Virtqueue.maxChain(256));

    @AfterEach
    void close() {
        arena.close();
        board.close();
    }

    private static List<Piece> pieces(DescriptorChain chain) {
        List<Piece> found = new ArrayList<>();
        for (ScatterList list : new ScatterList[] {chain.readable(), chain.writable()}) {
            for (int i = 0; i < list.count(); i++) {
                found.add(new Piece(list.iova(i), (int) list.lengthBytes(i), list == chain.writable()));
            }
        }
        return found;
    }

    private static Piece[] randomPieces(Random random, int most) {
        int count = 1 + random.nextInt(most);
        int readable = random.nextInt(count + 1);
        var pieces = new Piece[count];
        for (int i = 0; i < count; i++) {
            pieces[i] = new Piece(random.nextLong() >>> 8, 1 + random.nextInt(5000), i >= readable);
        }
        return pieces;
    }

    /** What was put must come out, and what was completed must come back, in any order and size, for more laps than 16 bits count. */
    @ParameterizedTest
    @CsvSource({"false,1,1", "false,16,2", "false,256,3", "true,1,4", "true,7,5", "true,16,6", "true,256,7"})
    void everyBufferArrivesAndComesBackOnce(boolean packed, int size, long seed) {
        var random = new Random(seed);
        RingDriver driver = RingDriver.of(board, packed, size, random.nextBoolean() ? ALL : EVENTS);
        Virtqueue queue = driver.open(arena);
        List<Integer> put = new ArrayList<>();
        List<Piece[]> expected = new ArrayList<>();
        List<DescriptorChain> held = new ArrayList<>();
        List<Used> completed = new ArrayList<>();
        for (int buffers = 0; buffers < 70_000;) {
            for (int i = random.nextInt(size + 1); i > 0; i--) {
                Piece[] pieces = randomPieces(random, Math.min(size, 5));
                boolean indirect = random.nextInt(3) == 0;
                if (!driver.room(indirect ? 1 : pieces.length)) {
                    break;
                }
                put.add(indirect ? driver.putIndirect(pieces) : driver.put(pieces));
                expected.add(pieces);
                buffers++;
            }
            for (int i = random.nextInt(size + 1); i > 0; i--) {
                var taken = new DescriptorChain(Virtqueue.maxChain(16));
                if (!queue.next(taken)) {
                    assertThat(queue.fault()).as("seed %d", seed).isEqualTo(QueueFault.NONE);
                    assertThat(put).as("seed %d", seed).isEmpty();
                    break;
                }
                assertThat(taken.id()).as("seed %d", seed).isEqualTo(put.removeFirst());
                assertThat(pieces(taken)).as("seed %d", seed).containsExactly(expected.removeFirst());
                held.add(taken);
            }
            while (!held.isEmpty() && random.nextInt(4) != 0) {
                DescriptorChain done = held.remove(random.nextInt(held.size()));
                int written = random.nextInt(1 << 20);
                queue.complete(done, written);
                completed.add(new Used(done.id(), written));
            }
            if (random.nextBoolean()) {
                queue.publish();
                assertThat(driver.take()).as("seed %d", seed).isEqualTo(completed);
                completed.clear();
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void bytesGoThroughAChain(boolean packed) {
        RingDriver driver = RingDriver.of(board, packed, 16, ALL);
        Virtqueue queue = driver.open(arena);
        long memory = board.allocate(1 << 16);
        board.at(memory, 10).asByteBuffer().put("HelloWorld".getBytes());
        driver.putIndirect(Piece.read(memory, 5), Piece.read(memory + 5, 5), Piece.write(memory + 4094, 4), Piece.write(memory + 9000, 100));
        assertThat(queue.next(chain)).isTrue();
        assertThat(chain.readableBytes()).isEqualTo(10);
        assertThat(chain.writableBytes()).isEqualTo(104);
        var buffer = arena.allocate(16);
        board.port.read(chain.readable(), buffer, 0);
        var part = new ScatterList(4);
        assertThat(DescriptorChain.part(chain.writable(), 1, 7, part)).isTrue();
        board.port.write(part, buffer, 0);
        queue.complete(chain, 8);
        queue.publish();
        assertThat(driver.take()).extracting(Used::lengthBytes).containsExactly(8);
        assertThat(board.at(memory + 4095, 3).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE)).asString().isEqualTo("Hel");
        assertThat(board.at(memory + 9000, 4).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE)).asString().isEqualTo("loWo");
        assertThat(DescriptorChain.part(chain.writable(), 100, 5, part)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void chainsThatAreGivenBackComeAgain(boolean packed) {
        RingDriver driver = RingDriver.of(board, packed, 4, ALL);
        Virtqueue queue = driver.open(arena);
        for (int lap = 0; lap < 9; lap++) {
            List<Integer> put = List.of(driver.put(Piece.write(1, 1)), driver.put(Piece.write(2, 1), Piece.write(3, 1)));
            queue.mark();
            while (queue.next(chain)) { }
            queue.backToMark();
            List<Integer> found = new ArrayList<>();
            while (queue.next(chain)) {
                found.add(chain.id());
                queue.complete(chain, 1);
            }
            assertThat(found).isEqualTo(put);
            queue.publish();
            assertThat(driver.takeIds()).isEqualTo(put);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aDriverWithoutEventIndexIsInterruptedUnlessItSaysNo(boolean packed) {
        RingDriver driver = RingDriver.of(board, packed, 8, ALL);
        Virtqueue queue = driver.open(arena);
        assertThat(queue.publish()).as("nothing new").isFalse();
        for (boolean wanted : new boolean[] {true, false, true}) {
            driver.wantInterrupts(wanted);
            driver.put(Piece.write(1, 1));
            queue.next(chain);
            queue.complete(chain, 1);
            assertThat(queue.publish()).isEqualTo(wanted);
            assertThat(queue.publish()).as("nothing new").isFalse();
            driver.take();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aDriverWithEventIndexIsInterruptedWhereItWants(boolean packed) {
        RingDriver driver = RingDriver.of(board, packed, 8, EVENTS);
        Virtqueue queue = driver.open(arena);
        for (int lap = 0; lap < 20_000; lap++) {
            int after = lap % 5;
            driver.wantInterruptAfter(after);
            for (int i = 0; i < 5; i++) {
                driver.put(Piece.write(1, 1));
                assertThat(queue.next(chain)).isTrue();
                queue.complete(chain, 1);
                assertThat(queue.publish()).as("lap %d buffer %d", lap, i).isEqualTo(i == after);
            }
            driver.take();
        }
    }

    @ParameterizedTest
    @CsvSource({"false,false", "true,false", "false,true", "true,true"})
    void aDeviceThatWaitsIsNotifiedAndOneThatLooksIsNot(boolean packed, boolean events) {
        RingDriver driver = RingDriver.of(board, packed, 8, events ? EVENTS : ALL);
        Virtqueue queue = driver.open(arena);
        for (int lap = 0; lap < 100; lap++) {
            assertThat(queue.requestNotifications()).isFalse();
            driver.put(Piece.write(1, 1));
            assertThat(driver.kickWanted()).as("waits").isTrue();
            queue.suppressNotifications();
            assertThat(queue.next(chain)).isTrue();
            queue.complete(chain, 0);
            queue.publish();
            driver.take();
            driver.put(Piece.write(1, 1));
            assertThat(driver.kickWanted()).as("looks").isFalse();
            assertThat(queue.requestNotifications()).as("came meanwhile").isTrue();
            assertThat(queue.next(chain)).isTrue();
            queue.complete(chain, 0);
            queue.publish();
            driver.take();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aQueueGoesOnElsewhereWhereItStopped(boolean packed) {
        RingDriver driver = RingDriver.of(board, packed, 16, EVENTS);
        Virtqueue queue = driver.open(arena);
        for (int lap = 0; lap < 50; lap++) {
            List<Integer> put = new ArrayList<>();
            for (int i = 0; i < 7; i++) {
                put.add(driver.put(Piece.read(1, 1), Piece.write(2, 2)));
            }
            List<Integer> found = new ArrayList<>();
            for (int i = 0; i < 7; i++) {
                if (i == lap % 7) {
                    queue.publish();
                    QueueState position = queue.position();
                    QueueState carried = packed ? QueueState.packed(position.packedWord()) : QueueState.split(position.availIndex());
                    queue = driver.open(carried, arena);
                }
                assertThat(queue.next(chain)).isTrue();
                found.add(chain.id());
                queue.complete(chain, 2);
            }
            queue.publish();
            assertThat(found).isEqualTo(put);
            assertThat(driver.takeIds()).isEqualTo(put);
        }
    }

    @Test
    void impossibleLayoutsAndPositionsAreRefused() {
        for (QueueLayout layout : List.of(new QueueLayout(0, 0x1000, 0x2000, 0x3000), new QueueLayout(65536, 0x1000, 0x2000, 0x3000),
                new QueueLayout(12, 0x1000, 0x2000, 0x3000), new QueueLayout(8, 0x1008, 0x2000, 0x3000), new QueueLayout(8, 0x1000, 0x2001, 0x3000),
                new QueueLayout(8, 0x1000, 0x2000, 0x3002), new QueueLayout(8, -16, 0x2000, 0x3000), new QueueLayout(8, 0x1000, -2, 0x3000))) {
            assertThatThrownBy(() -> Virtqueue.open(board.port, layout, 0, QueueState.SPLIT_START, arena)).as("%s", layout)
                    .isInstanceOf(IommufdException.class);
        }
        var packed = new QueueLayout(12, 0x1000, 0x2000, 0x3000);
        assertThatThrownBy(() -> Virtqueue.open(board.port, packed, VirtioFeature.RING_PACKED, QueueState.packed(12), arena))
                .isInstanceOf(IommufdException.class);
        assertThat(Virtqueue.open(board.port, packed, VirtioFeature.RING_PACKED, QueueState.packed(0x8003 << 16 | 11), arena).position())
                .isEqualTo(new QueueState(11, false, 3, true));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void buffersMakeNoGarbage(boolean packed) {
        RingDriver driver = RingDriver.of(board, packed, 256, EVENTS);
        Virtqueue queue = driver.open(arena);
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long allocated = 0;
        int measured = 0;
        for (int round = 0; round < 1000; round++) {
            for (int i = 0; i < 60; i++) {
                if (i % 3 == 0) {
                    driver.putIndirect(Piece.read(1, 1), Piece.write(2, 2));
                } else {
                    driver.put(Piece.read(1, 1), Piece.write(2, 2));
                }
            }
            long before = threads.getCurrentThreadAllocatedBytes();
            int done = 0;
            queue.suppressNotifications();
            while (queue.next(chain)) {
                queue.complete(chain, 2);
                done++;
            }
            queue.publish();
            queue.requestNotifications();
            if (round >= 500) {
                allocated += threads.getCurrentThreadAllocatedBytes() - before;
                measured += done;
            }
            driver.take();
        }
        assertThat(measured).isEqualTo(500 * 60);
        assertThat(allocated / measured).as("bytes for each buffer").isZero();
    }
}
