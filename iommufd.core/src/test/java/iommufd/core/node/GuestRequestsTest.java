package iommufd.core.node;

import static iommufd.core.node.Client.ARRAY;
import static iommufd.core.node.Client.BUFFER;
import static iommufd.core.node.Client.STRUCT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.PageRequest;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommuDestroy;
import iommufd.api.uapi.IommuFaultAlloc;
import iommufd.api.uapi.IommuHwQueueAlloc;
import iommufd.api.uapi.IommuHwptAlloc;
import iommufd.api.uapi.IommuHwptInvalidate;
import iommufd.api.uapi.IommuHwptPageResponse;
import iommufd.api.uapi.IommuHwptPgfault;
import iommufd.api.uapi.IommuVdeviceAlloc;
import iommufd.api.uapi.IommuVeventqAlloc;
import iommufd.api.uapi.IommuViommuAlloc;
import iommufd.api.uapi.IommufdVeventHeader;
import iommufd.core.fake.FakeEndpoint;
import iommufd.core.fake.FakeViommu;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Requests about vIOMMUs and queues, and the files that some of them open. */
class GuestRequestsTest {
    private static final long PAGE = 4096;
    private static final long IOVA = 1 << 24;
    private static final int FAULT = IommuHwptPgfault.SIZE_BYTES;
    private final Client client = new Client();
    private BoundDevice device;
    private Ioas ioas;
    private PagingHwpt parent;

    @BeforeEach
    void open() {
        device = client.bind(1);
        ioas = client.file.context().allocateIoas();
        parent = client.file.context().allocateHwpt(device, ioas, HwptOptions.asNestParent());
    }

    @AfterEach
    void close() {
        client.close();
    }

    private static void refused(Errno errno, ThrowingCallable call) {
        assertThatExceptionOfType(IommufdException.class).isThrownBy(call).returns(errno, IommufdException::errno);
    }

    private Consumer<MemorySegment> viommu(int type) {
        return struct -> {
            IommuViommuAlloc.type(struct, type);
            IommuViommuAlloc.devId(struct, device.id());
            IommuViommuAlloc.hwptId(struct, parent.id());
        };
    }

    private int viommu() {
        return IommuViommuAlloc.outViommuId(client.granted(IommuViommuAlloc.IOMMU_VIOMMU_ALLOC, IommuViommuAlloc.SIZE_BYTES, viommu(1)));
    }

    @Test
    void viommusAreRefusedInLinuxsOrder() {
        int request = IommuViommuAlloc.IOMMU_VIOMMU_ALLOC;
        int size = IommuViommuAlloc.SIZE_BYTES;
        PagingHwpt plain = client.file.context().allocateHwpt(device, ioas, HwptOptions.none());
        client.refused(Errno.EOPNOTSUPP, request, size, viommu(1).andThen(s -> IommuViommuAlloc.flags(s, 1)));
        client.refused(Errno.EOPNOTSUPP, request, size, viommu(0).andThen(s -> IommuViommuAlloc.devId(s, 99)));
        client.refused(Errno.ENOENT, request, size, viommu(1).andThen(s -> IommuViommuAlloc.devId(s, ioas.id())));
        client.refused(Errno.ENOENT, request, size, viommu(1).andThen(s -> IommuViommuAlloc.hwptId(s, ioas.id())));
        client.refused(Errno.EINVAL, request, size, viommu(1).andThen(s -> IommuViommuAlloc.hwptId(s, plain.id())));
        client.refused(Errno.EOPNOTSUPP, request, size, viommu(9).andThen(s -> IommuViommuAlloc.hwptId(s, 99)));
        client.refused(Errno.EFAULT, request, size, viommu(1).andThen(s -> IommuViommuAlloc.dataLen(s, 8)));
        client.refused(Errno.EINVAL, request, size, viommu(1).andThen(s -> IommuViommuAlloc.dataLen(s, 8)).andThen(s -> IommuViommuAlloc.hwptId(s, plain.id())));
        client.granted(request, size, viommu(1).andThen(s -> IommuViommuAlloc.reserved(s, 1)));
        client.struct(size, viommu(1));
        client.caller.protect(STRUCT);
        assertThat(Client.name(client.raw(request, STRUCT))).isEqualTo("EFAULT");
        assertThat(client.rig.hardware.viommuCount()).as("the one that was granted").isEqualTo(1);
    }

