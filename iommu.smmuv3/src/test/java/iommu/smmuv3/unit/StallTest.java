package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Requests that wait for software (IHI 0070, §3.12.2), and those that end with zeros. */
class StallTest {
    private static final long STREAM = 3L << 32;
    private static final long IOVA = 0x1000;
    private static final long STALLS = 1L << 44;
    private static final long STALL = 1L << 31;
    private static final long CLASS_IN = 2L << 40;
    private static final long RETRY = 1L << 12;
    private static final long ABORT_IT = 1L << 13;

    private final BareSmmu smmu = new BareSmmu(3, with(SmmuFeature.STALL, SmmuFeature.TERMINATE_RAZ_WI)).start();
    private final ExecutorService devices = Executors.newCachedThreadPool();
    private long table;

    @BeforeEach
    void stream() {
        table = smmu.memory.page();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | STALLS | 1L << 48, table), 0, 0, 0);
    }

    @AfterEach
    void end() {
        devices.shutdownNow();
        smmu.close();
    }

    private CompletableFuture<DmaStatus> writing(HardwarePort port, long iova, long value) {
        MemorySegment buffer = MemorySegment.ofArray(new long[] {value});
        return CompletableFuture.supplyAsync(() -> port.write(iova, buffer, 0, 8), devices);
    }

    /** The event of a stalled request, which still waits. */
    private long[] stallOf(CompletableFuture<DmaStatus> request) throws InterruptedException {
        long[] event = smmu.event();
        for (int i = 0; event.length == 0 && i < 2000; i++) {
            Thread.sleep(1);
            event = smmu.event();
        }
        assertThat(event).as("an event").hasSize(4);
        assertThat(request).as("it waits").isNotDone();
        return event;
    }

    private static DmaStatus end(CompletableFuture<DmaStatus> request) throws InterruptedException, ExecutionException, TimeoutException {
        return request.get(10, TimeUnit.SECONDS);
    }

    private void resume(long streamWord, long tag, long action) {
        smmu.command(0x44 | streamWord | action, tag);
    }

    @Test
    void aStalledRequestIsTriedAgainWhenItsPageIsThere() throws Exception {
        HardwarePort port = smmu.port(3);
        CompletableFuture<DmaStatus> request = writing(port, IOVA, 55);
        long[] event = stallOf(request);
        long tag = event[1] & 0xffff;
        assertThat(event).containsExactly(0x10 | STREAM, STALL | tag | CLASS_IN, IOVA, 0);
        long page = smmu.memory.page();
        smmu.map(table, IOVA, page | LEAF1);
        smmu.command(0x12 | 1L << 48, IOVA);   // does not wait for the stalled request
        assertThat(request).isNotDone();
        resume(STREAM, tag, RETRY);
        assertThat(end(request)).isEqualTo(DmaStatus.DONE);
        assertThat(PhysicalWords.get(page)).isEqualTo(55);
        assertThat(smmu.event()).isEmpty();
    }

    @Test
    void aRetryMayStallAgain() throws Exception {
        CompletableFuture<DmaStatus> request = writing(smmu.port(3), IOVA, 55);
        resume(STREAM, stallOf(request)[1] & 0xffff, RETRY);
        resume(STREAM, stallOf(request)[1] & 0xffff, ABORT_IT);
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void terminationWithoutAbortCompletesWithZeros() throws Exception {
        HardwarePort port = smmu.port(3);
        MemorySegment buffer = MemorySegment.ofArray(new long[] {-1L});
        CompletableFuture<DmaStatus> request = CompletableFuture.supplyAsync(() -> port.read(IOVA, buffer, 0, 8), devices);
        resume(STREAM, stallOf(request)[1] & 0xffff, 0);
        assertThat(end(request)).isEqualTo(DmaStatus.DONE);
        assertThat(buffer.get(ValueLayout.JAVA_LONG_UNALIGNED, 0)).isZero();
    }

    @Test
    void resumeOfAnotherStreamOrTokenHasNoEffect() throws Exception {
        CompletableFuture<DmaStatus> request = writing(smmu.port(3), IOVA, 55);
        long tag = stallOf(request)[1] & 0xffff;
        resume(4L << 32, tag, ABORT_IT);
        resume(STREAM, tag + 1, ABORT_IT);
        resume(STREAM, 0xffff, ABORT_IT);
        assertThat(smmu.get(GERROR)).isZero();
        Thread.sleep(20);
        assertThat(request).isNotDone();
        resume(STREAM, tag, ABORT_IT);
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
        resume(STREAM, tag, ABORT_IT);
        assertThat(smmu.get(GERROR)).as("a second answer").isZero();
    }

    @Test
    void stallTermEndsAllOfAStreamAndNoOther() throws Exception {
        smmu.stream(4, STAGE1 | smmu.context(CONTEXT | STALLS | 2L << 48, smmu.memory.page()), 0, 0, 0);
        CompletableFuture<DmaStatus> first = writing(smmu.port(3), IOVA, 1);
        stallOf(first);
        CompletableFuture<DmaStatus> second = writing(smmu.port(3), IOVA, 1);
        stallOf(second);
        CompletableFuture<DmaStatus> other = writing(smmu.port(4), IOVA, 1);
        long tag = stallOf(other)[1] & 0xffff;
        smmu.command(0x45 | STREAM, 0);
        assertThat(end(first)).isEqualTo(DmaStatus.FAULTED);
        assertThat(end(second)).isEqualTo(DmaStatus.FAULTED);
        assertThat(other).isNotDone();
        resume(4L << 32, tag, ABORT_IT);
        assertThat(end(other)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void theEndOfSmmuenTerminatesAllWithAnAbort() throws Exception {
        CompletableFuture<DmaStatus> request = writing(smmu.port(3), IOVA, 1);
        stallOf(request);
        smmu.unit.write(CR0, 4, CR0_CMDQEN | CR0_EVENTQEN);
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void resetAndTheEndOfAPortWakeWhoWaits() throws Exception {
        CompletableFuture<DmaStatus> request = writing(smmu.port(3), IOVA, 1);
        stallOf(request);
        smmu.unit.reset();
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
        smmu.start();
        HardwarePort port = smmu.port(3);
        CompletableFuture<DmaStatus> closed = writing(port, IOVA, 1);
        stallOf(closed);
        assertThat(port.close(1_000_000_000)).isTrue();
        assertThat(end(closed)).isEqualTo(DmaStatus.CLOSED);
    }

    @Test
    void noMoreThanStallMaxEventsAreOutstanding() throws Exception {
        int most = smmu.get(IDR5) >>> 16;
        assertThat(most).isEqualTo(4);
        CompletableFuture<?>[] requests = new CompletableFuture<?>[most + 1];
        long[] tags = new long[most];
        for (int i = 0; i < most; i++) {
            CompletableFuture<DmaStatus> request = writing(smmu.port(3), IOVA, 1);
            requests[i] = request;
            tags[i] = stallOf(request)[1] & 0xffff;
        }
        assertThat(tags).doesNotHaveDuplicates();
        CompletableFuture<DmaStatus> last = writing(smmu.port(3), IOVA, 1);
        Thread.sleep(30);
        assertThat(smmu.event()).isEmpty();
        assertThat(last).isNotDone();
        resume(STREAM, tags[2], ABORT_IT);
        assertThat(end((CompletableFuture<DmaStatus>) requests[2])).isEqualTo(DmaStatus.FAULTED);
        stallOf(last);
        smmu.command(0x45 | STREAM, 0);
        assertThat(end(last)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void aFullEventQueueDelaysTheEventAndIsNoOverflow() throws Exception {
        smmu.stream(5, 0, 0, 0, 0);
        HardwarePort bad = smmu.port(5);
        for (int i = 0; i < 1 << smmu.queueLg2; i++) {
            smmu.write(bad, 0, 1);
        }
        CompletableFuture<DmaStatus> request = writing(smmu.port(3), IOVA, 1);
        Thread.sleep(30);
        assertThat(request).isNotDone();
        assertThat(smmu.get(EVENTQ_PROD) & EVENTQ_OVERFLOW).as("nothing is lost").isZero();
        for (int i = 0; i < 1 << smmu.queueLg2; i++) {
            assertThat(smmu.event()[0] & 0xff).isEqualTo(4);
        }
        resume(STREAM, stallOf(request)[1] & 0xffff, ABORT_IT);
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void aFaultOfStage2StallsIfItsEntrySaysSo() throws Exception {
        long second = smmu.memory.page();
        smmu.stream(3, STAGE2, 0, STAGE2_FORM | 1L << 57 | 7, second);
        CompletableFuture<DmaStatus> request = writing(smmu.port(3), IOVA, 9);
        long[] event = stallOf(request);
        long tag = event[1] & 0xffff;
        assertThat(event).containsExactly(0x10 | STREAM, STALL | tag | 1L << 39 | CLASS_IN, IOVA, IOVA);
        long page = smmu.memory.page();
        smmu.map(second, IOVA, page | LEAF2);
        resume(STREAM, tag, RETRY);
        assertThat(end(request)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void configurationErrorsNeverStall() {
        smmu.stream(3, STAGE1 | smmu.context(STALLS, 0), 0, 0, 0);
        assertThat(smmu.write(smmu.port(3), IOVA, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x0a | STREAM, 0, 0, 0);
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | STALLS, table), 1 << 27, 0, 0);   // S1STALLD
        assertThat(smmu.write(smmu.port(3), IOVA, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x0a | STREAM, 0, 0, 0);
    }

    @Test
    void withoutAnAbortFlagFaultsReadZerosAndWritesVanish() {
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT & ~(1L << 46) | 1L << 48, table), 0, 0, 0);
        long first = smmu.memory.page();
        long third = smmu.memory.page();
        smmu.map(table, 0x1000, first | LEAF1);
        smmu.map(table, 0x3000, third | LEAF1);
        HardwarePort port = smmu.port(3);
        byte[] bytes = new byte[0x3000];
        java.util.Arrays.fill(bytes, (byte) 7);
        assertThat(port.write(0x1000, MemorySegment.ofArray(bytes), 0, bytes.length)).isEqualTo(DmaStatus.DONE);
        assertThat(PhysicalWords.get(first + 0xff8)).isEqualTo(0x0707_0707_0707_0707L);
        assertThat(PhysicalWords.get(third)).as("behind the hole").isEqualTo(0x0707_0707_0707_0707L);
        assertThat(smmu.event()).containsExactly(0x10 | STREAM, CLASS_IN, 0x2000, 0);
        java.util.Arrays.fill(bytes, (byte) 9);
        assertThat(port.read(0x1000, MemorySegment.ofArray(bytes), 0, bytes.length)).isEqualTo(DmaStatus.DONE);
        assertThat(bytes[0]).isEqualTo((byte) 7);
        assertThat(bytes[0x1000]).isZero();
        assertThat(bytes[0x1fff]).isZero();
        assertThat(bytes[0x2fff]).isEqualTo((byte) 7);
        assertThat(port.fetchAndAdd(0x2000, 1)).isZero();
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
    }
}
