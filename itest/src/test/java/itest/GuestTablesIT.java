package itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommu.s390.S390Backend;
import iommu.s390.driver.ZpciDriverOptions;
import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.NestedHwpt;
import iommufd.api.NestedTable;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.GuestRam;
import iommufd.api.uapi.IommuHwptS390Zpci;
import iommufd.api.uapi.IommuHwptS390ZpciInvalidate;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Optional;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A guest's zPCI tables through the engine: what a monitor does for a guest that programs its zPCI functions itself. */
class GuestTablesIT {
    private static final int PAGE = 4096;
    private static final long RAM_BYTES = 1 << 20;
    /** The guest's addresses. */
    private static final long REGION = 0x1_0000;
    private static final long SEGMENT = 0x1_4000;
    private static final long PAGES = 0x1_8000;
    private static final long DATA = 0x2_0000;
    /** Where the guest's driver maps its page for the device. */
    private static final long IOVA = 0x7000;
    private static final ValueLayout.OfLong BIG_ENDIAN = ValueLayout.JAVA_LONG.withOrder(ByteOrder.BIG_ENDIAN);

    private final HostPhysicalMemory memory = new HostPhysicalMemory(4L << 30);
    private final S390Backend zpci = new S390Backend(memory.tables(), new ZpciDriverOptions("zpci0", 0, 3, 0, (1L << 42) - 1));
    private final VtdBackend vtd = new VtdBackend(memory.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named("vtd0"));
    private final Engine engine = new Engine(new EngineOptions(Duration.ofMillis(20), Duration.ofSeconds(10)));
    private final GuestRam ram = memory.allocateGuestRam(RAM_BYTES, false);
    private final MemorySegment word = MemorySegment.ofArray(new byte[8]);
    private IommufdContext context;
    private DmaEndpoint endpoint;
    private BoundDevice device;
    private Ioas space;
    private PagingHwpt parent;
    private NestedHwpt nested;
    private DmaPort port;

    @BeforeEach
    void startAGuest() {
        engine.add(zpci);
        engine.add(vtd);
        context = engine.service().open();
        endpoint = engine.fabric().plug(EndpointDescription.of(RequesterId.of(0, 1, 0, 0)));
        device = context.bind(endpoint);
        space = context.allocateIoas();
        space.mapAt(0, ram, 0, RAM_BYTES, DmaAccess.READ_WRITE);
        parent = context.allocateHwpt(device, space, HwptOptions.asNestParent());
        for (long offset = 0; offset < 2 * 16384; offset += 8) {
            guestWord(REGION + offset, 0x20);
        }
        for (long offset = 0; offset < 2048; offset += 8) {
            guestWord(PAGES + offset, 0x400);
        }
        guestWord(REGION, SEGMENT | 7);
        guestWord(SEGMENT, PAGES);
        guestWord(PAGES + 7 * 8, DATA);
        nested = context.allocateNestedHwpt(device, parent, table(), Optional.empty());
        device.attach(nested);
        port = endpoint.openPort();
    }

    @AfterEach
    void stop() {
        context.close();
        endpoint.close();
        engine.close();
        ram.close();
        zpci.close();
        vtd.close();
        assertThat(memory.tables().bytesInUse()).as("bytes of table frames in use").isZero();
        memory.close();
    }

    private void guestWord(long address, long value) {
        ram.segment().set(BIG_ENDIAN, address, value);
    }

    private static NestedTable table() {
        byte[] bytes = new byte[IommuHwptS390Zpci.SIZE_BYTES];
        MemorySegment struct = MemorySegment.ofArray(bytes);
        IommuHwptS390Zpci.iota(struct, REGION | 0x804);
        IommuHwptS390Zpci.pal(struct, (1L << 42) - 1);
        return new NestedTable(IommuHwptS390Zpci.IOMMU_HWPT_DATA_S390_ZPCI, bytes);
    }

    private InvalidationResult refresh(long address, long length) {
        MemorySegment struct = MemorySegment.ofArray(new long[IommuHwptS390ZpciInvalidate.SIZE_BYTES / 8]);
        IommuHwptS390ZpciInvalidate.addr(struct, address);
        IommuHwptS390ZpciInvalidate.length(struct, length);
        return nested.invalidate(new InvalidationEntries(IommuHwptS390ZpciInvalidate.IOMMU_HWPT_INVALIDATE_DATA_S390_ZPCI,
                IommuHwptS390ZpciInvalidate.SIZE_BYTES, 1, struct));
    }

    private void arrives(long iova, long guestAddress, long value) {
        word.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, value);
        assertThat(port.write(iova, word, 0, 8)).isEqualTo(DmaStatus.DONE);
        assertThat(ram.segment().get(ValueLayout.JAVA_LONG, guestAddress)).isEqualTo(value);
    }

    @Test
    void theGuestsTablesTranslateAndItsRefreshesCount() {
        arrives(IOVA + 8, DATA + 8, 11);
        guestWord(PAGES + 7 * 8, DATA + PAGE);
        assertThat(refresh(IOVA, PAGE)).isEqualTo(InvalidationResult.complete(1));
        arrives(IOVA + 8, DATA + PAGE + 8, 12);
        guestWord(PAGES + 7 * 8, 0x400);
        refresh(0, -1L);
        assertThat(port.write(IOVA, word, 0, 8)).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.TRANSLATION);
    }

    @Test
    void whatTheMonitorUnmapsIsGoneForTheGuestsDevice() {
        arrives(IOVA, DATA, 21);
        space.unmapAll();
        assertThat(port.write(IOVA, word, 0, 8)).isEqualTo(DmaStatus.FAULTED);
        space.mapAt(0, ram, 0, RAM_BYTES, DmaAccess.READ_WRITE);
        arrives(IOVA, DATA, 22);
    }

    @Test
    void aGuestsTablesDoNotMoveToAnotherVendor() {
        arrives(IOVA, DATA, 31);
        assertThatThrownBy(() -> engine.swap().swap("zpci0", "vtd0")).asInstanceOf(InstanceOfAssertFactories.type(IommufdException.class))
                .extracting(IommufdException::errno).isEqualTo(Errno.EBUSY);
        arrives(IOVA, DATA, 32);
        device.replace(parent);
        nested.destroy();
        engine.swap().swap("zpci0", "vtd0");
        word.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, 33);
        assertThat(port.write(DATA, word, 0, 8)).isEqualTo(DmaStatus.DONE);
        assertThat(ram.segment().get(ValueLayout.JAVA_LONG, DATA)).isEqualTo(33);
    }

    @Test
    void aGuestsTablesMoveToAnotherUnitOfTheirKind() {
        arrives(IOVA, DATA, 41);
        try (S390Backend other = new S390Backend(memory.tables(), new ZpciDriverOptions("zpci1", 0, 3, 0, (1L << 42) - 1))) {
            engine.add(other);
            engine.swap().swap("zpci0", "zpci1");
            arrives(IOVA, DATA, 42);
            guestWord(PAGES + 7 * 8, DATA + PAGE);
            refresh(IOVA, PAGE);
            arrives(IOVA, DATA + PAGE, 43);
            engine.swap().swap("zpci1", "zpci0");
            arrives(IOVA, DATA + PAGE, 44);
            engine.remove(other);
        }
    }
}
