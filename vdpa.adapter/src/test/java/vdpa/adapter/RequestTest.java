package vdpa.adapter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import vdpa.adapter.node.VhostFile;
import vdpa.adapter.uapi.VhostRequest;

/** Every request, with what is wrong about it. */
class RequestTest {
    private static final int NOWHERE = 4096;
    private Rig rig = Rig.owned(LoopbackDevice.full(3));

    @AfterEach
    void close() {
        rig.close();
    }

    private void plain() {
        rig.close();
        rig = Rig.owned(LoopbackDevice.plain(3));
    }

    private void ok(int request, int... fields) {
        assertThat(rig.request(request, fields)).as("request 0x%x", request).isEqualTo("0");
    }

    private void refused(Errno errno, int request, int... fields) {
        assertThat(rig.request(request, fields)).as("request 0x%x", request).isEqualTo(errno.name());
    }

    @Test
    void tellsWhatItIs() {
        ok(VhostRequest.VHOST_VDPA_GET_DEVICE_ID);
        assertThat(rig.answer(0)).isEqualTo(42);
        ok(VhostRequest.VHOST_VDPA_GET_VQS_COUNT);
        assertThat(rig.answer(0)).isEqualTo(3);
        ok(VhostRequest.VHOST_VDPA_GET_GROUP_NUM);
        assertThat(rig.answer(0)).isEqualTo(3);
        ok(VhostRequest.VHOST_VDPA_GET_AS_NUM);
        assertThat(rig.answer(0)).isEqualTo(3);
        ok(VhostRequest.VHOST_VDPA_GET_VRING_NUM);
        assertThat(rig.answer(0)).isEqualTo(256);
        ok(VhostRequest.VHOST_VDPA_GET_CONFIG_SIZE);
        assertThat(rig.answer(0)).isEqualTo(12);
        ok(VhostRequest.VHOST_GET_FEATURES);
        assertThat(rig.answerLong(0)).isEqualTo(rig.model.function().features());
        ok(VhostRequest.VHOST_GET_BACKEND_FEATURES);
        assertThat(rig.answerLong(0)).isEqualTo(0x1fe);
        ok(VhostRequest.VHOST_VDPA_GET_IOVA_RANGE);
        assertThat(rig.answerLong(1)).isGreaterThanOrEqualTo((1L << 39) - 1);
        ok(VhostRequest.VHOST_VDPA_GET_VRING_GROUP, 2);
        assertThat(rig.answer(1)).isEqualTo(1);
        ok(VhostRequest.VHOST_VDPA_GET_VRING_DESC_GROUP, 2);
        assertThat(rig.answer(1)).isEqualTo(2);
        assertThat(rig.file.poll()).isEqualTo(5);
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> rig.file.read(rig.client, MemorySegment.ofArray(new byte[72]), 0))
                .returns(Errno.EINVAL, IommufdException::errno);
    }

    @Test
    void aPlainDeviceSaysWhatItLacks() {
        plain();
        ok(VhostRequest.VHOST_GET_BACKEND_FEATURES);
        assertThat(rig.answerLong(0)).isEqualTo(0x10e);
        refused(Errno.EOPNOTSUPP, VhostRequest.VHOST_VDPA_GET_VRING_DESC_GROUP, 0);
        ok(VhostRequest.VHOST_VDPA_SUSPEND);
        rig.negotiate();
        assertThat(rig.status(15)).isEqualTo("0");
        refused(Errno.EOPNOTSUPP, VhostRequest.VHOST_VDPA_SUSPEND);
        refused(Errno.EOPNOTSUPP, VhostRequest.VHOST_VDPA_RESUME);
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_BACKEND_FEATURES, 0x10)).isEqualTo("EOPNOTSUPP");
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_BACKEND_FEATURES, 0x88)).isEqualTo("EOPNOTSUPP");
    }

    @Test
    void backendFeatures() {
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_BACKEND_FEATURES, 0x1fe)).isEqualTo("0");
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_BACKEND_FEATURES, 0x80)).isEqualTo("EINVAL");
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_BACKEND_FEATURES, 0x200)).isEqualTo("EOPNOTSUPP");
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_BACKEND_FEATURES, 1)).isEqualTo("EOPNOTSUPP");
    }

    @Test
    void featuresAndStatus() {
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_FEATURES, 1L << 32)).as("without ACCESS_PLATFORM").isEqualTo("EINVAL");
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_FEATURES, 3L << 32 | LoopbackDevice.IMPOSSIBLE)).isEqualTo("EINVAL");
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_FEATURES, 3L << 32 | 1)).as("what is not offered is left out").isEqualTo("0");
        assertThat(rig.model.running.features).isEqualTo(3L << 32);
        rig.negotiate();
        assertThat(rig.status()).isEqualTo(11);
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_FEATURES, 3L << 32)).isEqualTo("EBUSY");
        assertThat(rig.status(3)).isEqualTo("EINVAL");
        assertThat(rig.status(0)).isEqualTo("0");
        assertThat(rig.status()).isZero();
        assertThat(rig.model.running.resets).isEqualTo(1);
    }

    @Test
    void configurationSpace() {
        ok(VhostRequest.VHOST_VDPA_SET_CONFIG, 4, 8, 0x04030201, 0x08070605);
        ok(VhostRequest.VHOST_VDPA_GET_CONFIG, 0, 12);
        assertThat(rig.answer(2)).isZero();
        assertThat(rig.answer(3)).isEqualTo(0x04030201);
        for (int request : new int[] {VhostRequest.VHOST_VDPA_GET_CONFIG, VhostRequest.VHOST_VDPA_SET_CONFIG}) {
            refused(Errno.EINVAL, request, 0, 0);
            refused(Errno.EINVAL, request, 13, 1);
            refused(Errno.EINVAL, request, 4, 9);
            refused(Errno.EINVAL, request, -1, -1);
        }
    }

    @Test
    void queuesThatAreNotThere() {
        for (int request : new int[] {VhostRequest.VHOST_SET_VRING_NUM, VhostRequest.VHOST_SET_VRING_ADDR, VhostRequest.VHOST_SET_VRING_BASE,
                VhostRequest.VHOST_GET_VRING_BASE, VhostRequest.VHOST_SET_VRING_KICK, VhostRequest.VHOST_SET_VRING_CALL, VhostRequest.VHOST_SET_VRING_ERR,
                VhostRequest.VHOST_VDPA_SET_VRING_ENABLE, VhostRequest.VHOST_VDPA_GET_VRING_GROUP, VhostRequest.VHOST_VDPA_GET_VRING_DESC_GROUP,
                VhostRequest.VHOST_VDPA_SET_GROUP_ASID, VhostRequest.VHOST_VDPA_GET_VRING_SIZE, VhostRequest.VHOST_SET_VRING_BUSYLOOP_TIMEOUT}) {
            refused(Errno.ENOBUFS, request, 3, 1);
            refused(Errno.ENOBUFS, request, -1, 1);
        }
    }

    @Test
    void sizesAddressesAndStates() {
        for (int size : new int[] {0, 3, 512, 65536, -1, Integer.MIN_VALUE}) {
            refused(Errno.EINVAL, VhostRequest.VHOST_SET_VRING_NUM, 0, size);
        }
        ok(VhostRequest.VHOST_SET_VRING_NUM, 0, 64);
        ok(VhostRequest.VHOST_VDPA_GET_VRING_SIZE, 0);
        assertThat(rig.answer(1)).isEqualTo(64);
        refused(Errno.EOPNOTSUPP, VhostRequest.VHOST_SET_VRING_ADDR, 0, 2);
        refused(Errno.EINVAL, VhostRequest.VHOST_SET_VRING_ADDR, 0, 0, 0, 0, 2, 0, 0, 0);
        refused(Errno.EINVAL, VhostRequest.VHOST_SET_VRING_ADDR, 0, 0, 0, 0, 4, 0, 1, 0);
        refused(Errno.EINVAL, VhostRequest.VHOST_SET_VRING_ADDR, 0, 0, 0, 0, 4, 0, 2, 0, 2, 0);
        ok(VhostRequest.VHOST_SET_VRING_ADDR, 0, 1, 1, 0, 4, 0, 2, 0, 8, 0);
        refused(Errno.EINVAL, VhostRequest.VHOST_SET_VRING_BASE, 0, 0x10000);
        ok(VhostRequest.VHOST_SET_VRING_BASE, 0, 0xffff);
        ok(VhostRequest.VHOST_GET_VRING_BASE, 0);
        assertThat(rig.answer(1)).isEqualTo(0xffff);
        ok(VhostRequest.VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 0, 77);
        ok(VhostRequest.VHOST_GET_VRING_BUSYLOOP_TIMEOUT, 0);
        assertThat(rig.answer(1)).isEqualTo(77);
    }

    @Test
    void packedStatesHaveWrapCounters() {
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_FEATURES, 7L << 32)).isEqualTo("0");
        ok(VhostRequest.VHOST_GET_VRING_BASE, 1);
        assertThat(rig.answer(1)).as("the start").isEqualTo(0x8000_8000);
        ok(VhostRequest.VHOST_SET_VRING_BASE, 1, 0x8003_0005);
        ok(VhostRequest.VHOST_GET_VRING_BASE, 1);
        assertThat(rig.answer(1)).isEqualTo(0x8003_0005);
        ok(VhostRequest.VHOST_SET_VRING_BASE, 1, 0x8000);
        ok(VhostRequest.VHOST_GET_VRING_BASE, 1);
        assertThat(rig.answer(1)).as("DPDK's start").isEqualTo(0x8000_8000);
        assertThat(rig.status(15)).isEqualTo("0");
        refused(Errno.EINVAL, VhostRequest.VHOST_SET_VRING_ADDR, 0, 0, 0, 0, 4, 0, 2, 0);
        refused(Errno.EINVAL, VhostRequest.VHOST_SET_VRING_BASE, 0, 0);
    }

    @Test
    void groupsAndAddressSpaces() {
        refused(Errno.EINVAL, VhostRequest.VHOST_VDPA_SET_GROUP_ASID, 0, 3);
        refused(Errno.EINVAL, VhostRequest.VHOST_VDPA_SET_GROUP_ASID, 0, -1);
        ok(VhostRequest.VHOST_VDPA_SET_GROUP_ASID, 0, 2);
        plain();
        refused(Errno.EINVAL, VhostRequest.VHOST_VDPA_SET_GROUP_ASID, 1, 0);
        ok(VhostRequest.VHOST_VDPA_SET_GROUP_ASID, 0, 0);
    }

    @Test
    void eventfds() {
        int other = rig.client.openOther();
        for (int request : new int[] {VhostRequest.VHOST_SET_VRING_KICK, VhostRequest.VHOST_SET_VRING_CALL, VhostRequest.VHOST_SET_VRING_ERR}) {
            refused(Errno.EBADF, request, 0, 9999);
            refused(Errno.EBADF, request, 0, -2);
            refused(Errno.EINVAL, request, 0, other);
            ok(request, 0, rig.client.eventfd());
            ok(request, 0, rig.client.eventfd());
            assertThat(rig.client.taken).hasValue(1);
            ok(request, 0, -1);
            assertThat(rig.client.taken).hasValue(0);
        }
        refused(Errno.EBADF, VhostRequest.VHOST_VDPA_SET_CONFIG_CALL, -2);
        refused(Errno.EINVAL, VhostRequest.VHOST_VDPA_SET_CONFIG_CALL, other);
        int config = rig.client.eventfd();
        ok(VhostRequest.VHOST_VDPA_SET_CONFIG_CALL, config);
        rig.model.running.host.configChanged();
        assertThat(rig.client.eventfd(config).read()).isEqualTo(1);
        ok(VhostRequest.VHOST_VDPA_SET_CONFIG_CALL, -1);
        rig.model.running.host.configChanged();
        assertThat(rig.client.eventfd(config).read()).isZero();
    }

    @Test
    void whatLinuxDoesNotKnowOfVdpa() {
        refused(Errno.ENOTTY, VhostRequest.VHOST_SET_LOG_BASE);
        refused(Errno.ENOTTY, VhostRequest.VHOST_SET_LOG_FD);
        refused(Errno.ENOTTY, 0xAF02);
        refused(Errno.ENOTTY, 0x4008AF13);
        refused(Errno.ENOTTY, 0x8004AF08);
        refused(Errno.ENOBUFS, 0xAF02, 3);
    }

    @Test
    void memoryTables() {
        ok(VhostRequest.VHOST_SET_MEM_TABLE, 1, 0, 0, 0, 4096, 0);
        refused(Errno.EOPNOTSUPP, VhostRequest.VHOST_SET_MEM_TABLE, 1, 1);
        refused(Errno.E2BIG, VhostRequest.VHOST_SET_MEM_TABLE, 65, 0);
        refused(Errno.EFAULT, VhostRequest.VHOST_SET_MEM_TABLE, 1, 0, 4096, 0, 0, 0);
    }

    @Test
    void argumentsThatCannotBeReadOrWritten() throws ReflectiveOperationException {
        for (var field : VhostRequest.class.getFields()) {
            int request = field.getInt(null);
            boolean hasArgument = request >>> 30 != 0;
            if (hasArgument && !field.getName().contains("_LOG_")) {
                assertThat(rig.client.ioctl(rig.file, request, NOWHERE)).as(field.getName())
                        .isEqualTo(request == VhostRequest.VHOST_SET_FORK_FROM_OWNER ? "EBUSY" : "EFAULT");
            }
        }
        assertThat(rig.client.taken).hasValue(0);
    }

    @Test
    void onlyTheOwnerSetsQueuesUp() {
        refused(Errno.EBUSY, VhostRequest.VHOST_SET_OWNER);
        refused(Errno.EBUSY, VhostRequest.VHOST_SET_FORK_FROM_OWNER, 0);
        rig.close();
        rig = new Rig(LoopbackDevice.full(3));
        refused(Errno.EPERM, VhostRequest.VHOST_SET_VRING_NUM, 0, 8);
        refused(Errno.EPERM, VhostRequest.VHOST_GET_VRING_BASE, 0);
        refused(Errno.EPERM, 0xAF02);
        assertThat(rig.update(0, Rig.IOVA, 4096, TestClient.BUFFER, 3)).isEqualTo("EFAULT");
        ok(VhostRequest.VHOST_VDPA_GET_VQS_COUNT);
        refused(Errno.EINVAL, VhostRequest.VHOST_SET_FORK_FROM_OWNER, 2);
        ok(VhostRequest.VHOST_SET_FORK_FROM_OWNER, 0);
        ok(VhostRequest.VHOST_GET_FORK_FROM_OWNER);
        assertThat(rig.struct().get(ValueLayout.JAVA_BYTE, 0)).isZero();
    }

    @Test
    void oneClientAtATime() {
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> new VhostFile(rig.device, rig.client)).returns(Errno.EBUSY, IommufdException::errno);
        rig.file.close();
        assertThat(rig.model.running.closed).isTrue();
        rig.file = new VhostFile(rig.device, rig.client);
        ok(VhostRequest.VHOST_SET_OWNER);
        rig.map(0);
    }

    @Test
    void notificationPagesAreSharedAndEmptyForEachClient() {
        assertThat(rig.file.mappableFile()).isEmpty();
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> rig.model.running.host.notificationPage(0)).returns(Errno.EINVAL, IommufdException::errno);
        rig.close();
        rig = new Rig(new LoopbackDevice(LoopbackDevice.builder(3).notificationPages().build()));
        int file = rig.file.mappableFile().orElseThrow();
        MemorySegment page = rig.model.running.host.notificationPage(2);
        assertThat(byteOf(file, 2 * 4096)).isZero();
        page.set(ValueLayout.JAVA_BYTE, 0, (byte) 9);
        assertThat(byteOf(file, 2 * 4096)).isEqualTo((byte) 9);
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> rig.model.running.host.notificationPage(3)).returns(Errno.EINVAL, IommufdException::errno);
        rig.file.close();
        rig.file = new VhostFile(rig.device, rig.client);
        assertThat(byteOf(file, 2 * 4096)).isZero();
    }

    private static byte byteOf(int file, long offset) {
        try (RandomAccessFile opened = new RandomAccessFile("/proc/self/fd/" + file, "r")) {
            assertThat(opened.length()).isEqualTo(3 * 4096);
            opened.seek(offset);
            return opened.readByte();
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    @Test
    void aDeviceThatIsGone() {
        rig.map(0);
        rig.device.withdraw();
        assertThat(rig.model.running.closed).isTrue();
        refused(Errno.ENODEV, VhostRequest.VHOST_VDPA_GET_STATUS);
        assertThat(rig.update(0, Rig.IOVA, 4096, TestClient.BUFFER, 3)).isEqualTo("ENODEV");
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> new VhostFile(rig.device, rig.client)).returns(Errno.ENODEV, IommufdException::errno);
    }
}
