package vfio.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.OpenNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import vfio.adapter.uapi.VfioDeviceFeature;
import vfio.adapter.uapi.VfioDeviceFeatureDmaLoggingControl;
import vfio.adapter.uapi.VfioDeviceFeatureDmaLoggingReport;
import vfio.adapter.uapi.VfioDeviceFeatureMigState;
import vfio.adapter.uapi.VfioPrecopyInfo;
import vfio.device.Migration.Activity;
import vfio.device.PciFunction;
import vfio.device.SriovCapability;

/** {@code VFIO_DEVICE_FEATURE}: migration, dirty logs, low power, tokens. */
class FeatureTest {
    private static final int GET = VfioDeviceFeature.VFIO_DEVICE_FEATURE_GET;
    private static final int SET = VfioDeviceFeature.VFIO_DEVICE_FEATURE_SET;
    private static final int PROBE = VfioDeviceFeature.VFIO_DEVICE_FEATURE_PROBE;
    private static final int STATE = VfioDeviceFeature.VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
    private static final int DATA = VfioDeviceFeature.SIZE_BYTES;
    private static final int STOP = 1;
    private static final int RUNNING = 2;
    private static final int STOP_COPY = 3;
    private static final int RESUMING = 4;
    private static final int RUNNING_P2P = 5;
    private static final int PRE_COPY = 6;
    private static final int RESET = 0x3B6F;

    private final Rig rig = new Rig();
    private final TestDevice model = TestDevice.at(0, 5);
    private OpenNode file;

    @BeforeEach
    void open() {
        file = rig.ready(rig.add(model));
    }

    @AfterEach
    void close() {
        file.close();
        rig.close();
    }

    private String feature(int flags, int dataBytes, Consumer<MemorySegment> data) {
        rig.client.struct(DATA + dataBytes, struct -> {
            VfioDeviceFeature.flags(struct, flags);
            data.accept(struct.asSlice(DATA));
        });
        return rig.client.ioctl(file, VfioDeviceFeature.VFIO_DEVICE_FEATURE, TestClient.STRUCT);
    }

    private MemorySegment data(int bytes) {
        return rig.client.at(TestClient.STRUCT + DATA, bytes);
    }

    private String set(int state) {
        return feature(SET | STATE, 8, data -> VfioDeviceFeatureMigState.deviceState(data, state));
    }

    private OpenNode dataFile() {
        return rig.client.node((long) VfioDeviceFeatureMigState.dataFd(data(8)));
    }

    private int state() {
        assertThat(feature(GET | STATE, 8, data -> { })).isEqualTo("0");
        assertThat(VfioDeviceFeatureMigState.dataFd(data(8))).isEqualTo(-1);
        return VfioDeviceFeatureMigState.deviceState(data(8));
    }

    private int read(OpenNode from, MemorySegment target) throws InterruptedException {
        try {
            return from.read(rig.client, target, 0);
        } catch (IommufdException refused) {
            return -refused.errno().number();
        }
    }

    @Test
    void theStateMovesToAnotherDevice() throws InterruptedException {
        rig.write(file, TestDevice.VALUE, 8, 0x1234);
        assertThat(feature(GET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_MIGRATION, 8, data -> { })).isEqualTo("0");
        assertThat(data(8).get(ValueLayout.JAVA_LONG_UNALIGNED, 0)).isEqualTo(7);
        assertThat(feature(GET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, 8, data -> { })).isEqualTo("0");
        assertThat(data(8).get(ValueLayout.JAVA_LONG_UNALIGNED, 0)).isEqualTo(16);
        assertThat(state()).isEqualTo(RUNNING);
        assertThat(set(STOP_COPY)).isEqualTo("0");
        assertThat(model.running.activity).isEqualTo(Activity.STOPPED);
        OpenNode saving = dataFile();
        MemorySegment bytes = MemorySegment.ofArray(new byte[64]);
        assertThat(read(saving, bytes)).isEqualTo(16);
        assertThat(read(saving, bytes.asSlice(16))).as("the end").isZero();
        assertThat(set(RUNNING)).isEqualTo("0");
        assertThat(model.running.activity).isEqualTo(Activity.RUNNING);
        assertThat(read(saving, bytes.asSlice(16))).isEqualTo(-Errno.ENODEV.number());
        rig.write(file, TestDevice.VALUE, 8, 0);
        assertThat(set(RESUMING)).isEqualTo("0");
        assertThat(dataFile().write(rig.client, bytes.asSlice(0, 16), 0)).isEqualTo(16);
        assertThat(set(RUNNING)).isEqualTo("0");
        assertThat(rig.read(file, TestDevice.VALUE, 8)).isEqualTo(0x1234);
    }

