package vfio.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommufdFile;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import iommufd.core.node.IommuNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import vfio.adapter.device.AdaptedDevice;
import vfio.adapter.device.DeviceGroup;
import vfio.adapter.device.DeviceRegistry;
import vfio.adapter.node.DeviceFile;
import vfio.adapter.uapi.VfioDeviceAttachIommufdPt;
import vfio.adapter.uapi.VfioDeviceBindIommufd;
import vfio.adapter.uapi.VfioIrqSet;
import vfio.device.VfioDevice;

/** Devices behind the real engine and a VT-d unit, and a client. */
final class Rig implements AutoCloseable, DeviceRegistry.Publication {
    static final long CONFIG = 7L << 40;
    static final int COMMAND = 4;
    static final int MEMORY_AND_MASTER = 6;
    private static final HostPhysicalMemory MEMORY = new HostPhysicalMemory();

    final Engine engine = new Engine(EngineOptions.DEFAULT);
    private final VtdBackend unit = new VtdBackend(MEMORY.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named("vtd0"));
    private final GuestRam ram = MEMORY.allocateGuestRam(4L << 20, false);
    final TestClient client = new TestClient(ram);
    final DeviceRegistry registry;
    final Map<Integer, DeviceGroup> groups = new HashMap<>();
    final List<String> published = new ArrayList<>();
    private final IommuNode iommu;

    Rig() {
        this(2000);
    }

    Rig(long patienceMillis) {
        engine.add(unit);
        iommu = new IommuNode(engine);
        registry = new DeviceRegistry(engine.fabric(), patienceMillis, this);
    }

    @Override
    public void published(AdaptedDevice device) {
        published.add(device.nodePath());
    }

    @Override
    public void withdrawn(AdaptedDevice device) {
        published.remove(device.nodePath());
    }

    @Override
    public void published(DeviceGroup group) {
        groups.put(group.number(), group);
    }

    @Override
    public void withdrawn(DeviceGroup group) {
        groups.remove(group.number());
    }

    AdaptedDevice add(VfioDevice model) {
        registry.add(model);
        return registry.devices().stream().filter(device -> device.function() == model.function()).findFirst().orElseThrow();
    }

    /** A file of a device's own node. */
    OpenNode open(AdaptedDevice device) {
        OpenNode file = DeviceFile.ofNode(device);
        client.openNode(file);
        return file;
    }

    /** A descriptor of /dev/iommu. */
    int iommufd() {
        return client.openNode(iommu.open(client));
    }

    IommufdFile iommufd(int descriptor) {
        return (IommufdFile) client.node(descriptor).orElseThrow();
    }

    /** @return the device's number */
    int bind(OpenNode file, int iommufd) {
        return VfioDeviceBindIommufd.outDevid(client.granted(file, VfioDeviceBindIommufd.VFIO_DEVICE_BIND_IOMMUFD, VfioDeviceBindIommufd.SIZE_BYTES,
                struct -> VfioDeviceBindIommufd.iommufd(struct, iommufd)));
    }

    void refuseBind(Errno errno, OpenNode file, int iommufd) {
        client.refused(errno, file, VfioDeviceBindIommufd.VFIO_DEVICE_BIND_IOMMUFD, VfioDeviceBindIommufd.SIZE_BYTES,
                struct -> VfioDeviceBindIommufd.iommufd(struct, iommufd));
    }

    int attach(OpenNode file, int target) {
        return VfioDeviceAttachIommufdPt.ptId(client.granted(file, VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_IOMMUFD_PT,
                VfioDeviceAttachIommufdPt.SIZE_BYTES, struct -> VfioDeviceAttachIommufdPt.ptId(struct, target)));
    }

    /** An address space that shows the client's buffer from IOVA 1 MiB on. */
    Ioas ioas(int iommufd) {
        Ioas ioas = iommufd(iommufd).context().allocateIoas();
        ioas.mapAt(1 << 20, client.mappable(), TestClient.BUFFER, 1 << 16, DmaAccess.READ_WRITE);
        return ioas;
    }

    /** A device that is bound, attached to {@link #ioas}, and may send requests. */
    OpenNode ready(AdaptedDevice device) {
        OpenNode file = open(device);
        int iommufd = iommufd();
        bind(file, iommufd);
        attach(file, ioas(iommufd).id());
        write(file, CONFIG + COMMAND, 2, MEMORY_AND_MASTER);
        return file;
    }

    long read(OpenNode file, long position, int width) {
        MemorySegment bytes = MemorySegment.ofArray(new long[1]).asSlice(0, 8);
        assertThat(readInto(file, position, bytes.asSlice(0, width))).isEqualTo(width);
        return bytes.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    }

    int readInto(OpenNode file, long position, MemorySegment target) {
        try {
            return file.read(client, target, position);
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    void write(OpenNode file, long position, int width, long value) {
        MemorySegment bytes = MemorySegment.ofArray(new long[] {value});
        try {
            assertThat(file.write(client, bytes.asSlice(0, width), position)).isEqualTo(width);
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    /** What errno a read answers. */
    Errno readRefused(OpenNode file, long position, int width) {
        try {
            read(file, position, width);
        } catch (IommufdException refused) {
            return refused.errno();
        }
        throw new AssertionError("the read was granted");
    }

    /** Tells the test device to do something. */
    void command(OpenNode file, int command, long iova, long value) {
        write(file, TestDevice.IOVA, 8, iova);
        write(file, TestDevice.VALUE, 8, value);
        write(file, TestDevice.COMMAND, 8, command);
    }

    /** {@code VFIO_DEVICE_SET_IRQS} with descriptors or nothing. */
    String setIrqs(OpenNode file, int flags, int index, int start, int count, int... descriptors) {
        client.struct(VfioIrqSet.SIZE_BYTES + descriptors.length * Integer.BYTES, struct -> {
            VfioIrqSet.flags(struct, flags);
            VfioIrqSet.index(struct, index);
            VfioIrqSet.start(struct, start);
            VfioIrqSet.count(struct, count);
            MemorySegment.copy(descriptors, 0, struct, ValueLayout.JAVA_INT_UNALIGNED, VfioIrqSet.SIZE_BYTES, descriptors.length);
        });
        return client.ioctl(file, VfioIrqSet.VFIO_DEVICE_SET_IRQS, TestClient.STRUCT);
    }

    @Override
    public void close() {
        registry.close();
        assertThat(client.taken).as("descriptors of the client that are still held").hasValue(0);
        assertThat(published).isEmpty();
        assertThat(groups).isEmpty();
        engine.close();
        unit.close();
        ram.close();
    }
}
