package iommu.common.dma;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import iommufd.api.dma.ScatterList;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.OptionalInt;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Memory that goes away under a request ends the request, also once the compiler has made one straight line of it. */
class BusErrorTest {
    private static final long MEMORY = 1L << 38;
    private static final long HOLE = MEMORY + HostMemory.BACKING_BYTES;
    private static final int WARM = 60_000;
    private static final MemorySegment BYTES = Arena.global().allocate(8192);

    /** Every way to ask, as one call. */
    enum Request {
        WRITE((port, iova) -> port.write(iova, BYTES, 0, 64)),
        WRITE_PAGES((port, iova) -> port.write(iova + 4096 - 32, BYTES, 0, 64)),
        READ((port, iova) -> port.read(iova, BYTES, 0, 64)),
        READ_PAGES((port, iova) -> port.read(iova + 4096 - 32, BYTES, 0, 64)),
        WRITE_AFTER_MISS((port, iova) -> {
            port.iotlb.forget(iova, iova);
            return port.write(iova, BYTES, 0, 64);
        }),
        READ_AFTER_MISS((port, iova) -> {
            port.iotlb.forget(iova, iova);
            return port.read(iova, BYTES, 0, 64);
        }),
        WRITE_LIST((port, iova) -> port.write(PIECES.clear().add(iova, 64).add(iova + 128, 8), BYTES, 0)),
        READ_LIST((port, iova) -> port.read(PIECES.clear().add(iova, 64).add(iova + 128, 8), BYTES, 0)),
        COMPARE_AND_SWAP((port, iova) -> {
            port.compareAndSwap(iova, 1, 2);
            return port.status();
        }),
        FETCH_AND_ADD((port, iova) -> {
            port.fetchAndAdd(iova, 1);
            return port.status();
        }),
        SWAP((port, iova) -> {
            port.swap(iova, 1);
            return port.status();
        });

        private final Call call;

        Request(Call call) {
            this.call = call;
        }
    }

    private static final ScatterList PIECES = new ScatterList(2);

    private interface Call {
        DmaStatus on(IdentityPort port, long iova);
    }

    @ParameterizedTest
    @EnumSource(Request.class)
    @Timeout(30)
    void missingMemoryAbortsTheRequestAndOnlyThat(Request request) {
        HostMemory.backAnonymous(MEMORY, HostMemory.BACKING_BYTES, false);
        HostMemory.backFile(HOLE, HostMemory.BACKING_BYTES, emptyFile(), 0);
        IdentityPort port = new IdentityPort(new InvalidationLog());
        port.open();
        for (int round = 0; round < 4; round++) {
            assertThat(others(port, request, WARM)).isZero();
            assertThat(request.call.on(port, HOLE)).as("round %d", round).isEqualTo(DmaStatus.ABORTED);
            assertThat(request.call.on(port, MEMORY)).as("the next one").isEqualTo(DmaStatus.DONE);
        }
        assertThat(port.close(1)).as("nobody was left inside").isTrue();
    }

    @ParameterizedTest
    @EnumSource(Request.class)
    void whereNothingIsBackedTheRequestIsAbortedWithoutTouchingIt(Request request) {
        IdentityPort port = new IdentityPort(new InvalidationLog());
        port.open();
        assertThat(request.call.on(port, HostMemory.SIZE_BYTES - (1 << 20))).isEqualTo(DmaStatus.ABORTED);
        assertThat(port.close(1)).as("nobody was left inside").isTrue();
    }

    /** What is left of a file that its owner truncated: mapped, but without memory. */
    private static int emptyFile() {
        MemorySegment create = Linker.nativeLinker().defaultLookup().findOrThrow("memfd_create");
        try (Arena arena = Arena.ofConfined()) {
            return (int) Linker.nativeLinker().downcallHandle(create,
                            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT))
                    .invokeExact(arena.allocateFrom("empty"), 0);
        } catch (Throwable impossible) {
            throw new AssertionError(impossible);
        }
    }

    private static int others(IdentityPort port, Request request, int count) {
        int others = 0;
        for (int i = 0; i < count; i++) {
            if (request.call.on(port, MEMORY + (i & 63) * 8192L) != DmaStatus.DONE) {
                others++;
            }
        }
        return others;
    }

    /** Every address is its own translation. */
    private static final class IdentityPort extends TranslatingPort {
        IdentityPort(InvalidationLog log) {
            super(log, new FarPath());
        }

        @Override
        protected long walk(long iova, int accessBit) {
            iotlb.remember(iova, iova, 12, 3);
            return iova;
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