    @Test
    void aRunningDevicesStateEndsOnlyForNow() throws InterruptedException {
        assertThat(set(PRE_COPY)).isEqualTo("0");
        assertThat(model.running.activity).isEqualTo(Activity.RUNNING);
        OpenNode saving = dataFile();
        MemorySegment info = rig.client.granted(saving, VfioPrecopyInfo.VFIO_MIG_GET_PRECOPY_INFO, VfioPrecopyInfo.SIZE_BYTES, struct -> { });
        assertThat(VfioPrecopyInfo.initialBytes(info)).isEqualTo(4);
        MemorySegment bytes = MemorySegment.ofArray(new byte[64]);
        assertThat(read(saving, bytes)).isEqualTo(4);
        assertThat(read(saving, bytes)).isEqualTo(-Errno.ENOMSG.number());
        assertThat(set(STOP_COPY)).isEqualTo("0");
        assertThat(VfioDeviceFeatureMigState.dataFd(data(8))).as("the same file goes on").isEqualTo(-1);
        assertThat(read(saving, bytes)).isEqualTo(16);
        assertThat(read(saving, bytes)).isZero();
        rig.client.refused(Errno.EINVAL, saving, VfioPrecopyInfo.VFIO_MIG_GET_PRECOPY_INFO, VfioPrecopyInfo.SIZE_BYTES, struct -> { });
        assertThat(set(PRE_COPY)).isEqualTo("EINVAL");
        assertThat(set(99)).isEqualTo("EINVAL");
        assertThat(set(0)).isEqualTo("EINVAL");
        assertThat(state()).isEqualTo(STOP_COPY);
        assertThat(set(RUNNING_P2P)).isEqualTo("0");
        assertThat(model.running.activity).isEqualTo(Activity.PASSIVE);
    }

    @Test
    void whatIsNoStateBreaksTheDeviceUntilItIsReset() throws InterruptedException {
        assertThat(set(RESUMING)).isEqualTo("0");
        assertThat(dataFile().write(rig.client, MemorySegment.ofArray(new byte[5]), 0)).isEqualTo(5);
        assertThat(set(STOP)).isEqualTo("EINVAL");
        assertThat(state()).as("error").isZero();
        assertThat(set(RUNNING)).isEqualTo("EINVAL");
        assertThat(rig.client.ioctl(file, RESET, 0)).isEqualTo("0");
        assertThat(state()).isEqualTo(RUNNING);
    }

    private String start(long pageBytes, long... ranges) {
        MemorySegment.copy(ranges, 0, rig.client.at(TestClient.ARRAY, ranges.length * 8L), ValueLayout.JAVA_LONG_UNALIGNED, 0, ranges.length);
        return feature(SET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_DMA_LOGGING_START, VfioDeviceFeatureDmaLoggingControl.SIZE_BYTES, data -> {
            VfioDeviceFeatureDmaLoggingControl.pageSize(data, pageBytes);
            VfioDeviceFeatureDmaLoggingControl.numRanges(data, ranges.length / 2);
            VfioDeviceFeatureDmaLoggingControl.ranges(data, TestClient.ARRAY);
        });
    }

    private String report(long iova, long length, long pageBytes, long bitmap) {
        return feature(GET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, VfioDeviceFeatureDmaLoggingReport.SIZE_BYTES, data -> {
            VfioDeviceFeatureDmaLoggingReport.iova(data, iova);
            VfioDeviceFeatureDmaLoggingReport.length(data, length);
            VfioDeviceFeatureDmaLoggingReport.pageSize(data, pageBytes);
            VfioDeviceFeatureDmaLoggingReport.bitmap(data, bitmap);
        });
    }