    @Test
    void nestedTablesAndInvalidationGoThroughVIommus() {
        int viommu = viommu();
        client.granted(IommuHwptAlloc.IOMMU_HWPT_ALLOC, IommuHwptAlloc.SIZE_BYTES, struct -> {
            IommuHwptAlloc.devId(struct, device.id());
            IommuHwptAlloc.ptId(struct, viommu);
            IommuHwptAlloc.dataType(struct, 1);
            IommuHwptAlloc.dataLen(struct, 8);
            IommuHwptAlloc.dataUptr(struct, ARRAY);
        });
        MemorySegment struct = client.granted(IommuHwptInvalidate.IOMMU_HWPT_INVALIDATE, IommuHwptInvalidate.SIZE_BYTES, s -> {
            IommuHwptInvalidate.hwptId(s, viommu);
            IommuHwptInvalidate.dataType(s, 1);
            IommuHwptInvalidate.dataUptr(s, ARRAY);
            IommuHwptInvalidate.entryLen(s, 16);
            IommuHwptInvalidate.entryNum(s, 4);
        });
        assertThat(IommuHwptInvalidate.entryNum(struct)).isEqualTo(4);
    }

    private static Consumer<MemorySegment> vdevice(int viommu, int device, long number) {
        return struct -> {
            IommuVdeviceAlloc.viommuId(struct, viommu);
            IommuVdeviceAlloc.devId(struct, device);
            IommuVdeviceAlloc.virtId(struct, number);
        };
    }

    @Test
    void aDeviceHasOneNumberAndANumberOneDevice() {
        int viommu = viommu();
        int other = client.bind(2).id();
        int request = IommuVdeviceAlloc.IOMMU_VDEVICE_ALLOC;
        int size = IommuVdeviceAlloc.SIZE_BYTES;
        client.refused(Errno.ENOENT, request, size, vdevice(ioas.id(), device.id(), 5));
        client.refused(Errno.ENOENT, request, size, vdevice(viommu, ioas.id(), 5));
        int vdevice = IommuVdeviceAlloc.outVdeviceId(client.granted(request, size, vdevice(viommu, device.id(), -5)));
        client.refused(Errno.EEXIST, request, size, vdevice(viommu, device.id(), 6));
        client.refused(Errno.EEXIST, request, size, vdevice(viommu, other, -5));
        client.granted(request, size, vdevice(viommu, other, 6));
        client.refused(Errno.EBUSY, IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, s -> IommuDestroy.id(s, viommu));
        client.granted(IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, s -> IommuDestroy.id(s, vdevice));
        device.destroy();
        client.refused(Errno.ENOENT, IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, s -> IommuDestroy.id(s, vdevice));
    }

    private static Consumer<MemorySegment> hwQueue(int viommu, int type, int index, long iova, long length) {
        return struct -> {
            IommuHwQueueAlloc.viommuId(struct, viommu);
            IommuHwQueueAlloc.type(struct, type);
            IommuHwQueueAlloc.index(struct, index);
            IommuHwQueueAlloc.nestingParentIova(struct, iova);
            IommuHwQueueAlloc.length(struct, length);
        };
    }

