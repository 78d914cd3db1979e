package vmm.devices.virtio.blk;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vdpa.device.QueueState;
import vdpa.device.RunningVdpa;
import vdpa.device.VirtioFeature;
import vmm.devices.nvme.NamespaceOptions;
import vmm.devices.virtio.QueueBoard;
import vmm.devices.virtio.RingDriver;
import vmm.devices.virtio.RingDriver.Piece;
import vmm.devices.virtio.TestHost;

@Timeout(60)
class VirtioBlkTest {
    private static final int SIZE = 64;
    private static final int DISK_BYTES = 4 << 20;
    private static final long FEATURES = VirtioFeature.VERSION_1 | VirtioFeature.INDIRECT_DESC | VirtioFeature.EVENT_IDX;

    @TempDir
    Path directory;

    private final QueueBoard board = new QueueBoard();
    private final TestHost host = new TestHost(board);
    private Path file;
    private VirtioBlkDevice device;
    private RunningVdpa running;
    private BlkDriver driver;

    @BeforeEach
    void start() throws IOException {
        file = directory.resolve("disk");
        byte[] bytes = new byte[DISK_BYTES];
        new Random(1).nextBytes(bytes);
        Files.write(file, bytes);
        device = device("");
        start(false);
    }

    private VirtioBlkDevice device(String more) {
        return new VirtioBlkDevice(RequesterId.of(0, 1, 1, 0), new BlkOptions(NamespaceOptions.parse(file + more), "SERIAL-7", 4, SIZE));
    }

    private void start(boolean packed) {
        running = device.start(host);
        driver = driver(0, packed);
    }

    private BlkDriver driver(int queue, boolean packed) {
        RingDriver ring = RingDriver.of(board, packed, SIZE, FEATURES);
        if (queue == 0) {
            running.negotiated(ring.features());
            running.driverReady();
        }
        running.queueReady(queue, TestHost.setup(ring));
        return new BlkDriver(board, running, queue, ring);
    }

    @AfterEach
    void stop() {
        running.close();
        board.close();
    }

