package iommu.s390.driver;

import static iommu.s390.driver.Rig.arrives;
import static iommu.s390.driver.Rig.map;
import static iommu.s390.driver.Rig.refused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommu.s390.Ram;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A guest's tables in the guest's memory. Structures are written by hand, from the documentation. */
class NestedTest {
    private static final int TYPE = 0x73390001;
    private static final long PAGE = 4096;
    /** The guest has 1 MiB of memory from its address 0 on: tables at 0x10000 and 0x14000, page table at 0x18000, pages from 0x20000. */
    private static final long GUEST_BYTES = 1 << 20;
    private static final long REGION = 0x1_0000;
    private static final long SEGMENT = 0x1_4000;
    private static final long PAGES = 0x1_8000;
    private static final long DATA = 0x2_0000;
    private static final long IOVA = 0x40_3000;

    private final Rig rig = new Rig();
    private final Rig.Device device = rig.new Device(1);
    private final PagingDomain parent = device.endpoint.allocatePaging(new PagingOptions(true, false, false));
    private final HardwarePort port = device.port();
    private final long guest = rig.ram.take(GUEST_BYTES);
    private NestedDomain nested;

    @BeforeEach
    void guestMemory() {
        parent.mapSmallest(0, Rig.run(guest, GUEST_BYTES), DmaAccess.READ_WRITE);
        for (long offset = 0; offset < 2 * 16384; offset += 8) {
            guestWord(REGION + offset, 0x20);
        }
        for (long offset = 0; offset < 2048; offset += 8) {
            guestWord(PAGES + offset, 0x400);
        }
        guestWord(REGION, SEGMENT | 7);
        guestWord(SEGMENT + 4 * 8, PAGES);
        guestWord(PAGES + 3 * 8, DATA);
        nested = device.endpoint.allocateNested(parent, table(REGION | 0x804, 0, (1L << 42) - 1));
        device.endpoint.attach(Pasid.NONE, nested);
    }

    @AfterEach
    void everythingIsGivenBack() {
        rig.close();
        nested.close();
        parent.close();
        assertThat(rig.tables.bytesInUse()).as("bytes of table frames in use").isZero();
    }

    private void guestWord(long address, long value) {
        Ram.word(guest + address, value);
    }

    private static NestedTable table(long iota, long pba, long pal) {
        return new NestedTable(TYPE, ByteBuffer.allocate(32).order(ByteOrder.nativeOrder()).putLong(iota).putLong(pba).putLong(pal).array());
    }

