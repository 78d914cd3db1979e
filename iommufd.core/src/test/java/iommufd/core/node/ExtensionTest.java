package iommufd.core.node;

import static iommufd.core.node.Client.BUFFER;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.PagingHwpt;
import iommufd.api.Viommu;
import iommufd.api.ViommuTable;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IoctlExtension;
import iommufd.api.uapi.IommuDestroy;
import iommufd.api.uapi.IommuHwptInvalidate;
import iommufd.api.uapi.IommuIoasMap;
import iommufd.api.uapi.IommuIoasMapFile;
import iommufd.api.uapi.IommufdFile;
import iommufd.api.uapi.MappableNode;
import iommufd.api.uapi.VfioRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What an extension can do that serves more requests of /dev/iommu. */
class ExtensionTest {
    private static final long PAGE = 4096;
    private static final int TEST_CMD = 0x3BA0;
    private final Client client = new Client();
    private final Echo extension = new Echo();

    /** Returns its argument; remembers what it was asked. */
    private static final class Echo implements IoctlExtension {
        final List<IommufdFile> opened = new ArrayList<>();
        int closed;

        @Override
        public Session open(IommufdFile file) {
            opened.add(file);
            return new Session() {
                @Override
                public long ioctl(Caller caller, int request, long argument) {
                    return argument;
                }

                @Override
                public void close() {
                    closed++;
                    file.context().allocateIoas();   // the context is still there
                }
            };
        }
    }

    @AfterEach
    void close() {
        client.close();
    }

    private static void refused(Errno errno, ThrowingCallable call) {
        assertThatExceptionOfType(IommufdException.class).isThrownBy(call).returns(errno, IommufdException::errno);
    }

    private void deploy(Object requests) {
        client.node.add(extension, Map.of(IoctlExtension.REQUESTS, requests, IoctlExtension.COUNTS_PINS, true));
    }

    @Test
    void itServesTheRequestsItNamesOncePerFile() {
        assertThat(Client.name(client.raw(TEST_CMD, 7))).isEqualTo("ENOTTY");
        deploy(new int[] {TEST_CMD, VfioRequest.VFIO_GET_API_VERSION});
        assertThat(client.raw(TEST_CMD, 7)).isEqualTo(7);
        assertThat(client.raw(TEST_CMD, 8)).isEqualTo(8);
        assertThat(client.raw(VfioRequest.VFIO_GET_API_VERSION, 9)).as("it comes before what is served here").isEqualTo(9);
        assertThat(extension.opened).containsExactly(client.file);
        client.exit();
        assertThat(extension.closed).isEqualTo(1);
    }

    @Test
    void itsPartOfEveryFileEndsWithIt() {
        deploy(TEST_CMD);
        client.raw(TEST_CMD, 7);
        client.node.remove(extension);
        assertThat(extension.closed).isEqualTo(1);
        assertThat(Client.name(client.raw(TEST_CMD, 7))).isEqualTo("ENOTTY");
        client.exit();
        assertThat(extension.closed).isEqualTo(1);
    }

    @Test
    void itsObjectsHaveNumbersLikeAnyOther() {
        AtomicInteger destroyed = new AtomicInteger();
        IommufdFile.ExtensionObject object = destroyed::incrementAndGet;
        int first = client.file.add(object);
        int second = client.file.add(object);
        assertThat(client.file.context().allocateIoas().id()).isEqualTo(second + 1);
        assertThat(client.file.extensionObject(first)).contains(object);
        assertThat(client.file.extensionObject(second + 1)).isEmpty();
        refused(Errno.ENOENT, () -> client.file.context().object(first));
        client.granted(IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, s -> IommuDestroy.id(s, first));
        assertThat(destroyed).hasValue(1);
        client.refused(Errno.EINVAL, IommuHwptInvalidate.IOMMU_HWPT_INVALIDATE, IommuHwptInvalidate.SIZE_BYTES, s -> IommuHwptInvalidate.hwptId(s, second));
        client.file.remove(second);
        client.file.remove(second + 1);
        client.refused(Errno.ENOENT, IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, s -> IommuDestroy.id(s, second));
        assertThat(client.file.context().object(second + 1)).isInstanceOf(Ioas.class);
        client.file.add(object);
        client.exit();
        assertThat(destroyed).as("a context's end asks nobody").hasValue(1);
    }

