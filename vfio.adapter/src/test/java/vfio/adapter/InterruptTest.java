package vfio.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Errno;
import iommufd.api.node.OpenNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import vfio.adapter.uapi.VfioIrqInfo;
import vfio.adapter.uapi.VfioIrqSet;
import vfio.device.Interrupts.Mode;

/** Interrupts from the device to the client's eventfds, and the rules of setting them up. */
class InterruptTest {
    private static final int TRIGGER = VfioIrqSet.VFIO_IRQ_SET_ACTION_TRIGGER;
    private static final int MASK = VfioIrqSet.VFIO_IRQ_SET_ACTION_MASK;
    private static final int UNMASK = VfioIrqSet.VFIO_IRQ_SET_ACTION_UNMASK;
    private static final int NONE = VfioIrqSet.VFIO_IRQ_SET_DATA_NONE;
    private static final int BOOL = VfioIrqSet.VFIO_IRQ_SET_DATA_BOOL;
    private static final int EVENTFD = VfioIrqSet.VFIO_IRQ_SET_DATA_EVENTFD;
    private static final int INTX = VfioIrqInfo.VFIO_PCI_INTX_IRQ_INDEX;
    private static final int MSI = VfioIrqInfo.VFIO_PCI_MSI_IRQ_INDEX;
    private static final int MSIX = VfioIrqInfo.VFIO_PCI_MSIX_IRQ_INDEX;
    private static final int ERROR = VfioIrqInfo.VFIO_PCI_ERR_IRQ_INDEX;
    private static final int REQUEST = VfioIrqInfo.VFIO_PCI_REQ_IRQ_INDEX;
    private static final int MESSAGE = 3;
    private static final int RAISE = 4;
    private static final int LOWER = 5;
    private static final int STATUS = 6;

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

    private int count(int eventfd) {
        return rig.client.eventfd(eventfd).read();
    }

    @Test
    void everyKindTellsWhatItIs() {
        int[] flags = {7, 9, 1, 9, 9};
        int[] counts = {1, 4, TestDevice.VECTORS, 1, 1};
        for (int index = 0; index < VfioIrqInfo.VFIO_PCI_NUM_IRQS; index++) {
            int kind = index;
            MemorySegment info = rig.client.granted(file, VfioIrqInfo.VFIO_DEVICE_GET_IRQ_INFO, VfioIrqInfo.SIZE_BYTES, struct -> VfioIrqInfo.index(struct, kind));
            assertThat(VfioIrqInfo.flags(info)).as("flags of %d", index).isEqualTo(flags[index]);
            assertThat(VfioIrqInfo.count(info)).as("vectors of %d", index).isEqualTo(counts[index]);
        }
        rig.client.refused(Errno.EINVAL, file, VfioIrqInfo.VFIO_DEVICE_GET_IRQ_INFO, VfioIrqInfo.SIZE_BYTES, struct -> VfioIrqInfo.index(struct, 5));
        rig.client.refused(Errno.EINVAL, file, VfioIrqInfo.VFIO_DEVICE_GET_IRQ_INFO, VfioIrqInfo.SIZE_BYTES, struct -> VfioIrqInfo.argsz(struct, 12));
    }

