package iommu.s390.unit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommu.s390.Ram;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Condition codes, statuses and program interruptions, instruction by instruction. */
class InstructionTest {
    private final Board board = new Board();

    private long anchor() {
        return Board.anchor(board.smallTables()[0], 1);
    }

    @Test
    void setPciFunctionEnablesAndDisables() {
        int disabled = board.unit.plug(Board.requester(3));
        assertThat(disabled).isEqualTo(0x0002_0118);
        assertThat(board.setResponse(disabled, 0, 0)).as("no address space").isEqualTo(0x103);
        assertThat(board.setResponse(disabled, 0, 2)).as("two address spaces").isEqualTo(0x104);
        assertThat(board.setResponse(disabled, 1, 0)).as("disable a disabled one").isEqualTo(0x102);
        assertThat(board.setResponse(disabled, 2, 1)).as("an operation there is not").isEqualTo(0x102);
        int enabled = board.set(disabled, 0, 1);
        assertThat(enabled).isEqualTo(disabled | 0x8000_0000);
        assertThat(board.setResponse(enabled, 0, 1)).as("enable an enabled one").isEqualTo(0x102);
        assertThat(board.setResponse(disabled, 0, 1)).as("a stale handle").isEqualTo(0x101);
        assertThat(board.setResponse(enabled ^ 1, 1, 0)).as("another's handle").isEqualTo(0x101);
        int again = board.set(enabled, 1, 0);
        assertThat(again).as("another instance").isEqualTo(0x0102_0118);
        assertThat(board.setResponse(enabled, 1, 0)).as("a stale handle").isEqualTo(0x101);
    }

    @Test
    void aLogicalProcessorBlockIsChecked() {
        assertThat(board.unit.callLogicalProcessor(board.block + 4)).isEqualTo(Board.PGM_SPECIFICATION);
        assertThat(board.unit.callLogicalProcessor(Ram.HOLE)).isEqualTo(Board.PGM_ADDRESSING);
        assertThat(board.unit.callLogicalProcessor(-64)).isEqualTo(Board.PGM_ADDRESSING);
        int handle = board.unit.plug(Board.requester(3));
        board.setResponse(handle, 0, 1);
        Ram.word(board.block, 32L << 48 | 2L << 32);
        board.unit.callLogicalProcessor(board.block);
        assertThat(Ram.word16(board.block + 34)).as("another command").isEqualTo(0x20);
        Ram.word(board.block, 24L << 48 | 5L << 32);
        board.unit.callLogicalProcessor(board.block);
        assertThat(Ram.word16(board.block + 34)).as("another length").isEqualTo(0x50);
    }

    @Test
    void registeringNeedsTheRightState() {
        int disabled = board.unit.plug(Board.requester(3));
        long anchor = anchor();
        assertThat(board.modify(disabled, 4, 0, Board.LAST, anchor)).as("disabled").isEqualTo(Board.CC3);
        int handle = board.set(disabled, 0, 1);
        assertThat(board.modify(disabled, 4, 0, Board.LAST, anchor)).as("a stale handle").isEqualTo(Board.CC3);
        assertThat(board.modify(handle ^ 0x100, 4, 0, Board.LAST, anchor)).as("nobody's handle").isEqualTo(Board.CC3);
        assertThat(board.modify(handle, 5, 0, 0, 0)).as("deregister nothing").isEqualTo(Board.cc1(24));
        assertThat(board.modify(handle, 6, 0, Board.LAST, anchor)).as("exchange nothing").isEqualTo(Board.cc1(24));
        assertThat(board.modify(handle, 4, 0, Board.LAST, anchor)).isEqualTo(Board.CC0);
        assertThat(board.modify(handle, 4, 0, Board.LAST, anchor)).as("register twice").isEqualTo(Board.cc1(24));
        assertThat(board.modify(handle, 6, 0, Board.LAST, anchor)).isEqualTo(Board.CC0);
        assertThat(board.modify(handle, 5, 0, 0, 0)).isEqualTo(Board.CC0);
        for (int operation : new int[] {4, 5, 6}) {
            assertThat(board.modify(handle, 1 << 16 | operation, 0, Board.LAST, anchor)).as("address space 1").isEqualTo(Board.cc1(28));
        }
    }

    @Test
    void operationsOfInterruptionsAndMeasurementAreTheMachines() {
        int handle = board.enabled(3);
        for (int operation : new int[] {0, 1, 2, 3, 8, 10, 16, 17, 255}) {
            assertThat(board.modify(handle, operation, 0, 0, 0)).as("operation %d", operation).isEqualTo(Board.PGM_OPERAND);
        }
        assertThat(board.modify(handle, 4, 1, 0, Board.LAST, anchor(), 0)).as("format 1").isEqualTo(Board.PGM_OPERAND);
        assertThat(board.unit.modifyControls((long) handle << 32 | 4, board.block + 1)).isEqualTo(Board.PGM_SPECIFICATION);
        assertThat(board.unit.modifyControls((long) handle << 32 | 4, Ram.HOLE)).isEqualTo(Board.PGM_ADDRESSING);
    }

