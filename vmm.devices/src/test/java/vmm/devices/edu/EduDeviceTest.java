package vmm.devices.edu;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import iommufd.api.DmaAccess;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import vfio.device.Interrupts;
import vfio.device.RunningDevice;
import vmm.devices.FakeHost;
import vmm.devices.nvme.Board;

/** The device as its specification tells drivers. */
@Timeout(30)
class EduDeviceTest {
    private static final long BUFFER = 0x40000;
    /** Below 2^28, where a 28-bit device reaches. */
    private static final long LOW = 0x100_0000;

    private Board board;
    private FakeHost host;
    private RunningDevice device;

    @BeforeEach
    void start() {
        board = new Board();
        board.ioas.mapAt(LOW, board.ram, 0, 1 << 20, DmaAccess.READ_WRITE);
        host = new FakeHost(board.endpoint);
        device = new EduDevice(RequesterId.of(0, 0, 11, 0), 28).start(host);
    }

    @AfterEach
    void stop() {
        device.close();
        board.close();
    }

    private int read(int offset) {
        return (int) device.read(0, offset, 4);
    }

    private void write(int offset, int value) {
        device.write(0, offset, 4, Integer.toUnsignedLong(value));
    }

    private void transfer(long source, long destination, long count, int command) {
        device.write(0, 0x80, 8, source);
        device.write(0, 0x88, 8, destination);
        device.write(0, 0x90, 8, count);
        device.write(0, 0x98, 4, command | 1);
        await().pollInterval(Duration.ofMillis(1)).until(() -> (read(0x98) & 1) == 0);
    }

    @Test
    void itSaysWhatItIsAndLives() {
        assertThat(read(0)).isEqualTo(0x010000ed);
        write(0, 7);
        assertThat(read(0)).isEqualTo(0x010000ed);
        write(4, 0x12345678);
        assertThat(read(4)).isEqualTo(~0x12345678);
        assertThat(device.read(0, 0, 8)).as("too wide").isEqualTo(-1);
        assertThat(device.read(0, 4, 1)).as("too narrow").isEqualTo(0xff);
        assertThat(read(0x30)).as("no register").isEqualTo(-1);
    }

    @ParameterizedTest
    @CsvSource({"0, 1", "1, 1", "5, 120", "12, 479001600", "13, 1932053504", "33, -2147483648", "34, 0", "-1, 0"})
    void factorialsAreComputed(int n, int factorial) {
        write(8, n);
        assertThat(read(0x20) & 1).as("not computing any more").isZero();
        assertThat(read(8)).isEqualTo(factorial);
        assertThat(host.messages(0)).isZero();
    }

    @Test
    void aFactorialInterruptsIfAsked() {
        write(0x20, 0x81);
        assertThat(read(0x20)).isEqualTo(0x80);
        write(8, 4);
        assertThat(host.messages(0)).isEqualTo(1);
        assertThat(read(0x24)).isEqualTo(1);
        write(0x64, 1);
        assertThat(read(0x24)).isZero();
    }

    @Test
    void interruptsAreRaisedAndAcknowledgedBitByBit() {
        host.setMode(Interrupts.Mode.INTX);
        write(0x60, 0x12);
        write(0x60, 0x01);
        assertThat(read(0x24)).isEqualTo(0x13);
        write(0x64, 0x12);
        assertThat(host.line()).isTrue();
        write(0x64, 0x01);
        assertThat(host.line()).isFalse();
        assertThat(host.messages(0)).isZero();
    }

    @Test
    void dataGoesThroughTheBuffer() {
        for (int i = 0; i < 256; i++) {
            board.ram.segment().set(JAVA_BYTE, 0x2001 + i, (byte) (i * 7));
        }
        transfer(LOW + 0x2001, BUFFER + 100, 256, 0);
        assertThat(host.messages(0)).isZero();
        transfer(BUFFER + 100, LOW + 0x3000, 256, 2 | 4);
        await().pollInterval(Duration.ofMillis(1)).until(() -> read(0x24) == 0x100);
        assertThat(board.ram.segment().asSlice(0x3000, 256).mismatch(board.ram.segment().asSlice(0x2001, 256))).isEqualTo(-1);
        assertThat(host.messages(0)).isEqualTo(1);
    }

    @Test
    void addressesAreCutTo28Bits() {
        board.ram.segment().set(JAVA_BYTE, 0x5000, (byte) 99);
        transfer(0xf_f000_0000L + LOW + 0x5000, BUFFER, 1, 0);
        transfer(BUFFER, LOW + 0x6000, 1, 2);
        assertThat(board.ram.segment().get(JAVA_BYTE, 0x6000)).isEqualTo((byte) 99);
    }

    @ParameterizedTest
    @CsvSource({"0x40000, 4097", "0x41000, 1", "0x3ffff, 1", "0x40fff, 2", "-1, 1", "0x40000, -1"})
    void whatIsNotInTheBufferIsNotMoved(String source, long count) {
        board.ram.segment().asSlice(0, 1 << 20).fill((byte) 0x33);
        transfer(Long.decode(source), LOW, count, 2 | 4);
        assertThat(board.ram.segment().asSlice(0, 1 << 20).toArray(JAVA_BYTE)).containsOnly(0x33);
        assertThat(read(0x24)).as("it ends all the same").isEqualTo(0x100);
    }

    @Test
    void memoryThatIsNotMappedEndsTheTransfer() {
        transfer(0xfff_0000L, BUFFER, 64, 4);
        assertThat(read(0x24)).isEqualTo(0x100);
    }

    @Test
    void aResetForgetsEverything() {
        write(4, 1);
        write(8, 5);
        write(0x20, 0x80);
        board.ram.segment().fill((byte) 1);
        transfer(LOW, BUFFER, 4096, 4);
        device.reset();
        for (int offset : new int[] {4, 8, 0x20, 0x24, 0x80, 0x88, 0x90, 0x98}) {
            assertThat(read(offset)).as("register 0x%x", offset).isZero();
        }
        transfer(BUFFER, LOW, 4096, 2);
        assertThat(board.ram.segment().asSlice(0, 4096).toArray(JAVA_BYTE)).containsOnly(0);
    }

    @Test
    void impossibleAddressWidthsAreRefused() {
        assertThatThrownBy(() -> new EduDevice(RequesterId.of(0, 0, 11, 0), 65)).isInstanceOf(IommufdException.class);
    }
}