    @ParameterizedTest
    @CsvSource({"1, MSI", "2, MSIX"})
    void messagesReachTheirEventfds(int index, Mode mode) {
        int first = rig.client.eventfd();
        int third = rig.client.eventfd();
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, index, 0, 3, first, -1, third)).isEqualTo("0");
        assertThat(model.running.mode()).isEqualTo(mode);
        for (int vector = 0; vector < TestDevice.VECTORS + 1; vector++) {
            rig.command(file, MESSAGE, 0, vector);
        }
        assertThat(count(first)).isEqualTo(1);
        assertThat(count(third)).isEqualTo(1);
        assertThat(rig.setIrqs(file, TRIGGER | NONE, index, 0, 3)).as("the client's own test").isEqualTo("0");
        assertThat(count(first)).isEqualTo(1);
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, index, 0, 1, third)).as("another eventfd for one vector").isEqualTo("0");
        rig.command(file, MESSAGE, 0, 0);
        assertThat(count(first)).isZero();
        assertThat(count(third)).isEqualTo(2);
        rig.write(file, Rig.CONFIG + Rig.COMMAND, 2, 2);
        rig.command(file, MESSAGE, 0, 0);
        assertThat(count(third)).as("a message is a request, which needs bus mastering").isZero();
        assertThat(rig.setIrqs(file, TRIGGER | NONE, index, 0, 0)).isEqualTo("0");
        assertThat(model.running.mode()).isEqualTo(Mode.NONE);
        assertThat(rig.client.taken).hasValue(0);
    }

    @Test
    void boolsSayWhichVectorsAreTested() {
        int first = rig.client.eventfd();
        int second = rig.client.eventfd();
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, MSIX, 0, 2, first, second)).isEqualTo("0");
        rig.client.struct(VfioIrqSet.SIZE_BYTES + 2, struct -> {
            VfioIrqSet.flags(struct, TRIGGER | BOOL);
            VfioIrqSet.index(struct, MSIX);
            VfioIrqSet.count(struct, 2);
            struct.set(ValueLayout.JAVA_BYTE, VfioIrqSet.SIZE_BYTES + 1, (byte) 1);
        });
        assertThat(rig.client.ioctl(file, VfioIrqSet.VFIO_DEVICE_SET_IRQS, TestClient.STRUCT)).isEqualTo("0");
        assertThat(count(first)).isZero();
        assertThat(count(second)).isEqualTo(1);
    }

    @Test
    void msixGrowsAndMsiDoesNot() {
        int eventfd = rig.client.eventfd();
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, MSIX, 0, 1, eventfd)).isEqualTo("0");
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, MSIX, 3, 1, eventfd)).isEqualTo("0");
        rig.command(file, MESSAGE, 0, 3);
        assertThat(count(eventfd)).isEqualTo(1);
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, MSI, 0, 1, eventfd)).as("one mode at a time").isEqualTo("EINVAL");
        assertThat(rig.setIrqs(file, TRIGGER | NONE, MSIX, 0, 0)).isEqualTo("0");
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, MSI, 0, 2, eventfd, eventfd)).isEqualTo("0");
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, MSI, 3, 1, eventfd)).isEqualTo("EINVAL");
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, MSI, 0, 1, eventfd)).isEqualTo("0");
    }

    @Test
    void aBadEventfdEnablesNothingAndLeavesNothing() {
        int eventfd = rig.client.eventfd();
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, MSIX, 0, 2, eventfd, rig.client.openOther())).isEqualTo("EINVAL");
        assertThat(model.running.mode()).isEqualTo(Mode.NONE);
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, MSIX, 0, 2, eventfd, 999)).isEqualTo("EBADF");
        assertThat(rig.client.taken).hasValue(0);
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, MSIX, 0, 2, eventfd, eventfd)).isEqualTo("0");
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, MSIX, 0, 2, eventfd, 999)).isEqualTo("EBADF");
        rig.command(file, MESSAGE, 0, 0);
        assertThat(count(eventfd)).as("Linux clears the whole range").isZero();
    }

    @ParameterizedTest
    @CsvSource({
        "0x24, 5, 0, 1, EINVAL", // no such kind
        "0x24, 2, 4, 1, EINVAL", // no such vector
        "0x24, 2, 0, 5, EINVAL",
        "0x27, 2, 0, 1, EINVAL", // several kinds of data
        "0x20, 2, 0, 1, EINVAL", // none
        "0x64, 2, 0, 1, EINVAL", // an unknown flag
        "0x04, 2, 0, 1, ENOTTY", // no action
        "0x0C, 2, 0, 1, ENOTTY", // messages cannot be masked
        "0x14, 1, 0, 1, ENOTTY",
        "0x09, 0, 0, 1, EINVAL", // the line is not enabled
        "0x21, 0, 0, 1, EINVAL",
        "0x21, 2, 0, 1, EINVAL", // MSI-X is not enabled
        "0x21, 2, 0, 0, EINVAL",
        "0x24, 2, 0, 0, ERANGE", // no vectors to enable
        "0x24, 1, 0, 0, ERANGE",
        "0x21, 3, 0, 1, EINVAL", // nobody to be told of errors
        "0x09, 3, 0, 1, ENOTTY",
        "0x24, 3, 0, 0, EINVAL",
        "0x24, 4, 1, 0, EINVAL"})
    void refusalsAreThoseOfLinux(String flags, int index, int start, int count, String errno) {
        int[] descriptors = new int[Math.min(count, 5)];
        java.util.Arrays.fill(descriptors, rig.client.eventfd());
        assertThat(rig.setIrqs(file, Integer.decode(flags), index, start, count, descriptors)).isEqualTo(errno);
    }

    @Test
    void missingDataAreRefused() {
        rig.client.struct(VfioIrqSet.SIZE_BYTES, struct -> {
            VfioIrqSet.flags(struct, TRIGGER | EVENTFD);
            VfioIrqSet.index(struct, MSIX);
            VfioIrqSet.count(struct, 1);
        });
        assertThat(rig.client.ioctl(file, VfioIrqSet.VFIO_DEVICE_SET_IRQS, TestClient.STRUCT)).isEqualTo("EINVAL");
    }

    @Test
    void theLineMasksItselfUntilTheClientUnmasksIt() {
        int eventfd = rig.client.eventfd();
        rig.command(file, RAISE, 0, 0);
        assertThat(rig.read(file, Rig.CONFIG + STATUS, 2) & 8).isEqualTo(8);
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, INTX, 0, 1, eventfd)).isEqualTo("0");
        assertThat(model.running.mode()).isEqualTo(Mode.INTX);
        assertThat(count(eventfd)).as("it was high before").isEqualTo(1);
        rig.command(file, RAISE, 0, 0);
        assertThat(count(eventfd)).as("masked").isZero();
        assertThat(rig.setIrqs(file, UNMASK | NONE, INTX, 0, 1)).isEqualTo("0");
        assertThat(count(eventfd)).as("still high").isEqualTo(1);
        rig.command(file, LOWER, 0, 0);
        assertThat(rig.setIrqs(file, UNMASK | NONE, INTX, 0, 1)).isEqualTo("0");
        assertThat(count(eventfd)).isZero();
        rig.command(file, RAISE, 0, 0);
        assertThat(count(eventfd)).isEqualTo(1);
        rig.command(file, LOWER, 0, 0);
        int unmask = rig.client.eventfd();
        assertThat(rig.setIrqs(file, UNMASK | EVENTFD, INTX, 0, 1, unmask)).isEqualTo("0");
        assertThat(rig.setIrqs(file, UNMASK | EVENTFD, INTX, 0, 1, rig.client.eventfd())).isEqualTo("EBUSY");
        rig.client.eventfd(unmask).write();
        rig.command(file, RAISE, 0, 0);
        assertThat(count(eventfd)).isEqualTo(1);
        assertThat(rig.setIrqs(file, MASK | EVENTFD, INTX, 0, 1, unmask)).isEqualTo("ENOTTY");
        assertThat(rig.setIrqs(file, TRIGGER | NONE, INTX, 0, 0)).isEqualTo("0");
        assertThat(rig.client.taken).hasValue(0);
    }

    @Test
    void intxDisableInTheCommandRegisterMasks() {
        int eventfd = rig.client.eventfd();
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, INTX, 0, 1, eventfd)).isEqualTo("0");
        rig.write(file, Rig.CONFIG + Rig.COMMAND, 2, Rig.MEMORY_AND_MASTER | 0x400);
        rig.command(file, RAISE, 0, 0);
        assertThat(rig.setIrqs(file, UNMASK | NONE, INTX, 0, 1)).isEqualTo("0");
        assertThat(count(eventfd)).isZero();
        rig.write(file, Rig.CONFIG + Rig.COMMAND, 2, Rig.MEMORY_AND_MASTER);
        assertThat(count(eventfd)).isEqualTo(1);
    }

    @Test
    void errorsAndRequestsHaveAChannelEach() {
        int error = rig.client.eventfd();
        int request = rig.client.eventfd();
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, ERROR, 0, 1, error)).isEqualTo("0");
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, REQUEST, 0, 1, request)).isEqualTo("0");
        rig.command(file, 6, 0, 0);
        assertThat(count(error)).isEqualTo(1);
        assertThat(rig.setIrqs(file, TRIGGER | NONE, REQUEST, 0, 1)).isEqualTo("0");
        assertThat(count(request)).isEqualTo(1);
        assertThat(rig.setIrqs(file, TRIGGER | EVENTFD, ERROR, 0, 1, -1)).isEqualTo("0");
        rig.command(file, 6, 0, 0);
        assertThat(count(error)).isZero();
        assertThat(rig.setIrqs(file, TRIGGER | NONE, REQUEST, 0, 0)).isEqualTo("0");
        assertThat(rig.client.taken).hasValue(0);
    }
}