    private static InvalidationEntries entries(int type, int bytes, long... words) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(words.length * 8).order(ByteOrder.nativeOrder());
        for (long word : words) {
            buffer.putLong(word);
        }
        return new InvalidationEntries(type, bytes, words.length * 8 / bytes, MemorySegment.ofBuffer(buffer.flip()));
    }

    private InvalidationResult refresh(long address, long length) {
        return nested.invalidate(entries(TYPE, 24, address, length, 0));
    }

    @Test
    void requestsGoThroughTheGuestsTablesAndTheHosts() {
        arrives(port, IOVA + 5, guest + DATA + 5, 1);
        guestWord(SEGMENT + 5 * 8, 0x400);   // a frame of 1 MiB: all of the guest's memory
        arrives(port, 0x50_0000 + DATA + 9, guest + DATA + 9, 2);
    }

    @Test
    void theGuestRefreshesWhatItChanges() {
        arrives(port, IOVA, guest + DATA, 1);
        guestWord(PAGES + 3 * 8, DATA + PAGE);
        assertThat(refresh(IOVA, PAGE)).isEqualTo(InvalidationResult.complete(1));
        arrives(port, IOVA, guest + DATA + PAGE, 2);
        guestWord(PAGES + 3 * 8, 0x400);
        assertThat(nested.invalidate(entries(TYPE, 24, 0, PAGE, 0, IOVA & -(1 << 20), 1 << 20, 0))).isEqualTo(InvalidationResult.complete(2));
        assertThat(refused(port, IOVA).kind()).isEqualTo(DmaFault.Kind.TRANSLATION);
        guestWord(PAGES + 3 * 8, DATA);
        arrives(port, IOVA, guest + DATA, 3);
        guestWord(PAGES + 3 * 8, DATA + 2 * PAGE);
        assertThat(refresh(0, -1L)).as("everything").isEqualTo(InvalidationResult.complete(1));
        arrives(port, IOVA, guest + DATA + 2 * PAGE, 4);
    }

    @Test
    void badRequestsEndTheirArray() {
        assertThat(refresh(IOVA, 0)).isEqualTo(InvalidationResult.complete(1));
        assertThat(refresh(1L << 42, PAGE)).isEqualTo(new InvalidationResult(0, Optional.of(Errno.EINVAL)));
        assertThat(nested.invalidate(entries(TYPE, 24, IOVA, PAGE, 0, IOVA, PAGE, 1, IOVA, PAGE, 0)))
                .isEqualTo(new InvalidationResult(1, Optional.of(Errno.EOPNOTSUPP)));
        assertErrno(Errno.EINVAL, () -> nested.invalidate(entries(TYPE + 1, 24, IOVA, PAGE, 0)));
        assertErrno(Errno.EINVAL, () -> nested.invalidate(entries(TYPE, 16, IOVA, PAGE)));
        assertThat(device.faults).as("none of it was the function's error").isEmpty();
        arrives(port, IOVA, guest + DATA, 1);
    }

    @Test
    void whatTheHostTakesAwayTheGuestsDeviceDoesNotReach() {
        arrives(port, IOVA, guest + DATA, 1);
        parent.unmap(DATA, DATA + PAGE - 1);
        assertThat(refused(port, IOVA).code()).isEqualTo(0xb);
        map(parent, DATA, rig.ram.page(), PAGE);
        parent.unmap(PAGES, PAGES + PAGE - 1);
        assertThat(refused(port, IOVA).code()).as("the page table is gone").isEqualTo(0xb);
        map(parent, PAGES, guest + PAGES, PAGE);
        assertThat(port.read(IOVA, MemorySegment.ofArray(new byte[1]), 0, 1)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void aGuestCannotWriteWhatTheHostHasReadOnly() {
        parent.unmap(DATA, DATA + PAGE - 1);
        parent.map(DATA, Rig.run(guest + DATA, PAGE), DmaAccess.READ);
        assertThat(port.read(IOVA, MemorySegment.ofArray(new byte[1]), 0, 1)).isEqualTo(DmaStatus.DONE);
        DmaFault fault = refused(port, IOVA);
        assertThat(fault.kind()).isEqualTo(DmaFault.Kind.PERMISSION);
        assertThat(fault.code()).isEqualTo(5);
    }

    @Test
    void aGuestIsHeldToItsBaseAndLimit() {
        NestedDomain narrow = device.endpoint.allocateNested(parent, table(REGION | 0x804, IOVA + 1, IOVA + 1));
        device.endpoint.attach(Pasid.NONE, narrow);
        arrives(port, IOVA + PAGE - 1, guest + DATA + PAGE - 1, 1);
        assertThat(refused(port, IOVA + PAGE).kind()).isEqualTo(DmaFault.Kind.ADDRESS_SIZE);
        parent.unmap(0, PAGE - 1);
        arrives(port, IOVA, guest + DATA, 2);
        device.endpoint.attach(Pasid.NONE, nested);
        narrow.close();
        arrives(port, IOVA, guest + DATA, 3);
    }

    @Test
    void aGuestAndTheHostShareATableAndAreRefreshedBoth() {
        Rig.Device hosts = rig.new Device(2);
        hosts.endpoint.attach(Pasid.NONE, parent);
        HardwarePort direct = hosts.port();
        arrives(direct, DATA, guest + DATA, 1);
        arrives(port, IOVA, guest + DATA, 2);
        parent.unmap(DATA, DATA + PAGE - 1);
        refused(direct, DATA);
        refused(port, IOVA);
    }

    @Test
    void descriptionsThatMakeNoSenseAreRefused() {
        assertErrno(Errno.EOPNOTSUPP, () -> device.endpoint.allocateNested(parent, new NestedTable(1, new byte[32])));
        assertErrno(Errno.EINVAL, () -> device.endpoint.allocateNested(parent, new NestedTable(TYPE, new byte[31])));
        assertErrno(Errno.EINVAL, () -> device.endpoint.allocateNested(parent, new NestedTable(TYPE, new byte[40])));
        assertErrno(Errno.EINVAL, () -> device.endpoint.allocateNested(parent, table(REGION | 0x004, 0, 0xFFF)));
        for (int type : new int[] {4, 5, 6, 7}) {
            assertErrno(Errno.EINVAL, () -> device.endpoint.allocateNested(parent, table(REGION | 0x800 | type << 2, 0, 0xFFF)));
        }
        assertErrno(Errno.EINVAL, () -> device.endpoint.allocateNested(parent, table(REGION | 0x804, 0, 1L << 42)));
        assertErrno(Errno.EINVAL, () -> device.endpoint.allocateNested(parent, table(REGION | 0x804, 0x2000, 0x1000)));
        byte[] flagged = table(REGION | 0x804, 0, 0xFFF).bytes();
        flagged[24] = 1;
        assertErrno(Errno.EINVAL, () -> device.endpoint.allocateNested(parent, new NestedTable(TYPE, flagged)));
    }

    @Test
    @Timeout(60)
    void garbageInAGuestsTablesHarmsNobodyElse() throws InterruptedException {
        Rig.Device hosts = rig.new Device(2);
        PagingDomain table = hosts.endpoint.allocatePaging(PagingOptions.PLAIN);
        long page = rig.ram.page();
        map(table, 0, page, PAGE);
        hosts.endpoint.attach(Pasid.NONE, table);
        HardwarePort direct = hosts.port();
        AtomicBoolean end = new AtomicBoolean();
        AtomicBoolean suffered = new AtomicBoolean();
        Thread bystander = Thread.ofPlatform().start(() -> {
            MemorySegment word = MemorySegment.ofArray(new byte[8]);
            while (!end.get()) {
                suffered.compareAndSet(false, direct.write(0, word, 0, 8) != DmaStatus.DONE || direct.fetchAndAdd(8, 1) < 0);
            }
        });
        Random random = new Random(99);
        try {
            for (int i = 0; i < 20_000; i++) {
                long table3 = new long[] {REGION, SEGMENT, PAGES}[random.nextInt(3)];
                guestWord(table3 + 8L * random.nextInt(8), random.nextInt(3) == 0 ? random.nextLong()
                        : new long[] {REGION, SEGMENT, PAGES, DATA, -1L << 12}[random.nextInt(5)] ^ 1L << random.nextInt(14) ^ random.nextInt(16));
                DmaStatus status = port.read(random.nextLong() >>> 22 + random.nextInt(40), MemorySegment.ofArray(new byte[16]), 0, 16);
                assertThat(status).isIn(DmaStatus.DONE, DmaStatus.FAULTED, DmaStatus.ABORTED);
                if (i % 64 == 0) {
                    refresh(0, -1L);
                }
            }
        } finally {
            end.set(true);
            bystander.join();
        }
        assertThat(suffered).isFalse();
        assertThat(hosts.faults).isEmpty();
        assertThat(device.faults).isNotEmpty();
        hosts.endpoint.block(Pasid.NONE);
        table.close();
    }

    private static void assertErrno(Errno errno, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call).asInstanceOf(InstanceOfAssertFactories.type(IommufdException.class)).extracting(IommufdException::errno)
                .isEqualTo(errno);
    }
}