    @Test
    void itReachesWhatTheHardwareMade() {
        BoundDevice device = client.bind(1);
        Ioas ioas = client.file.context().allocateIoas();
        PagingHwpt parent = client.file.context().allocateHwpt(device, ioas, HwptOptions.asNestParent());
        Viommu viommu = client.file.context().allocateViommu(device, parent, new ViommuTable(1, new byte[0]));
        assertThat(client.file.hardwareDomain(parent).getClass().getSimpleName()).isEqualTo("FakePagingDomain");
        assertThat(client.file.hardwareViommu(viommu)).isSameAs(client.rig.hardware.viommu(0));
        client.file.reserve(ioas, new IovaRange(PAGE, 2 * PAGE - 1));
        refused(Errno.EINVAL, () -> ioas.mapAt(PAGE, client.caller.mappable(), BUFFER, PAGE, DmaAccess.READ));
    }

    @Test
    void itCountsPinsOfFilesThatWereOpenedWhileItWasThere() throws InterruptedException {
        deploy(TEST_CMD);
        IommufdFile counted = (IommufdFile) client.node.open(client.caller);
        Ioas ioas = counted.context().allocateIoas();
        ioas.destroy();
        BoundDevice device = counted.context().bind(client.rig.plug(1));
        Ioas mapped = counted.context().allocateIoas();
        device.attach(mapped);
        client.struct(IommuIoasMap.SIZE_BYTES, struct -> {
            IommuIoasMap.flags(struct, IommuIoasMap.IOMMU_IOAS_MAP_READABLE);
            IommuIoasMap.ioasId(struct, mapped.id());
            IommuIoasMap.userVa(struct, BUFFER);
            IommuIoasMap.length(struct, 2 * PAGE);
        });
        assertThat(counted.ioctl(client.caller, IommuIoasMap.IOMMU_IOAS_MAP, Client.STRUCT)).isZero();
        UserMemory memory = client.caller.mappable();
        PinnedRuns runs = new PinnedRuns(1);
        memory.pin(BUFFER, PAGE, false, runs);
        assertThat(counted.pins(runs.physicalAddress(0))).as("the mapping's pin, not the test's").isEqualTo(1);
        counted.close();
        assertThat(counted.pins(runs.physicalAddress(0))).isZero();
        memory.unpin(runs.physicalAddress(0), PAGE);
    }

    @Test
    void aHoldKeepsTheContextOpen() {
        IommufdFile.Hold hold = client.file.hold();
        client.exit();
        assertThat(client.file.context().allocateIoas().id()).isEqualTo(1);
        hold.close();
        hold.close();
        refused(Errno.EBADF, () -> client.file.context().allocateIoas());
        refused(Errno.EBADF, client.file::hold);
    }

    @Test
    void itsFilesCanBeMapped() {
        record Exported(UserMemory mappable) implements MappableNode {
            @Override
            public long ioctl(Caller caller, int request, long argument) {
                return 0;
            }

            @Override
            public void close() { }
        }
        OpenNode exported = new Exported(client.rig.ram);
        int descriptor = client.caller.openNode(exported);
        int ioas = client.file.context().allocateIoas().id();
        client.granted(IommuIoasMapFile.IOMMU_IOAS_MAP_FILE, IommuIoasMapFile.SIZE_BYTES, struct -> {
            IommuIoasMapFile.flags(struct, IommuIoasMap.IOMMU_IOAS_MAP_READABLE);
            IommuIoasMapFile.ioasId(struct, ioas);
            IommuIoasMapFile.fd(struct, descriptor);
            IommuIoasMapFile.length(struct, PAGE);
        });
        assertThat(((Ioas) client.file.context().object(ioas)).mappedBytes()).isEqualTo(PAGE);
    }
}