    private byte[] onDisk(long offset, int length) throws IOException {
        try (var disk = new RandomAccessFile(file.toFile(), "r")) {
            byte[] bytes = new byte[length];
            disk.seek(offset);
            disk.readFully(bytes);
            return bytes;
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatIsWrittenIsOnDiskAndReadAgain(boolean packed) throws IOException {
        running.reset();
        driver = driver(0, packed);
        var random = new Random(2);
        for (int i = 0; i < 300; i++) {
            byte[] bytes = new byte[512 * (1 + random.nextInt(40))];
            random.nextBytes(bytes);
            long sector = random.nextInt((DISK_BYTES - bytes.length) / 512);
            assertThat(driver.write(sector, bytes)).isZero();
            assertThat(onDisk(sector * 512, bytes.length)).isEqualTo(bytes);
            assertThat(driver.read(sector, bytes.length)).isEqualTo(bytes);
        }
        assertThat(host.faults).isEmpty();
        assertThat(host.calls(0)).isPositive();
    }

    @Test
    void partsOfARequestMayLieAnyhow() throws IOException {
        driver.header(0, 3);
        MemorySegment memory = board.at(driver.data, 8192);
        MemorySegment.copy(board.at(driver.header, 16), 0, memory, 0, 16);
        driver.ring.putIndirect(Piece.read(driver.data, 5), Piece.read(driver.data + 5, 11), Piece.write(driver.data + 1000, 1),
                Piece.write(driver.data + 2000, 1024));
        driver.kick();
        assertThat(driver.awaitUsed().lengthBytes()).isEqualTo(1025);
        byte[] expected = onDisk(3 * 512, 1024);
        assertThat(memory.get(JAVA_BYTE, 1000)).isEqualTo(expected[0]);
        assertThat(memory.asSlice(2000, 1023).toArray(JAVA_BYTE)).isEqualTo(Arrays.copyOfRange(expected, 1, 1024));
        assertThat(memory.get(JAVA_BYTE, 3023)).isZero();
    }

    @Test
    void otherRequests() throws IOException {
        assertThat(driver.execute(4, 0)).as("flush").isZero();
        assertThat(driver.execute(8, 0, Piece.write(driver.data, 20))).as("id").isZero();
        assertThat(board.at(driver.data, 20).getString(0)).isEqualTo("SERIAL-7");
        assertThat(driver.range(11, 8, 16, 0)).as("discard").isZero();
        assertThat(onDisk(8 * 512, 16 * 512)).containsOnly(0);
        assertThat(driver.range(13, 100, 3, 0)).as("zeroes").isZero();
        assertThat(driver.range(13, 103, 3, 1)).as("zeroes, unmapped").isZero();
        assertThat(onDisk(100 * 512, 6 * 512)).containsOnly(0);
        assertThat(onDisk(106 * 512, 512)).isNotEqualTo(new byte[512]);
        assertThat(host.faults).isEmpty();
    }

    @Test
    void impossibleRequestsFailAndTheNextOnesDoNot() throws IOException {
        int last = DISK_BYTES / 512;
        byte[] before = Files.readAllBytes(file);
        assertThat(driver.execute(255, 0, Piece.write(driver.data, 512))).as("no such type").isEqualTo(2);
        assertThat(driver.execute(0, last, Piece.write(driver.data, 512))).as("behind the end").isEqualTo(1);
        assertThat(driver.execute(1, last - 1, Piece.read(driver.data, 1024))).as("over the end").isEqualTo(1);
        assertThat(driver.execute(1, -1, Piece.read(driver.data, 512))).as("sector 2^64 - 1").isEqualTo(1);
        assertThat(driver.execute(0, 1L << 55, Piece.write(driver.data, 512))).as("overflow").isEqualTo(1);
        assertThat(driver.execute(0, 0, Piece.write(driver.data, 511))).as("no whole sector").isEqualTo(1);
        assertThat(driver.range(11, last, 1, 0)).isEqualTo(1);
        assertThat(driver.range(13, 0, -1, 0)).isEqualTo(1);
        assertThat(driver.range(13, 0, 1, 2)).as("flags").isEqualTo(2);
        assertThat(driver.range(11, 0, 1, 1)).as("flags").isEqualTo(2);
        assertThat(driver.execute(11, 0, Piece.read(driver.data, 15))).as("no whole range").isEqualTo(1);
        assertThat(driver.execute(13, 0, Piece.read(driver.data, 16 * 65))).as("too many ranges").isEqualTo(2);
        assertThat(Files.readAllBytes(file)).isEqualTo(before);
        assertThat(driver.read(5, 512)).isEqualTo(onDisk(5 * 512, 512));
        assertThat(host.faults).isEmpty();
    }

    @Test
    void aReadOnlyDiskCannotBeWritten() throws IOException {
        running.close();
        device = device(",readonly");
        byte[] before = Files.readAllBytes(file);
        assertThat(device.function().features() & BlkFeature.READ_ONLY).isNotZero();
        start(false);
        assertThat(driver.write(0, new byte[512])).isEqualTo(1);
        assertThat(driver.range(11, 0, 1, 0)).isEqualTo(1);
        assertThat(driver.range(13, 0, 1, 0)).isEqualTo(1);
        assertThat(driver.read(0, 512)).isEqualTo(Arrays.copyOf(before, 512));
        assertThat(Files.readAllBytes(file)).isEqualTo(before);
    }

    @ParameterizedTest
    @CsvSource({"false,header", "false,status", "false,data", "true,header", "true,status", "true,data", "false,short", "true,short", "true,nostatus"})
    void aRequestThatCannotBeOneNeedsAResetAndOtherQueuesGoOn(boolean packed, String what) throws IOException {
        running.reset();
        driver = driver(0, packed);
        BlkDriver other = driver(1, packed);
        driver.header(0, 0);
        Piece header = Piece.read(what.equals("header") ? QueueBoard.UNMAPPED : driver.header, what.equals("short") ? 15 : 16);
        Piece data = Piece.write(what.equals("data") ? QueueBoard.UNMAPPED : driver.data, 512);
        Piece status = Piece.write(what.equals("status") ? QueueBoard.UNMAPPED : driver.status, 1);
        driver.ring.put(what.equals("nostatus") ? new Piece[] {header} : new Piece[] {header, data, status});
        driver.kick();
        TestHost.await("needs reset", () -> !host.faults.isEmpty());
        assertThat(host.faults).singleElement().asString().startsWith("queue 0: ");
        assertThat(driver.ring.take()).isEmpty();
        assertThat(other.read(7, 512)).isEqualTo(onDisk(7 * 512, 512));
        running.reset();
        driver = driver(0, packed);
        assertThat(driver.read(7, 512)).isEqualTo(onDisk(7 * 512, 512));
        assertThat(host.faults).hasSize(1);
    }

    @Test
    void aFileThatIsTruncatedFailsRequestsAndNothingElse() throws IOException {
        running.suspend();   // the size stays what it was
        try (var disk = new RandomAccessFile(file.toFile(), "rw")) {
            disk.setLength(1 << 20);
        }
        running.resume();
        int answer = driver.execute(0, 3 << 11, Piece.write(driver.data, 512));
        assertThat(answer).isEqualTo(1);
        assertThat(driver.execute(1, 3 << 11, Piece.read(driver.data, 512))).isEqualTo(1);
        assertThat(driver.read(7, 512)).isEqualTo(onDisk(7 * 512, 512));
        assertThat(host.faults).isEmpty();
    }

    @Test
    void aDiskThatGrowsTellsItsDriver() throws IOException {
        int before = running.configGeneration();
        try (var disk = new RandomAccessFile(file.toFile(), "rw")) {
            disk.setLength(2 * DISK_BYTES);
        }
        TestHost.await("a change", () -> host.configChanges.get() > 0);
        assertThat(running.configGeneration()).isNotEqualTo(before);
        MemorySegment config = MemorySegment.ofArray(new long[8]);
        running.readConfig(0, config.asSlice(0, 60));
        assertThat(config.get(JAVA_LONG, 0)).isEqualTo(2 * DISK_BYTES / 512);
        assertThat(config.get(JAVA_INT, 12)).isEqualTo(SIZE - 2);
        assertThat(config.get(JAVA_INT, 20)).isEqualTo(512);
        assertThat(config.get(JAVA_INT, 32) >>> 16).as("queues").isEqualTo(4);
        byte[] bytes = new byte[4096];
        Arrays.fill(bytes, (byte) 9);
        assertThat(driver.write(2 * DISK_BYTES / 512 - 8, bytes)).isZero();
        assertThat(onDisk(2 * DISK_BYTES - 4096, 4096)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aSuspendedQueueGoesOnInAnotherDevice(boolean packed) throws IOException {
        running.reset();
        driver = driver(0, packed);
        for (int i = 0; i < 100; i++) {
            assertThat(driver.read(i, 512)).isEqualTo(onDisk(i * 512L, 512));
            running.suspend();
            driver.header(0, i + 1000);
            driver.put(Piece.write(driver.data, 512));
            running.kick(0);
            QueueState state = running.queueState(0);
            assertThat(running.queueStopped(0)).isEqualTo(state);
            assertThat(driver.ring.take()).as("suspended").isEmpty();
            running.close();
            running = device.start(host);
            running.negotiated(driver.ring.features());
            running.driverReady();
            QueueState carried = packed ? QueueState.packed(state.packedWord()) : QueueState.split(state.availIndex());
            running.queueReady(0, TestHost.setup(driver.ring, carried));
            assertThat(driver.awaitStatus()).isZero();
            assertThat(board.at(driver.data, 512).toArray(JAVA_BYTE)).isEqualTo(onDisk((i + 1000) * 512L, 512));
            driver.move(running);
        }
    }

    @Test
    void queuesWorkAtTheSameTime() throws Exception {
        BlkDriver[] drivers = {driver, driver(1, false), driver(2, false), driver(3, false)};
        Thread[] threads = new Thread[drivers.length];
        var wrong = new java.util.concurrent.atomic.AtomicInteger();
        for (int i = 0; i < threads.length; i++) {
            int queue = i;
            threads[i] = Thread.ofPlatform().start(() -> {
                var random = new Random(queue);
                for (int n = 0; n < 200; n++) {
                    byte[] bytes = new byte[4096];
                    random.nextBytes(bytes);
                    long sector = queue * 2048 + 8 * random.nextInt(200);
                    if (drivers[queue].write(sector, bytes) != 0 || !Arrays.equals(drivers[queue].read(sector, 4096), bytes)) {
                        wrong.incrementAndGet();
                    }
                }
            });
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(wrong).hasValue(0);
        assertThat(host.faults).isEmpty();
    }

    @Test
    void kicksOfNoQueueAreHarmless() {
        for (int queue : new int[] {-1, 1, 3, 4, 1000}) {
            running.kick(queue);
        }
        running.reset();
        running.kick(0);
        running.reset();
        assertThat(host.faults).isEmpty();
    }

    @Test
    void badConfigurationsAreRefused() {
        assertThatThrownBy(() -> new BlkOptions(NamespaceOptions.parse("x"), "0123456789012345678901", 1, 64)).isInstanceOf(IommufdException.class);
        assertThatThrownBy(() -> new BlkOptions(NamespaceOptions.parse("x"), "é", 1, 64)).isInstanceOf(IommufdException.class);
        assertThatThrownBy(() -> new BlkOptions(NamespaceOptions.parse("x"), "", 0, 64)).isInstanceOf(IommufdException.class);
        assertThatThrownBy(() -> new VirtioBlkDevice(RequesterId.of(0, 1, 1, 0),
                new BlkOptions(NamespaceOptions.parse(directory.resolve("none").toString()), "", 1, 64))).isInstanceOf(IommufdException.class);
    }
}