    @Test
    void hardwareQueuesHoldTheirPages() {
        int viommu = viommu();
        ioas.mapAt(IOVA, client.caller.mappable(), BUFFER, 2 * PAGE, DmaAccess.READ_WRITE);
        int request = IommuHwQueueAlloc.IOMMU_HW_QUEUE_ALLOC;
        int size = IommuHwQueueAlloc.SIZE_BYTES;
        client.refused(Errno.EOPNOTSUPP, request, size, hwQueue(99, 1, 0, 0, 0).andThen(s -> IommuHwQueueAlloc.flags(s, 1)));
        client.refused(Errno.EOPNOTSUPP, request, size, hwQueue(99, 0, 0, 0, 0));
        client.refused(Errno.EINVAL, request, size, hwQueue(99, 1, 0, 0, 0));
        client.refused(Errno.EOVERFLOW, request, size, hwQueue(99, 1, 0, -1, 2));
        client.refused(Errno.ENOENT, request, size, hwQueue(99, 1, 0, IOVA, PAGE));
        client.refused(Errno.EOPNOTSUPP, request, size, hwQueue(viommu, 2, 0, 0, PAGE));
        client.refused(Errno.ENOENT, request, size, hwQueue(viommu, 1, 0, 0, PAGE));
        client.refused(Errno.EINVAL, request, size, hwQueue(viommu, 1, 7, IOVA, PAGE));
        int queue = IommuHwQueueAlloc.outHwQueueId(client.granted(request, size, hwQueue(viommu, 1, 0, IOVA + 64, PAGE)));
        assertThat(client.file.context().object(queue).id()).isEqualTo(queue);
        client.refused(Errno.EEXIST, request, size, hwQueue(viommu, 1, 0, IOVA, PAGE));
        client.refused(Errno.ENOENT, request, size, hwQueue(viommu, 1, 0, 0, PAGE));
        client.refused(Errno.EBUSY, IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, s -> IommuDestroy.id(s, queue + 1));
        refused(Errno.EBUSY, () -> ioas.unmapAll());
        client.granted(IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, s -> IommuDestroy.id(s, queue));
        client.refused(Errno.ENOENT, IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, s -> IommuDestroy.id(s, queue + 1));
        assertThat(ioas.unmapAll()).isEqualTo(2 * PAGE);
    }

    private MemorySegment faultQueue() {
        return client.granted(IommuFaultAlloc.IOMMU_FAULT_QUEUE_ALLOC, IommuFaultAlloc.SIZE_BYTES, struct -> { });
    }

