package iommu.s390;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.PageResponse;
import iommufd.api.hardware.UnitBoard;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;

/** A guest drives zPCI through command blocks, as its monitor hands them on. All addresses are the guest's. */
class S390GuestUnitTest implements UnitBoard {
    private static final RequesterId REQUESTER = RequesterId.of(0, 0, 2, 0);
    private static final long GUEST_BYTES = 1 << 20;
    private static final int MPCIFC = 0xE3D0;
    private static final int RPCIT = 0xB9D3;
    private static final int STPCIFC = 0xE3D4;
    private static final int CLP = 0xB9A0;
    private static final int CHSC = 0xB25F;
    /** The guest's addresses. */
    private static final long BLOCK = 0x1000;
    private static final long REGION = 0x1_0000;
    private static final long SEGMENT = 0x1_4000;
    private static final long PAGES = 0x1_8000;
    private static final long DATA = 0x2_0000;

    private final long memory = new Ram().take(GUEST_BYTES);
    private final List<String> wires = new ArrayList<>();
    private final IommuUnit unit = new S390Model().create("zpci-guest", Map.of("processors", "2"), this);

    @Override
    public MemoryMap memory() {
        return MemoryMap.of(List.of(new MemoryMap.Range(0, GUEST_BYTES, memory)));
    }

    @Override
    public void message(long address, int data) {
        wires.add("message");
    }

    @Override
    public void line(int line, boolean level) {
        wires.add(line + (level ? " high" : " low"));
    }

    private void word(long address, long value) {
        Ram.word(memory + address, value);
    }

    /** @return the outcome */
    private int execute(int processor, int opcode, long first, long second, long third) {
        long block = processor * 64L;
        unit.write(block, 8, first);
        unit.write(block + 8, 8, second);
        unit.write(block + 16, 8, third);
        unit.write(block + 24, 8, opcode);
        return (int) unit.read(block + 32, 8);
    }

    private int enable() {
        int handle = 0x0002_0010;
        word(BLOCK, 32L << 48 | 5L << 32);
        word(BLOCK + 16, (long) handle << 32 | 1);
        word(BLOCK + 32, 32L << 48);
        assertThat(execute(1, CLP, 0, BLOCK, 0)).isZero();
        assertThat(Ram.word16(memory + BLOCK + 34)).isEqualTo(0x10);
        return Ram.word32(memory + BLOCK + 48);
    }

    private void tables() {
        for (long offset = 0; offset < 2 * 16384; offset += 8) {
            word(REGION + offset, 0x20);
        }
        for (long offset = 0; offset < 2048; offset += 8) {
            word(PAGES + offset, 0x400);
        }
        word(REGION, SEGMENT | 7);
        word(SEGMENT, PAGES);
        word(PAGES, DATA);
    }

    private int register(int handle) {
        Ram.bytes(memory + BLOCK, 80).fill((byte) 0);
        word(BLOCK + 24, (1L << 42) - 1);
        word(BLOCK + 32, REGION | 0x804);
        return execute(0, MPCIFC, (long) handle << 32 | 4, BLOCK, 0);
    }

    private static DmaStatus write(HardwarePort port, long iova, int value) {
        return port.write(iova, MemorySegment.ofArray(new byte[] {(byte) value}), 0, 1);
    }