    @Test
    void anchorsThatDesignateNoTableAreRefused() {
        int handle = board.enabled(3);
        long table = board.smallTables()[0];
        for (int type : new int[] {4, 5, 6, 7}) {
            assertThat(board.modify(handle, 4, 0, Board.LAST, Board.anchor(table, type))).as("type %d", type).isEqualTo(Board.PGM_OPERAND);
            assertThat(board.modify(handle, 4, 0x71, 0, Board.LAST, Board.anchor(table, 1), Board.anchor(table, type))).isEqualTo(Board.PGM_OPERAND);
        }
        assertThat(board.modify(handle, 4, 0, Board.LAST, table | 4)).as("no translation").isEqualTo(Board.PGM_OPERAND);
        assertThat(board.modify(handle, 4, 0x71, 0, Board.LAST, Board.anchor(table, 1), table | 4)).as("no second translation")
                .isEqualTo(Board.PGM_OPERAND);
        assertThat(board.controls(handle)).as("nothing was registered").isEqualTo(0x80);
    }

    @Test
    void aRefusedExchangeLeavesWhatWasRegistered() {
        int handle = board.enabled(3);
        long[] tables = board.smallTables();
        Ram.word(tables[1], board.ram.page());
        board.register(handle, Board.anchor(tables[0], 1));
        assertThat(board.modify(handle, 6, 0, Board.LAST, Board.anchor(tables[0], 7))).isEqualTo(Board.PGM_OPERAND);
        assertThat(Board.write(board.port(3), 0, 1)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void baseAndLimitAreRoundedToPagesAndLieInsideTheFunctionsRange() {
        Board narrow = new Board(new ZpciFeatures(1L << 32, (1L << 33) - 1, false), MemoryMap.HOST);
        int handle = narrow.enabled(3);
        long anchor = Board.anchor(narrow.smallTables()[0], 1);
        assertThat(narrow.modify(handle, 4, (1L << 32) - 1, (1L << 33) - 1, anchor)).as("base too low").isEqualTo(Board.PGM_OPERAND);
        assertThat(narrow.modify(handle, 4, 1L << 32, 1L << 33, anchor)).as("limit too high").isEqualTo(Board.PGM_OPERAND);
        assertThat(narrow.modify(handle, 4, (1L << 32) + 8192, (1L << 32) + 4095, anchor)).as("limit below base").isEqualTo(Board.PGM_OPERAND);
        assertThat(narrow.modify(handle, 4, -1L, -1L, anchor)).isEqualTo(Board.PGM_OPERAND);
        assertThat(narrow.modify(handle, 4, (1L << 32) + 0x1FFF, (1L << 32) + 0x3001, anchor)).isEqualTo(Board.CC0);
        assertThat(narrow.unit.storeControls((long) handle << 32, narrow.block)).isEqualTo(Board.CC0);
        assertThat(Ram.word(narrow.block + 16)).isEqualTo((1L << 32) + 0x1000);
        assertThat(Ram.word(narrow.block + 24)).isEqualTo((1L << 32) + 0x3FFF);
        assertThat(Ram.word(narrow.block + 32)).isEqualTo(anchor);
    }

    @Test
    void storeControlsTellsTheState() {
        int disabled = board.unit.plug(Board.requester(3));
        assertThat(board.controls(disabled)).as("disabled").isZero();
        int handle = board.set(disabled, 0, 1);
        assertThat(board.unit.storeControls((long) disabled << 32, board.block)).as("a stale handle").isEqualTo(Board.CC3);
        assertThat(board.controls(handle)).as("enabled").isEqualTo(0x80);
        board.register(handle, anchor());
        assertThat(board.controls(handle)).as("registered").isEqualTo(0x90);
        Board.read(board.port(3), 0x5000);
        assertThat(board.controls(handle)).as("error").isEqualTo(0xF0);
        assertThat(board.modify(handle, 9, 0, 0, 0)).isEqualTo(Board.CC0);
        assertThat(board.controls(handle)).as("loads and stores unblocked").isEqualTo(0xD0);
        assertThat(board.unit.storeControls((long) handle << 32 | 1 << 16, board.block)).as("address space 1").isEqualTo(Board.cc1(28));
        assertThat(board.unit.storeControls((long) handle << 32, board.block + 4)).isEqualTo(Board.PGM_SPECIFICATION);
        assertThat(board.unit.storeControls((long) handle << 32, Ram.HOLE)).isEqualTo(Board.PGM_ADDRESSING);
    }

    @Test
    void withoutTranslationAddressesAreMemoryBehindTheBase() {
        Board direct = new Board(ZpciFeatures.STANDARD.withDirect(), MemoryMap.of(java.util.List.of(
                new MemoryMap.Range(0, 1 << 20, board.ram.take(1 << 20)))));
        int handle = direct.unit.plug(Board.requester(1));
        long memory = direct.unit.memory().hostAddress(0);
        // All blocks at the guest's address 0x1000.
        Ram.word(memory + 0x1000, 32L << 48 | 5L << 32);
        Ram.word(memory + 0x1010, (long) handle << 32 | 1);
        Ram.word(memory + 0x1020, 32L << 48);
        assertThat(direct.unit.callLogicalProcessor(0x1000)).isEqualTo(Board.CC0);
        int enabled = Ram.word32(memory + 0x1030);
        Ram.bytes(memory + 0x1000, 80).fill((byte) 0);
        Ram.word(memory + 0x1010, 1L << 32);
        Ram.word(memory + 0x1018, (1L << 33) - 1);
        assertThat(direct.unit.modifyControls((long) enabled << 32 | 4, 0x1000)).isEqualTo(Board.CC0);
        HardwarePort port = direct.port(1);
        assertThat(Board.write(port, (1L << 32) + 0x3005, 0x77)).isEqualTo(DmaStatus.DONE);
        assertThat(Ram.octet(memory + 0x3005)).isEqualTo(0x77);
        assertThat(Board.read(port, (1L << 32) + (1 << 20))).as("behind the guest's memory").isEqualTo(DmaStatus.ABORTED);
    }

    @Test
    void aSlotTakesOneFunction() {
        board.unit.plug(Board.requester(3));
        assertThatThrownBy(() -> board.unit.plug(RequesterId.of(7, 1, 3, 0))).asInstanceOf(InstanceOfAssertFactories.type(IommufdException.class))
                .extracting(IommufdException::errno).isEqualTo(Errno.EBUSY);
        assertThatThrownBy(() -> board.unit.openPort(Board.requester(4), Pasid.NONE))
                .asInstanceOf(InstanceOfAssertFactories.type(IommufdException.class)).extracting(IommufdException::errno).isEqualTo(Errno.ENODEV);
    }

    /** A request that hangs in far memory, as long as the latch is closed. */
    private static final class Hanging implements FarMemory {
        final CountDownLatch inside = new CountDownLatch(1);
        final CountDownLatch release = new CountDownLatch(1);

        @Override
        public boolean read(long physicalAddress, MemorySegment target) {
            inside.countDown();
            try {
                return release.await(20, TimeUnit.SECONDS);
            } catch (InterruptedException stop) {
                Thread.currentThread().interrupt();
                return false;
            }
        }

        @Override
        public boolean write(long physicalAddress, MemorySegment source) {
            return read(physicalAddress, source);
        }
    }

    @Test
    @Timeout(30)
    void aRequestThatDoesNotEndMakesInstructionsBusyUntilItDoes() throws InterruptedException {
        Board impatient = new Board(ZpciFeatures.STANDARD, MemoryMap.HOST, 1_000_000);
        Hanging far = new Hanging();
        impatient.unit.farPath().connect(far);
        int handle = impatient.enabled(1);
        int other = impatient.enabled(2);
        long[] tables = impatient.smallTables();
        Ram.word(tables[1], FarMemory.START);
        long anchor = Board.anchor(tables[0], 1);
        impatient.register(handle, anchor);
        impatient.register(other, anchor);
        HardwarePort port = impatient.port(1);
        Thread device = Thread.ofPlatform().start(() -> Board.read(port, 0));
        assertThat(far.inside.await(10, TimeUnit.SECONDS)).isTrue();
        assertThat(impatient.refresh(handle, 0, 4096)).isEqualTo(Board.CC2);
        assertThat(impatient.refresh(other, 0, 4096)).as("another function").isEqualTo(Board.CC0);
        assertThat(impatient.modify(handle, 6, 0, Board.LAST, anchor)).as("exchange").isEqualTo(Board.CC2);
        assertThat(impatient.modify(handle, 5, 0, 0, 0)).as("deregister").isEqualTo(Board.CC2);
        assertThat(impatient.modify(handle, 5, 0, 0, 0)).as("deregister again").isEqualTo(Board.CC2);
        assertThat(impatient.setResponse(handle, 1, 0)).as("disable").isEqualTo(0x108);
        far.release.countDown();
        device.join();
        assertThat(impatient.set(handle, 1, 0)).as("disable, once it has ended").isEqualTo(0x0102_0108);
    }

    @Test
    @Timeout(30)
    void aDeregistrationThatWasBusyIsDoneOnceTheRequestHasEnded() throws InterruptedException {
        Board impatient = new Board(ZpciFeatures.STANDARD, MemoryMap.HOST, 1_000_000);
        Hanging far = new Hanging();
        impatient.unit.farPath().connect(far);
        int handle = impatient.enabled(1);
        long[] tables = impatient.smallTables();
        Ram.word(tables[1], FarMemory.START);
        impatient.register(handle, Board.anchor(tables[0], 1));
        HardwarePort port = impatient.port(1);
        Thread device = Thread.ofPlatform().start(() -> Board.read(port, 0));
        assertThat(far.inside.await(10, TimeUnit.SECONDS)).isTrue();
        assertThat(impatient.modify(handle, 5, 0, 0, 0)).isEqualTo(Board.CC2);
        far.release.countDown();
        device.join();
        assertThat(impatient.modify(handle, 5, 0, 0, 0)).isEqualTo(Board.CC0);
        assertThat(impatient.modify(handle, 5, 0, 0, 0)).isEqualTo(Board.cc1(24));
    }
}