    @Test
    void whatDmaWritesIsReportedOnce() {
        MemorySegment bitmap = rig.client.at(TestClient.ARRAY + 4096, 8);
        assertThat(report(1 << 20, 1 << 16, 4096, TestClient.ARRAY + 4096)).as("nothing is recorded").isEqualTo("EINVAL");
        assertThat(start(4096, 1 << 20, 1 << 16)).isEqualTo("0");
        assertThat(start(4096, 1 << 20, 1 << 16)).as("it is recorded already").isEqualTo("EINVAL");
        rig.command(file, 1, (1 << 20) + 3 * 4096, 1);
        rig.command(file, 7, (1 << 20) + 5 * 4096, 1);
        rig.command(file, 2, (1 << 20) + 7 * 4096, 1);
        bitmap.set(ValueLayout.JAVA_LONG, 0, 1L << 60);
        assertThat(report(1 << 20, 1 << 16, 4096, TestClient.ARRAY + 4096)).isEqualTo("0");
        assertThat(bitmap.get(ValueLayout.JAVA_LONG, 0)).as("bits are added").isEqualTo(1L << 60 | 1 << 3 | 1 << 5);
        bitmap.set(ValueLayout.JAVA_LONG, 0, 0);
        assertThat(report(1 << 20, 1 << 16, 4096, TestClient.ARRAY + 4096)).isEqualTo("0");
        assertThat(bitmap.get(ValueLayout.JAVA_LONG, 0)).isZero();
        rig.command(file, 1, (1 << 20) + 9 * 4096, 1);
        assertThat(report(1 << 20, 1 << 16, 4096, TestClient.BASE - 4096)).isEqualTo("EFAULT");
        assertThat(report(1 << 20, 1 << 16, 8192, TestClient.ARRAY + 4096)).as("nothing was lost").isEqualTo("0");
        assertThat(bitmap.get(ValueLayout.JAVA_LONG, 0)).isEqualTo(1 << 4);
        assertThat(report(1 << 20, 1 << 16, 2048, TestClient.ARRAY)).isEqualTo("EINVAL");
        assertThat(report(1 << 20, -4096, 4096, TestClient.ARRAY)).isEqualTo("EOVERFLOW");
        assertThat(feature(SET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, 0, data -> { })).isEqualTo("0");
        assertThat(start(4096, 1 << 20, 4095)).isEqualTo("EINVAL");
        assertThat(start(4096, 1 << 20, 4096, 1 << 20, 4096)).isEqualTo("EINVAL");
        assertThat(start(4096, -4096, 8192)).isEqualTo("EOVERFLOW");
        assertThat(start(4096)).isEqualTo("EINVAL");
        assertThat(start(3000, 0, 3000)).isEqualTo("EINVAL");
        assertThat(feature(SET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_DMA_LOGGING_START, VfioDeviceFeatureDmaLoggingControl.SIZE_BYTES, data ->
            VfioDeviceFeatureDmaLoggingControl.numRanges(data, 257))).isEqualTo("E2BIG");
    }

    @Test
    void everyFeatureHasTheSameRules() {
        assertThat(feature(PROBE | GET | SET | STATE, 0, data -> { })).isEqualTo("0");
        assertThat(feature(GET | SET | STATE, 8, data -> { })).isEqualTo("EINVAL");
        assertThat(feature(STATE, 8, data -> { })).isEqualTo("EINVAL");
        assertThat(feature(GET | STATE, 7, data -> { })).isEqualTo("EINVAL");
        assertThat(feature(1 << 19 | GET | STATE, 8, data -> { })).isEqualTo("EINVAL");
        assertThat(feature(PROBE | SET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_MIGRATION, 8, data -> { })).isEqualTo("EINVAL");
        assertThat(feature(PROBE | SET, 16, data -> { })).as("a token, but there are no virtual functions").isEqualTo("ENOTTY");
        assertThat(feature(PROBE | SET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_BUS_MASTER, 4, data -> { })).isEqualTo("ENOTTY");
        assertThat(feature(PROBE | GET | 99, 4, data -> { })).isEqualTo("ENOTTY");
        assertThat(feature(SET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, 0, data -> { })).isEqualTo("0");
    }

    @Test
    void lowPowerEndsWithTheNextAccess() {
        int wakeup = rig.client.eventfd();
        assertThat(feature(SET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, 8,
                data -> data.set(ValueLayout.JAVA_INT_UNALIGNED, 0, wakeup))).isEqualTo("0");
        assertThat(rig.client.eventfd(wakeup).read()).isZero();
        rig.read(file, Rig.CONFIG, 2);
        assertThat(rig.client.eventfd(wakeup).read()).isEqualTo(1);
        assertThat(rig.client.taken).hasValue(0);
        assertThat(feature(SET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 0, data -> { })).isEqualTo("0");
        assertThat(feature(SET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 0, data -> { })).isEqualTo("EINVAL");
        assertThat(feature(SET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, 0, data -> { })).isEqualTo("0");
        assertThat(feature(SET | VfioDeviceFeature.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 0, data -> { })).isEqualTo("0");
    }

    @Test
    void physicalFunctionsHaveATokenThatCanBeSetOnly() {
        PciFunction function = TestDevice.builder(0, 6).capability(new SriovCapability(4, 1, 1, 0x10CA)).build();
        file.close();
        file = rig.ready(rig.add(new TestDevice(function)));
        assertThat(feature(SET, 16, data -> data.fill((byte) 7))).isEqualTo("0");
        assertThat(feature(GET, 16, data -> { })).isEqualTo("EINVAL");
    }
}
