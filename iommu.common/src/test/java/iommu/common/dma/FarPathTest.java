package iommu.common.dma;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import iommufd.api.dma.ScatterList;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.util.OptionalInt;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Requests to memory behind the window move the same bytes, through a service that may be absent. */
class FarPathTest {
    private static final long NEAR = 3L << 37;
    private static final int FAR_BYTES = 5 * 4096;

    private final byte[] farBytes = new byte[FAR_BYTES];
    private final FarPath path = new FarPath();
    private final HalfFarPort port = new HalfFarPort(path);
    private final byte[] source = new byte[20_000];
    private final FarMemory memory = new FarMemory() {
        @Override
        public boolean read(long physicalAddress, MemorySegment target) {
            return copy(physicalAddress, target, true);
        }

        @Override
        public boolean write(long physicalAddress, MemorySegment bytes) {
            return copy(physicalAddress, bytes, false);
        }

        private boolean copy(long physicalAddress, MemorySegment other, boolean out) {
            long offset = physicalAddress - FarMemory.START;
            if (offset < 0 || offset + other.byteSize() > FAR_BYTES) {
                return false;
            }
            MemorySegment mine = MemorySegment.ofArray(farBytes).asSlice(offset, other.byteSize());
            (out ? other : mine).copyFrom(out ? mine : other);
            return true;
        }
    };

    @BeforeEach
    void connect() {
        HostMemory.backAnonymous(NEAR, HostMemory.BACKING_BYTES, false);
        port.open();
        path.connect(memory);
        new Random(5).nextBytes(source);
    }

    @Test
    void bytesArriveAndComeBackAcrossTheBorder() {
        for (int length : new int[] {1, 64, 4096, 6000, 12_000}) {
            for (long iova : new long[] {0, 4000, 4095, 4096, 8191}) {
                MemorySegment target = MemorySegment.ofArray(new byte[length]);
                assertThat(port.write(iova, MemorySegment.ofArray(source), 7, length)).isEqualTo(DmaStatus.DONE);
                assertThat(port.read(iova, target, 0, length)).isEqualTo(DmaStatus.DONE);
                assertThat(target.mismatch(MemorySegment.ofArray(source).asSlice(7, length))).isEqualTo(-1);
            }
        }
        assertThat(port.write(4096, MemorySegment.ofArray(source), 0, 100)).isEqualTo(DmaStatus.DONE);
        assertThat(MemorySegment.ofArray(farBytes).asSlice(0, 100).mismatch(MemorySegment.ofArray(source).asSlice(0, 100)))
                .as("page 1 is the first far page").isEqualTo(-1);
    }

    @Test
    void aScatterListMayMixBoth() {
        ScatterList list = new ScatterList(3).add(10, 50).add(4096 + 5000, 3000).add(4000, 200);
        MemorySegment target = MemorySegment.ofArray(new byte[3250]);
        assertThat(port.write(list, MemorySegment.ofArray(source), 0)).isEqualTo(DmaStatus.DONE);
        assertThat(port.read(list, target, 0)).isEqualTo(DmaStatus.DONE);
        assertThat(target.mismatch(MemorySegment.ofArray(source).asSlice(0, 3250))).isEqualTo(-1);
    }

    @Test
    void whatIsNotThereAbortsAndReadsAsZeros() {
        MemorySegment target = MemorySegment.ofArray(new byte[64]).fill((byte) 1);
        long behind = 4096 + FAR_BYTES;
        assertThat(port.write(behind, MemorySegment.ofArray(source), 0, 64)).isEqualTo(DmaStatus.ABORTED);
        assertThat(port.read(behind - 32, target, 0, 64)).isEqualTo(DmaStatus.ABORTED);
        assertThat(target.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE)).containsOnly(0);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.EXTERNAL_ABORT);
        assertThat(port.write(0, MemorySegment.ofArray(source), 0, 64)).as("the next one").isEqualTo(DmaStatus.DONE);
    }

    @Test
    void withoutTheServiceFarRequestsAbort() {
        path.disconnect(memory);
        assertThat(port.write(4096, MemorySegment.ofArray(source), 0, 64)).isEqualTo(DmaStatus.ABORTED);
        assertThat(port.write(0, MemorySegment.ofArray(source), 0, 64)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void nothingIsAtomicInAnotherProcess() {
        assertThat(port.fetchAndAdd(4096, 1)).isZero();
        assertThat(port.status()).isEqualTo(DmaStatus.ABORTED);
        port.fetchAndAdd(8, 5);
        assertThat(port.fetchAndAdd(8, 0)).isEqualTo(5);
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
    }

    /** Page 0 is in the window, the others behind it. */
    private static final class HalfFarPort extends TranslatingPort {
        HalfFarPort(FarPath path) {
            super(new InvalidationLog(), path);
        }

        @Override
        protected long walk(long iova, int accessBit) {
            long physicalAddress = iova < 4096 ? NEAR + iova : FarMemory.START + iova - 4096;
            iotlb.remember(iova, physicalAddress, 12, 3);
            return physicalAddress;
        }

        @Override
        protected DmaFault fault(long iova, int accessBit) {
            throw new AssertionError("nothing is refused");
        }

        @Override
        protected DmaFault abort(long iova, int accessBit) {
            return new DmaFault("test", new RequesterId(1), OptionalInt.empty(), iova, DmaAccess.WRITE,
                    DmaFault.Kind.EXTERNAL_ABORT, 0, "no memory");
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
