package iommufd.core.fake;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.GuestRam;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** An engine with one fake IOMMU, a context and some RAM, ready for a test. */
public final class Rig implements AutoCloseable {
    public static final long PAGE = 4096;
    public final Engine engine;
    public final FakeHardware hardware = new FakeHardware("first", "fake");
    public final IommufdContext context;
    public final GuestRam ram;
    private final HostPhysicalMemory memory = new HostPhysicalMemory(64L << 20);
    private final MemorySegment buffer = Arena.ofAuto().allocate(1 << 16);

    public Rig() {
        this(new EngineOptions(Duration.ofSeconds(20), Duration.ofSeconds(20)));
    }

    public Rig(EngineOptions options) {
        engine = new Engine(options);
        engine.add(hardware);
        context = engine.service().open();
        ram = memory.allocateGuestRam(8 << 20, false);
    }

    /** Device {@code number} alone in its group. */
    public DmaEndpoint plug(int number) {
        return engine.fabric().plug(EndpointDescription.of(id(number)));
    }

    public DmaEndpoint plug(int number, int group, int pasidBits, boolean pageRequests) {
        return engine.fabric().plug(new EndpointDescription(id(number), group, pasidBits, pageRequests));
    }

    public static RequesterId id(int number) {
        return RequesterId.of(0, 0, number, 0);
    }

    public BoundDevice bind(int number) {
        return context.bind(plug(number));
    }

    /** An IOAS that shows the first pages of the RAM from IOVA 1 MiB on. */
    public Ioas mappedIoas(int pages) {
        Ioas ioas = context.allocateIoas();
        ioas.mapAt(1 << 20, ram, 0, pages * PAGE, DmaAccess.READ_WRITE);
        return ioas;
    }

    /** Whether eight bytes written by DMA arrive at that offset of the RAM. */
    public boolean reaches(DmaPort port, long iova, long ramOffset) {
        long token = System.nanoTime() ^ iova << 32;
        buffer.set(ValueLayout.JAVA_LONG, 0, token);
        DmaStatus status = port.write(iova, buffer, 0, Long.BYTES);
        boolean arrived = ram.segment().get(ValueLayout.JAVA_LONG, ramOffset) == token;
        assertThat(arrived).as("bytes arrive if and only if the request is done").isEqualTo(status == DmaStatus.DONE);
        return arrived;
    }

    /** The nested table of {@link FakeNestedDomain}. */
    public static NestedTable shiftedBy(long offset) {
        return new NestedTable(1, ByteBuffer.allocate(Long.BYTES).order(ByteOrder.nativeOrder()).putLong(offset).array());
    }

    public static void assertRefused(Errno errno, ThrowingCallable request) {
        assertThatExceptionOfType(IommufdException.class).isThrownBy(request).returns(errno, IommufdException::errno);
    }

    @Override
    public void close() {
        hardware.sabotage.endHangs();
        engine.close();
        assertThat(hardware.domainCount()).as("page tables left on the hardware").isZero();
        assertThat(hardware.viommuCount()).as("vIOMMUs left on the hardware").isZero();
        ram.close();
        memory.close();
    }
}