    @Test
    void aFaultQueueIsAFile() throws Exception {
        MemorySegment struct = faultQueue();
        int queue = IommuFaultAlloc.outFaultId(struct);
        OpenNode file = client.caller.installed(IommuFaultAlloc.outFaultFd(struct));
        PagingHwpt hwpt = (PagingHwpt) client.file.context().object(IommuHwptAlloc.outHwptId(
                client.granted(IommuHwptAlloc.IOMMU_HWPT_ALLOC, IommuHwptAlloc.SIZE_BYTES, s -> {
                    IommuHwptAlloc.devId(s, device.id());
                    IommuHwptAlloc.ptId(s, ioas.id());
                    IommuHwptAlloc.flags(s, IommuHwptAlloc.IOMMU_HWPT_FAULT_ID_VALID);
                    IommuHwptAlloc.faultId(s, queue);
                })));
        device.attach(hwpt);
        AtomicInteger changes = new AtomicInteger();
        file.onPollChange(changes::incrementAndGet);
        MemorySegment records = MemorySegment.ofArray(new long[4 * FAULT / 8]);
        assertThat(file.poll()).isEqualTo(OpenNode.WRITABLE);
        assertThat(file.read(client.caller, records, 0)).as("nothing waits").isZero();
        refused(Errno.ESPIPE, () -> file.read(client.caller, records.asSlice(0, FAULT + 1), 0));
        refused(Errno.ESPIPE, () -> file.read(client.caller, records, 8));

        FakeEndpoint endpoint = client.rig.hardware.endpoint(device.endpoint().description().requesterId());
        assertThat(endpoint.report(new PageRequest(Pasid.NONE, 3, IOVA, DmaAccess.READ, false, false, false))).isTrue();
        assertThat(file.poll()).as("the group goes on").isEqualTo(OpenNode.WRITABLE);
        assertThat(endpoint.report(new PageRequest(Pasid.NONE, 3, IOVA + PAGE, DmaAccess.READ_WRITE, true, true, true))).isTrue();
        assertThat(file.poll()).isEqualTo(OpenNode.WRITABLE | OpenNode.READABLE);
        assertThat(changes).hasPositiveValue();
        refused(Errno.EINVAL, () -> file.read(client.caller, records.asSlice(0, FAULT), 0));
        refused(Errno.EINVAL, () -> file.read(client.caller, records.asSlice(0, 0), 0));
        assertThat(file.read(client.caller, records, 0)).isEqualTo(2 * FAULT);
        MemorySegment second = records.asSlice(FAULT, FAULT);
        assertThat(IommuHwptPgfault.flags(records)).isZero();
        assertThat(IommuHwptPgfault.flags(second)).isEqualTo(IommuHwptPgfault.IOMMU_PGFAULT_FLAGS_LAST_PAGE);
        assertThat(IommuHwptPgfault.devId(second)).isEqualTo(device.id());
        assertThat(IommuHwptPgfault.grpid(second)).isEqualTo(3);
        assertThat(IommuHwptPgfault.addr(second)).isEqualTo(IOVA + PAGE);
        assertThat(IommuHwptPgfault.perm(records)).isEqualTo(IommuHwptPgfault.IOMMU_PGFAULT_PERM_READ);
        assertThat(IommuHwptPgfault.perm(second)).isEqualTo(15);

        int cookie = IommuHwptPgfault.cookie(second);
        MemorySegment answers = MemorySegment.ofArray(new long[2]);
        IommuHwptPageResponse.cookie(answers, cookie);
        IommuHwptPageResponse.code(answers, 2);
        refused(Errno.EINVAL, () -> file.write(client.caller, answers.asSlice(0, 8), 0));
        refused(Errno.ESPIPE, () -> file.write(client.caller, answers.asSlice(0, 7), 0));
        IommuHwptPageResponse.code(answers, IommuHwptPageResponse.IOMMUFD_PAGE_RESP_SUCCESS);
        IommuHwptPageResponse.cookie(answers.asSlice(8), 77);
        assertThat(file.write(client.caller, answers, 0)).as("the second is not known").isEqualTo(8);
        refused(Errno.EINVAL, () -> file.write(client.caller, answers.asSlice(0, 8), 0));
        refused(Errno.ENOTTY, () -> file.ioctl(client.caller, 1, 0));
    }

    @Test
    void aQueueLivesAsLongAsItsFile() {
        MemorySegment struct = faultQueue();
        int queue = IommuFaultAlloc.outFaultId(struct);
        int descriptor = IommuFaultAlloc.outFaultFd(struct);
        client.refused(Errno.EBUSY, IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, s -> IommuDestroy.id(s, queue));
        client.caller.close(descriptor);
        client.granted(IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, s -> IommuDestroy.id(s, queue));
    }

    @Test
    void aContextLivesAsLongAsItsFiles() throws Exception {
        int descriptor = IommuFaultAlloc.outFaultFd(faultQueue());
        client.file.close();
        assertThat(client.caller.installed(descriptor).poll()).isEqualTo(OpenNode.WRITABLE);
        assertThat(device.attached()).isEmpty();
        client.caller.close(descriptor);
        refused(Errno.EBADF, device::attached);
    }

    @Test
    void noQueueIsLeftWhereNoFileCouldBeOpened() {
        client.caller.mayOpen = 0;
        MemorySegment struct = client.refused(Errno.EMFILE, IommuFaultAlloc.IOMMU_FAULT_QUEUE_ALLOC, IommuFaultAlloc.SIZE_BYTES, s -> { });
        assertThat(IommuFaultAlloc.outFaultId(struct)).as("the struct is as it was").isZero();
        assertThat(IommuFaultAlloc.outFaultFd(struct)).isZero();
        client.refused(Errno.EOPNOTSUPP, IommuFaultAlloc.IOMMU_FAULT_QUEUE_ALLOC, IommuFaultAlloc.SIZE_BYTES, s -> IommuFaultAlloc.flags(s, 1));
        client.struct(IommuFaultAlloc.SIZE_BYTES, s -> { });
        client.caller.protect(STRUCT);
        assertThat(Client.name(client.raw(IommuFaultAlloc.IOMMU_FAULT_QUEUE_ALLOC, STRUCT))).isEqualTo("EFAULT");
        assertThat(client.file.context().allocateIoas().id()).as("the number is free").isEqualTo(4);
        assertThat(client.caller.openNodes()).isZero();
    }

