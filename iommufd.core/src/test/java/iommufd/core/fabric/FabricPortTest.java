package iommufd.core.fabric;

import static iommufd.core.fake.Rig.PAGE;
import static iommufd.core.fake.Rig.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.sun.management.ThreadMXBean;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import iommufd.core.fake.Rig;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a device sees of its port. */
class FabricPortTest {
    private static final long IOVA = 1 << 20;
    private final Rig rig = new Rig();
    private DmaEndpoint endpoint;
    private DmaPort port;
    private Ioas ioas;

    @BeforeEach
    void open() {
        endpoint = rig.plug(1);
        ioas = rig.mappedIoas(4);
        rig.context.bind(endpoint).attach(ioas);
        port = endpoint.openPort();
    }

    @AfterEach
    void close() {
        rig.close();
    }

    @Test
    void theFabricAllocatesNothing() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        MemorySegment buffer = Arena.ofAuto().allocate(64);
        long allocated = Long.MAX_VALUE;
        for (int attempt = 0; attempt < 5 && allocated > 0; attempt++) {   // compilation may allocate once on this thread
            long before = threads.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < 20_000; i++) {
                port.write(IOVA, buffer, 0, 64);
                port.read(IOVA, buffer, 0, 64);
            }
            allocated = threads.getCurrentThreadAllocatedBytes() - before;
        }
        assertThat(allocated).as("bytes allocated by 40000 requests").isLessThan(1000);
    }

    @Test
    void watchingACallAllocatesNothing() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        CallWatch watch = new CallWatch(() -> 1_000_000_000);
        BoundHardware hardware = new BoundHardware(rig.hardware, 0, () -> new Patience(1, 1_000_000_000), broken -> { });
        long allocated = Long.MAX_VALUE;
        for (int attempt = 0; attempt < 5 && allocated > 0; attempt++) {
            long before = threads.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < 20_000; i++) {
                watch.exit(watch.enter(hardware));
            }
            allocated = threads.getCurrentThreadAllocatedBytes() - before;
        }
        watch.close();
        hardware.vacate();
        assertThat(allocated).isLessThan(1000);
    }

    @Test
    void scatterListsAndAtomicsReachMemory() {
        MemorySegment sent = MemorySegment.ofArray(new byte[] {1, 2, 3, 4, 5, 6, 7, 8});
        ScatterList list = new ScatterList(2).add(IOVA + PAGE - 4, 6).add(IOVA, 2);
        assertThat(port.write(list, sent, 0)).isEqualTo(DmaStatus.DONE);
        MemorySegment received = MemorySegment.ofArray(new byte[8]);
        assertThat(port.read(list, received, 0)).isEqualTo(DmaStatus.DONE);
        assertThat(sent.mismatch(received)).isEqualTo(-1);
        long word = 2 * PAGE + 8;
        rig.ram.segment().set(ValueLayout.JAVA_LONG, word, 40);
        assertThat(port.fetchAndAdd(IOVA + word, 2)).isEqualTo(40);
        assertThat(port.compareAndSwap(IOVA + word, 42, 7)).isEqualTo(42);
        assertThat(port.swap(IOVA + word, 9)).isEqualTo(7);
        assertThat(rig.ram.segment().get(ValueLayout.JAVA_LONG, word)).isEqualTo(9);
        assertRefused(Errno.EINVAL, () -> port.swap(IOVA + 4, 1));
        assertThat(port.swap(0, 1)).isZero();
        assertThat(port.status()).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void theDevicesOwnMistakesAreItsOwn() {
        MemorySegment eight = MemorySegment.ofArray(new byte[8]);
        assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> port.read(IOVA, eight, 1, 8));
        assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> port.write(new ScatterList(1).add(IOVA, 9), eight, 0));
        assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> port.read(IOVA, eight.asReadOnly(), 0, 8));
        Arena closed = Arena.ofConfined();
        MemorySegment gone = closed.allocate(8);
        closed.close();
        assertThatExceptionOfType(IllegalStateException.class).isThrownBy(() -> port.write(IOVA, gone, 0, 8));
        try (Arena confined = Arena.ofConfined()) {
            MemorySegment mine = confined.allocate(8);
            var elsewhere = CompletableFuture.supplyAsync(() -> port.write(IOVA, mine, 0, 8));
            assertThat(elsewhere.handle((status, refused) -> refused != null).join()).isTrue();
        }
        assertThat(rig.reaches(port, IOVA, 0)).as("the hardware is not blamed").isTrue();
    }

    @Test
    void faultsAreRecorded() {
        ioas.mapAt(8 * IOVA, rig.ram, 0, PAGE, DmaAccess.READ);
        assertThat(port.write(8 * IOVA, MemorySegment.ofArray(new byte[1]), 0, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.lastFault()).get().returns(DmaFault.Kind.PERMISSION, DmaFault::kind).returns(8 * IOVA, DmaFault::iova);
        assertThat(port.status()).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void aClosedPortAborts() {
        DmaPort other = endpoint.openPort();
        port.close();
        port.close();
        assertThat(port.write(IOVA, MemorySegment.ofArray(new byte[1]), 0, 1)).isEqualTo(DmaStatus.ABORTED);
        assertThat(port.lastFault()).get().returns(DmaFault.Kind.UNPLUGGED, DmaFault::kind);
        assertThat(rig.reaches(other, IOVA, 0)).isTrue();
        assertThat(rig.hardware.endpoint(Rig.id(1)).portCount()).isEqualTo(1);
    }

    @Test
    void aRequesterIdIsUnique() {
        assertRefused(Errno.EBUSY, () -> rig.plug(1));
    }

    @Test
    void recordedPagesAreKeptByCarry() {
        DirtyCarry carry = new DirtyCarry();
        carry.dirty(5 * PAGE, 3 * PAGE);
        carry.dirty((1L << 40) + PAGE, PAGE);
        StringBuilder seen = new StringBuilder();
        carry.read(6 * PAGE, (1L << 40) + 4 * PAGE - 1, true, (iova, length) -> seen.append("%x+%x ".formatted(iova, length)));
        carry.read(0, 16 * PAGE - 1, false, (iova, length) -> seen.append("%x+%x ".formatted(iova, length)));
        assertThat(seen).hasToString("6000+2000 10000001000+1000 5000+1000 ");
        carry.dirty(0, 0);
        seen.setLength(0);
        carry.read(PAGE, 3 * PAGE - 1, true, (iova, length) -> seen.append("%x+%x ".formatted(iova, length)));
        carry.read(0, 4 * PAGE - 1, true, (iova, length) -> seen.append("%x+%x ".formatted(iova, length)));
        assertThat(seen).hasToString("1000+2000 0+1000 3000+1000 ");
    }

    @Test
    void trackingGoesOnThroughManyDirtyPages() {
        var device = rig.context.bind(rig.plug(2));
        PagingHwpt hwpt = rig.context.allocateHwpt(device, ioas, HwptOptions.withDirtyTracking());
        device.attach(hwpt);
        hwpt.setDirtyTracking(true);
        DmaPort writer = device.endpoint().openPort();
        writer.write(IOVA, MemorySegment.ofArray(new byte[(int) (4 * PAGE)]), 0, 4 * PAGE);
        byte[] bits = new byte[1];
        hwpt.readDirty(IOVA, 4 * PAGE, 2 * PAGE, MemorySegment.ofArray(bits), true);
        assertThat(bits[0]).isEqualTo((byte) 3);
    }
}
