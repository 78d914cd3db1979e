package iommu.common.dma;

import static iommufd.api.FaultResponse.INVALID;
import static iommufd.api.FaultResponse.SUCCESS;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import iommufd.api.dma.ScatterList;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.OptionalInt;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.Supplier;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Requests wait for absent pages outside the epoch, go on where they stopped, and always end. */
@Timeout(60)
class PendingPagesTest {
    private static final long MEMORY = 1L << 39;
    private static final long PAGE = 4096;
    private static final int PASID = 5;
    private static final long LONG_NANOS = TimeUnit.SECONDS.toNanos(30);
    private final InvalidationLog log = new InvalidationLog();
    private final PagedPort port = new PagedPort(LONG_NANOS, 4);

    /** What a device asked for. */
    private record Asked(int group, long iova, long lengthBytes, int accessBit) {}

    @BeforeAll
    static void back() {
        HostMemory.backAnonymous(MEMORY, HostMemory.BACKING_BYTES, false);
    }

    private static <T> CompletableFuture<T> start(Supplier<T> request) {
        CompletableFuture<T> end = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> end.complete(request.get()));
        return end;
    }

    private static <T> T end(CompletableFuture<T> request) throws Exception {
        return request.get(20, TimeUnit.SECONDS);
    }

    private void come(Asked asked) {
        port.present.set((int) (asked.iova / PAGE), asked.iova & -PAGE | MEMORY);
        assertThat(port.pages.answer(PASID, asked.group, SUCCESS)).isTrue();
    }

    private static byte[] pattern(int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) (i * 31 + 7);
        }
        return bytes;
    }

    private static byte[] arrived(long iova, int length) {
        return HostMemory.WINDOW.asSlice(MEMORY + iova, length).toArray(ValueLayout.JAVA_BYTE);
    }

    @Test
    void aWriteGoesOnWhereThePageWasMissing() throws Exception {
        byte[] bytes = pattern(3 * (int) PAGE);
        var request = start(() -> port.write(100, MemorySegment.ofArray(bytes), 0, bytes.length));
        for (int page = 0; page < 4; page++) {
            Asked asked = port.next();
            assertThat(asked.iova & -PAGE).isEqualTo(page * PAGE);
            assertThat(asked.lengthBytes).isEqualTo(100 + bytes.length - asked.iova);
            assertThat(asked.accessBit).isEqualTo(DmaAccess.WRITE_BIT);
            come(asked);
        }
        assertThat(end(request)).isEqualTo(DmaStatus.DONE);
        assertThat(arrived(100, bytes.length)).isEqualTo(bytes);
    }

    @Test
    void whoWaitsIsInNoEpoch() throws Exception {
        var request = start(() -> port.write(0, MemorySegment.ofArray(pattern(8)), 0, 8));
        Asked asked = port.next();
        log.publish(1, 0, 0, PAGE);
        assertThat(log.awaitQuiescence(TimeUnit.SECONDS.toNanos(2))).as("invalidation does not wait for user space").isTrue();
        assertThat(request).isNotDone();
        come(asked);
        assertThat(end(request)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void scatteredPiecesAndAtomicsWaitToo() throws Exception {
        byte[] bytes = pattern(300);
        ScatterList list = new ScatterList(3).add(8 * PAGE + 16, 100).add(10 * PAGE - 50, 100).add(12 * PAGE, 100);
        var request = start(() -> port.write(list, MemorySegment.ofArray(bytes), 0));
        for (long page : new long[] {8, 9, 10, 12}) {
            Asked asked = port.next();
            assertThat(asked.iova / PAGE).isEqualTo(page);
            come(asked);
        }
        assertThat(end(request)).isEqualTo(DmaStatus.DONE);
        byte[] back = new byte[300];
        assertThat(port.read(list, MemorySegment.ofArray(back), 0)).isEqualTo(DmaStatus.DONE);
        assertThat(back).isEqualTo(bytes);
        var sum = start(() -> port.fetchAndAdd(20 * PAGE, 3));
        come(port.next());
        assertThat(end(sum)).isZero();
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
        assertThat(port.fetchAndAdd(20 * PAGE, 1)).isEqualTo(3);
    }

    @Test
    void anInvalidAnswerIsAFaultAndOfAReadZeros() throws Exception {
        port.present.set(1, MEMORY + PAGE);
        byte[] target = pattern(2 * (int) PAGE);
        var request = start(() -> port.read(PAGE, MemorySegment.ofArray(target), 0, target.length));
        Asked asked = port.next();
        assertThat(asked.iova).isEqualTo(2 * PAGE);
        assertThat(port.pages.answer(PASID, asked.group, INVALID)).isTrue();
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.lastFault()).get().returns(2 * PAGE, DmaFault::iova);
        assertThat(target).containsOnly(0);
    }

    @Test
    void wrongAnswersAreIgnored() throws Exception {
        var request = start(() -> port.write(0, MemorySegment.ofArray(new byte[8]), 0, 8));
        Asked asked = port.next();
        assertThat(port.pages.answer(PASID + 1, asked.group, SUCCESS)).as("of another PASID").isFalse();
        assertThat(port.pages.answer(PASID, asked.group + 1, SUCCESS)).as("of another group").isFalse();
        assertThat(port.pages.answer(PASID, -1, INVALID)).as("of no group").isFalse();
        assertThat(port.pages.answer(PASID, Integer.MAX_VALUE, INVALID)).as("of no group").isFalse();
        assertThat(request).isNotDone();
        come(asked);
        assertThat(port.pages.answer(PASID, asked.group, INVALID)).as("the second one").isFalse();
        assertThat(end(request)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void whoPromisesPagesThatDoNotComeIsNotAskedForEver() throws Exception {
        var request = start(() -> port.write(0, MemorySegment.ofArray(new byte[8]), 0, 8));
        int asks = 0;
        while (!request.isDone()) {
            Asked asked = port.asked.poll(50, TimeUnit.MILLISECONDS);
            if (asked != null) {
                asks++;
                port.pages.answer(PASID, asked.group, SUCCESS);
            }
        }
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
        assertThat(asks).isBetween(2, 100);
    }

    @Test
    void nobodyWhoAnswersAndNoAnswerInTimeAreFaults() throws Exception {
        port.heard = false;
        assertThat(port.write(0, MemorySegment.ofArray(new byte[8]), 0, 8)).isEqualTo(DmaStatus.FAULTED);
        PagedPort hasty = new PagedPort(TimeUnit.MILLISECONDS.toNanos(30), 4);
        var request = start(() -> hasty.write(0, MemorySegment.ofArray(new byte[8]), 0, 8));
        Asked asked = hasty.next();
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
        assertThat(hasty.pages.answer(PASID, asked.group, SUCCESS)).as("late").isFalse();
        assertThat(hasty.pages.open()).isZero();
    }

    @Test
    void closingThePortEndsTheWaitForItsSuccessor() throws Exception {
        byte[] target = pattern(8);
        var request = start(() -> port.read(0, MemorySegment.ofArray(target), 0, 8));
        port.next();
        assertThat(port.close(TimeUnit.SECONDS.toNanos(2))).isTrue();
        assertThat(end(request)).isEqualTo(DmaStatus.CLOSED);
        assertThat(target).as("left to the successor").isEqualTo(pattern(8));
        assertThat(port.write(0, MemorySegment.ofArray(target), 0, 8)).isEqualTo(DmaStatus.CLOSED);
        assertThat(port.asked).as("a closed port asks for nothing").isEmpty();
    }

    @Test
    void whatIsTakenAwayIsFoundOutByLookingAgain() throws Exception {
        var request = start(() -> port.write(0, MemorySegment.ofArray(new byte[8]), 0, 8));
        port.next();
        port.pages.release(pasid -> pasid == PASID + 1);
        assertThat(request).as("waits of other PASIDs go on").isNotDone();
        port.blocked = true;
        port.pages.release(pasid -> pasid == PASID);
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.asked).isEmpty();
    }

    @Test
    void aDeviceOutOfGroupsWaitsForOne() throws Exception {
        PendingPages one = new PendingPages(1, LONG_NANOS);
        PagedPort first = new PagedPort(one);
        PagedPort second = new PagedPort(one);
        var waiting = start(() -> first.write(0, MemorySegment.ofArray(new byte[8]), 0, 8));
        Asked asked = first.next();
        var queued = start(() -> second.write(0, MemorySegment.ofArray(new byte[8]), 0, 8));
        assertThat(second.asked.poll(50, TimeUnit.MILLISECONDS)).as("there is one group only").isNull();
        one.answer(PASID, asked.group, INVALID);
        assertThat(end(waiting)).isEqualTo(DmaStatus.FAULTED);
        assertThat(one.answer(PASID, second.next().group, INVALID)).isTrue();
        assertThat(end(queued)).isEqualTo(DmaStatus.FAULTED);
        var left = start(() -> first.write(0, MemorySegment.ofArray(new byte[8]), 0, 8));
        first.next();
        var never = start(() -> second.write(0, MemorySegment.ofArray(new byte[8]), 0, 8));
        second.close(LONG_NANOS);
        assertThat(end(never)).isEqualTo(DmaStatus.CLOSED);
        assertThat(left).isNotDone();
        first.close(LONG_NANOS);
        assertThat(end(left)).isEqualTo(DmaStatus.CLOSED);
    }

    @Test
    void closeAndWaitRaceWithoutLoss() throws Exception {
        for (int round = 0; round < 300; round++) {
            PagedPort racing = new PagedPort(LONG_NANOS, 4);
            var request = start(() -> racing.write(0, MemorySegment.ofArray(new byte[8]), 0, 8));
            if (round % 2 == 0) {
                racing.next();
            }
            assertThat(racing.close(LONG_NANOS)).isTrue();
            assertThat(end(request)).isEqualTo(DmaStatus.CLOSED);
        }
    }

    @Test
    void anInterruptedDeviceEndsItsRequest() throws Exception {
        CompletableFuture<DmaStatus> request = new CompletableFuture<>();
        Thread device = Thread.ofPlatform().daemon().start(() -> {
            DmaStatus status = port.write(0, MemorySegment.ofArray(new byte[8]), 0, 8);
            request.complete(Thread.currentThread().isInterrupted() ? status : DmaStatus.DONE);
        });
        port.next();
        device.interrupt();
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
    }

    /** One level of pages, each present or not. */
    private final class PagedPort extends TranslatingPort {
        final AtomicLongArray present = new AtomicLongArray(64);
        final BlockingQueue<Asked> asked = new LinkedBlockingQueue<>();
        final PendingPages pages;
        volatile boolean heard = true;
        volatile boolean blocked;

        PagedPort(long timeoutNanos, int groups) {
            this(new PendingPages(groups, timeoutNanos));
        }

        PagedPort(PendingPages pages) {
            super(log, new FarPath());
            this.pages = pages;
            open();
        }

        Asked next() throws InterruptedException {
            Asked next = asked.poll(20, TimeUnit.SECONDS);
            assertThat(next).as("a page is asked for").isNotNull();
            return next;
        }

        @Override
        protected long walk(long iova, int accessBit) {
            long page = present.get((int) (iova / PAGE));
            if (page == 0 || blocked) {
                return REFUSED;
            }
            iotlb.remember(iova, page, 12, 3);
            return page | iova & PAGE - 1;
        }

        @Override
        protected boolean askForPage(long iova, long lengthBytes, int accessBit) {
            return !blocked && pages.request(this, PASID, group -> {
                asked.add(new Asked(group, iova, lengthBytes, accessBit));
                return heard;
            });
        }

        @Override
        protected DmaFault fault(long iova, int accessBit) {
            return new DmaFault("test", new RequesterId(1), OptionalInt.of(PASID), iova, DmaAccess.WRITE,
                    DmaFault.Kind.TRANSLATION, 0, "absent");
        }

        @Override
        protected DmaFault abort(long iova, int accessBit) {
            throw new AssertionError("all memory is there");
        }

        @Override
        protected void forget(int kind, long tag, long first, long last) {
            iotlb.forget(first, last);
        }

        @Override
        protected void forgetEverything() {
            iotlb.forgetEverything();
        }
    }
}