    private static Consumer<MemorySegment> eventQueue(int viommu, int type, int depth) {
        return struct -> {
            IommuVeventqAlloc.viommuId(struct, viommu);
            IommuVeventqAlloc.type(struct, type);
            IommuVeventqAlloc.veventqDepth(struct, depth);
        };
    }

    @Test
    void anEventQueueIsAFile() throws Exception {
        int viommu = viommu();
        int request = IommuVeventqAlloc.IOMMU_VEVENTQ_ALLOC;
        int size = IommuVeventqAlloc.SIZE_BYTES;
        client.refused(Errno.EOPNOTSUPP, request, size, eventQueue(99, 1, 0).andThen(s -> IommuVeventqAlloc.flags(s, 1)));
        client.refused(Errno.EOPNOTSUPP, request, size, eventQueue(99, 1, 0).andThen(s -> IommuVeventqAlloc.reserved(s, 1)));
        client.refused(Errno.EOPNOTSUPP, request, size, eventQueue(99, 0, 0));
        client.refused(Errno.EINVAL, request, size, eventQueue(99, 1, 0));
        client.refused(Errno.EINVAL, request, size, eventQueue(99, 1, (1 << 19) + 1));
        client.refused(Errno.EINVAL, request, size, eventQueue(99, 1, -1));
        client.refused(Errno.ENOENT, request, size, eventQueue(99, 1, 2));
        MemorySegment struct = client.granted(request, size, eventQueue(viommu, 1, 2));
        int queue = IommuVeventqAlloc.outVeventqId(struct);
        OpenNode file = client.caller.installed(IommuVeventqAlloc.outVeventqFd(struct));
        client.refused(Errno.EEXIST, request, size, eventQueue(viommu, 1, 2));
        client.granted(request, size, eventQueue(viommu, 7, 1 << 19));

        MemorySegment bytes = MemorySegment.ofArray(new byte[64]);
        assertThat(file.poll()).isZero();
        assertThat(file.read(client.caller, bytes, 0)).isZero();
        refused(Errno.EINVAL, () -> file.read(client.caller, bytes.asSlice(0, 7), 0));
        refused(Errno.ESPIPE, () -> file.read(client.caller, bytes, 1));
        refused(Errno.EINVAL, () -> file.write(client.caller, bytes, 0));
        FakeViommu fake = client.rig.hardware.viommu(0);
        for (int i = 0; i < 4; i++) {
            fake.events.get(1).event(new byte[] {1, 2, 3, (byte) i});
        }
        assertThat(file.poll()).isEqualTo(OpenNode.READABLE);
        refused(Errno.EINVAL, () -> file.read(client.caller, bytes.asSlice(0, 11), 0));
        assertThat(file.read(client.caller, bytes.asSlice(0, 20), 0)).as("the second does not fit").isEqualTo(12);
        assertThat(bytes.get(ValueLayout.JAVA_BYTE, 11)).isZero();
        assertThat(file.read(client.caller, bytes, 0)).isEqualTo(12 + 8);
        assertThat(IommufdVeventHeader.sequence(bytes)).isEqualTo(1);
        assertThat(IommufdVeventHeader.flags(bytes.asSlice(12))).isEqualTo(IommufdVeventHeader.IOMMU_VEVENTQ_FLAG_LOST_EVENTS);
        assertThat(IommufdVeventHeader.sequence(bytes.asSlice(12))).isEqualTo(3);
        assertThat(file.read(client.caller, bytes, 0)).isZero();
        client.refused(Errno.EBUSY, IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, s -> IommuDestroy.id(s, queue));
        refused(Errno.ENOTTY, () -> file.ioctl(client.caller, 1, 0));
    }
}