    @Test
    void aGuestBringsAFunctionUpAndRecoversIt() {
        assertThat(unit.registerBytes()).isEqualTo(128);
        HardwarePort port = unit.openPort(REQUESTER, Pasid.NONE);
        assertThat(write(port, 0, 1)).as("disabled").isEqualTo(DmaStatus.FAULTED);
        assertThat(wires).isEmpty();
        int handle = enable();
        tables();
        assertThat(register(handle)).isZero();
        assertThat(write(port, 7, 0x21)).isEqualTo(DmaStatus.DONE);
        assertThat(Ram.octet(memory + DATA + 7)).isEqualTo(0x21);
        word(PAGES, DATA + 0x1000);
        assertThat(execute(1, RPCIT, (long) handle << 32, 0, 0x1000)).isZero();
        assertThat(write(port, 7, 0x22)).isEqualTo(DmaStatus.DONE);
        assertThat(Ram.octet(memory + DATA + 0x1007)).isEqualTo(0x22);

        assertThat(write(port, 0x3000, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(wires).containsExactly("0 high");
        assertThat(execute(0, RPCIT, (long) handle << 32, 0, 0x1000)).isEqualTo(1 | 40 << 8);
        assertThat(unit.read(0, 8)).as("the status, where the instruction puts it").isEqualTo((long) handle << 32 | 40L << 24);
        assertThat(execute(0, STPCIFC, (long) handle << 32, BLOCK, 0)).isZero();
        assertThat(Ram.octet(memory + BLOCK + 8)).isEqualTo(0xF0);
        assertThat(execute(0, CHSC, 0, BLOCK, 0)).isZero();
        assertThat(Ram.word16(memory + BLOCK + 94)).isEqualTo(7);
        assertThat(Ram.word32(memory + BLOCK + 72)).isEqualTo(REQUESTER.value());
        assertThat(wires).containsExactly("0 high", "0 low");
        assertThat(execute(0, MPCIFC, (long) handle << 32 | 7, BLOCK, 0)).isZero();
        assertThat(write(port, 7, 0x23)).isEqualTo(DmaStatus.DONE);
        unit.close();
        assertThat(write(port, 7, 0x24)).isEqualTo(DmaStatus.CLOSED);
    }

    @Test
    void aGuestReachesItsOwnMemoryOnly() {
        HardwarePort port = unit.openPort(REQUESTER, Pasid.NONE);
        int handle = enable();
        tables();
        register(handle);
        for (long outside : new long[] {GUEST_BYTES, memory, memory + DATA, 1L << 41}) {
            word(PAGES, outside & ~0xFFFL);
            assertThat(write(port, 0, 1)).as("page at 0x%x", outside).isEqualTo(DmaStatus.ABORTED);
        }
        word(SEGMENT, memory + PAGES);
        assertThat(write(port, 0, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.lastFault().orElseThrow().code()).isEqualTo(0xb);
        assertThat(execute(0, CHSC, 0, memory + BLOCK, 0)).as("addressing exception").isEqualTo(5 << 16);
    }

    @Test
    void registersThatThereAreNotReadZeroAndTakeNothing() {
        unit.openPort(REQUESTER, Pasid.NONE);
        for (long offset : new long[] {-8, 40, 48, 56, 128, 1L << 40, 4, 1}) {
            unit.write(offset, 8, -1L);
            assertThat(unit.read(offset, 8)).as("offset %d", offset).isZero();
        }
        unit.write(0, 4, -1L);
        assertThat(unit.read(0, 8)).as("a half").isZero();
        unit.write(0, 8, 5);
        assertThat(unit.read(0, 4)).as("a half").isZero();
        assertThat(unit.read(24, 8)).as("the doorbell").isZero();
        assertThat(execute(0, 0x1234, 0, 0, 0)).as("operation exception").isEqualTo(1 << 16);
        unit.write(32, 8, 99);
        assertThat(unit.read(32, 8)).as("read-only").isEqualTo(1 << 16);
    }

    @Test
    void resetIsAsIfPowerHadGone() {
        HardwarePort port = unit.openPort(REQUESTER, Pasid.NONE);
        enable();
        write(port, 0, 1);
        assertThat(wires).containsExactly("0 high");
        unit.reset();
        assertThat(wires).containsExactly("0 high", "0 low");
        assertThat(unit.read(8, 8)).isZero();
        tables();
        register(enable());
        assertThat(write(port, 0, 5)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void whatCannotBeBuiltIsRefused() {
        S390Model model = new S390Model();
        assertThat(model.vendor()).isEqualTo("s390");
        for (Map<String, String> properties : List.of(Map.of("levels", "3"), Map.of("processors", "0"), Map.of("processors", "many"),
                Map.of("direct", "perhaps"), Map.of("first_dma", "0x1001"), Map.of("last_dma", "0xfff", "first_dma", "0x1000"))) {
            assertErrno(Errno.EINVAL, () -> model.create("x", properties, this));
        }
        model.create("x", Map.of("first_dma", "0x100000000", "last_dma", "0x1ffffffffffffff", "direct", "true"), this).close();
        AtsPort.Device device = new AtsPort.Device() {
            @Override
            public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
                return true;
            }

            @Override
            public void pageResponse(PageResponse response) { }
        };
        assertErrno(Errno.EOPNOTSUPP, () -> unit.openAtsPort(REQUESTER, Pasid.NONE, device));
        unit.close();
        assertErrno(Errno.ENODEV, () -> unit.openPort(REQUESTER, Pasid.NONE));
    }

    private static void assertErrno(Errno errno, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call).asInstanceOf(InstanceOfAssertFactories.type(IommufdException.class)).extracting(IommufdException::errno)
                .isEqualTo(errno);
    }
}
