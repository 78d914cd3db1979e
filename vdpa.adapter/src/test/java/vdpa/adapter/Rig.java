package vdpa.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
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
import vdpa.adapter.device.AdaptedVdpa;
import vdpa.adapter.node.VhostFile;
import vdpa.adapter.uapi.VhostRequest;

/** A device behind the real engine and a VT-d unit, and a client that has it open. */
final class Rig implements AutoCloseable {
    static final int STRUCT_BYTES = 64;
    /** Where {@link #map} shows {@link TestClient#BUFFER}. */
    static final long IOVA = 1L << 20;
    static final int BUFFER_BYTES = 1 << 16;
    private static final HostPhysicalMemory MEMORY = new HostPhysicalMemory();

    final Engine engine = new Engine(EngineOptions.DEFAULT);
    private final VtdBackend unit = new VtdBackend(MEMORY.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named("vtd0"));
    private final GuestRam ram = MEMORY.allocateGuestRam(4L << 20, false);
    final TestClient client = new TestClient(ram);
    final AdaptedVdpa device;
    final LoopbackDevice model;
    private final IommuNode iommu;
    OpenNode file;

    Rig(LoopbackDevice model) {
        this.model = model;
        engine.add(unit);
        iommu = new IommuNode(engine);
        device = new AdaptedVdpa(model, 0, engine.fabric(), engine.service());
        file = new VhostFile(device, client);
    }

    static Rig owned(LoopbackDevice model) {
        Rig rig = new Rig(model);
        assertThat(rig.request(VhostRequest.VHOST_SET_OWNER)).isEqualTo("0");
        return rig;
    }

    int iommufd() {
        return client.openNode(iommu.open(client));
    }

    IommufdFile iommufd(int descriptor) {
        return (IommufdFile) client.node(descriptor).orElseThrow();
    }

    MemorySegment struct() {
        return client.at(TestClient.STRUCT, STRUCT_BYTES);
    }

    /** A request with a struct of 32-bit fields. */
    String request(int number, int... fields) {
        struct().fill((byte) 0);
        MemorySegment.copy(fields, 0, struct(), ValueLayout.JAVA_INT_UNALIGNED, 0, fields.length);
        return client.ioctl(file, number, TestClient.STRUCT);
    }

    String requestLong(int number, long value) {
        return request(number, (int) value, (int) (value >>> 32));
    }

    int answer(int field) {
        return struct().get(ValueLayout.JAVA_INT_UNALIGNED, 4L * field);
    }

    long answerLong(int field) {
        return struct().get(ValueLayout.JAVA_LONG_UNALIGNED, 8L * field);
    }

    String status(int value) {
        return request(VhostRequest.VHOST_VDPA_SET_STATUS, value);
    }

    int status() {
        assertThat(request(VhostRequest.VHOST_VDPA_GET_STATUS)).isEqualTo("0");
        return answer(0);
    }

    /** What a write(2) returns, or the name of errno. */
    String write(MemorySegment message) {
        try {
            return Integer.toString(file.write(client, message, 0));
        } catch (IommufdException refused) {
            return refused.errno().name();
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    static MemorySegment message(int version, int asid, int type, long iova, long size, long uaddr, int perm) {
        MemorySegment message = MemorySegment.ofArray(new byte[72]);
        message.set(ValueLayout.JAVA_INT_UNALIGNED, 0, version);
        message.set(ValueLayout.JAVA_INT_UNALIGNED, 4, asid);
        message.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, iova);
        message.set(ValueLayout.JAVA_LONG_UNALIGNED, 16, size);
        message.set(ValueLayout.JAVA_LONG_UNALIGNED, 24, uaddr);
        message.set(ValueLayout.JAVA_BYTE, 32, (byte) perm);
        message.set(ValueLayout.JAVA_BYTE, 33, (byte) type);
        return message;
    }

    String update(int asid, long iova, long size, long uaddr, int perm) {
        return write(message(2, asid, 2, iova, size, uaddr, perm));
    }

    String invalidate(int asid, long iova, long size) {
        return write(message(2, asid, 3, iova, size, 0, 0));
    }

    void map(int asid) {
        assertThat(update(asid, IOVA, BUFFER_BYTES, TestClient.BUFFER, 3)).isEqualTo("72");
    }

    /** Negotiates and sets a queue up in {@link TestClient#BUFFER}, from an index on; its ring takes the first page of four. */
    void placeQueue(int queue, int base) {
        assertThat(request(VhostRequest.VHOST_SET_VRING_NUM, queue, 8)).isEqualTo("0");
        assertThat(request(VhostRequest.VHOST_SET_VRING_ADDR, queue, 0, (int) IOVA, 0, (int) IOVA + 0x1000, 0, (int) IOVA + 0x800, 0, 0, 0)).isEqualTo("0");
        assertThat(request(VhostRequest.VHOST_SET_VRING_BASE, queue, base)).isEqualTo("0");
        assertThat(request(VhostRequest.VHOST_VDPA_SET_VRING_ENABLE, queue, 1)).isEqualTo("0");
    }

    void negotiate() {
        assertThat(status(1)).isEqualTo("0");
        assertThat(status(3)).isEqualTo("0");
        assertThat(requestLong(VhostRequest.VHOST_SET_FEATURES, 3L << 32 | LoopbackDevice.FEATURE)).isEqualTo("0");
        assertThat(status(11)).isEqualTo("0");
    }

    /** Makes a buffer available: bytes at 0x2000 of the buffer shall come to 0x3000. */
    void offer(int index, byte value) {
        MemorySegment buffer = client.at(TestClient.BUFFER, BUFFER_BYTES);
        buffer.asSlice(0x2000, 100).fill(value);
        buffer.asSlice(0x3000, 100).fill((byte) 0);
        descriptor(buffer, 0, IOVA + 0x2000, 1);
        descriptor(buffer, 1, IOVA + 0x3000, 2);
        buffer.set(ValueLayout.JAVA_SHORT, 0x804 + 2L * (index & 7), (short) 0);
        buffer.set(ValueLayout.JAVA_SHORT, 0x802, (short) (index + 1));
    }

    private static void descriptor(MemorySegment buffer, int index, long iova, int flags) {
        buffer.set(ValueLayout.JAVA_LONG, 16L * index, iova);
        buffer.set(ValueLayout.JAVA_INT, 16L * index + 8, 100);
        buffer.set(ValueLayout.JAVA_SHORT, 16L * index + 12, (short) flags);
        buffer.set(ValueLayout.JAVA_SHORT, 16L * index + 14, (short) 1);
    }

    byte arrived() {
        return client.at(TestClient.BUFFER + 0x3000, 100).get(ValueLayout.JAVA_BYTE, 99);
    }

    int usedIndex() {
        return Short.toUnsignedInt(client.at(TestClient.BUFFER + 0x1000, 4).get(ValueLayout.JAVA_SHORT, 2));
    }

    @Override
    public void close() {
        file.close();
        assertThat(model.running.closed).isTrue();
        device.close();
        assertThat(client.taken).as("descriptors of the client that are still held").hasValue(0);
        engine.close();
        unit.close();
        ram.close();
    }
}
