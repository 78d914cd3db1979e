package vmm.devices.ioat;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.memory.GuestRam;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.annotation.Annotation;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.device.RunningDevice;
import vmm.devices.FakeHost;

/** A driver at the registers, as drivers are: it writes memory and looks at it. The memory it copies is behind a real IOMMU model. */
@Timeout(60)
class IoatTest {
    private static final long SEED = Long.getLong("vmm.seed", System.nanoTime());
    private static final long RAM_IOVA = 0x4000_0000L;
    private static final long RAM_BYTES = 8L << 20;
    private static final long RING = 0;
    private static final int RING_ENTRIES = 128;
    private static final long STATUS = 0x1_0000;
    private static final long SOURCE = 0x10_0000;
    private static final long DESTINATION = 0x40_0000;
    private static final int TRANSFER = 1 << IoatChannel.TRANSFER_LG2;
    private static final int STATE = 7;

    private final HostPhysicalMemory memory = new HostPhysicalMemory();
    private final Engine engine = new Engine(EngineOptions.DEFAULT);
    private GuestRam guestRam;
    private MemorySegment ram;
    private DmaEndpoint endpoint;
    private IommufdContext context;
    private RunningDevice device;
    private FakeHost host;
    private ChannelRegisters registers;

    private static IoatConfiguration at(String address) {
        return new IoatConfiguration() {
            @Override
            public String address() {
                return address;
            }

            @Override
            public Class<? extends Annotation> annotationType() {
                return IoatConfiguration.class;
            }
        };
    }

    @BeforeEach
    void plugIn() {
        engine.add(new VtdBackend(memory.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named("vtd0")), 1);
        context = engine.service().open();
        Ioas ioas = context.allocateIoas();
        IoatDevice model = new IoatDevice(at("0000:01:00.0"));
        endpoint = engine.fabric().plug(model.function().endpoint());
        BoundDevice bound = context.bind(endpoint);
        bound.attach(ioas);
        guestRam = memory.allocateGuestRam(RAM_BYTES, false);
        ram = guestRam.segment();
        ioas.mapAt(RAM_IOVA, guestRam, 0, RAM_BYTES, DmaAccess.READ_WRITE);
        Random random = new Random(SEED);
        for (long at = SOURCE; at < DESTINATION; at += Long.BYTES) {
            ram.set(ValueLayout.JAVA_LONG, at, random.nextLong());
        }
        host = new FakeHost(endpoint);
        registers = new ChannelRegisters(host.sharedMemory(0));
        device = model.start(host);
    }

    @AfterEach
    void unplug() {
        device.close();
        context.close();
        endpoint.close();
    }

    private void describe(int index, int operation, int flags, long source, long destination, int bytes) {
        long at = RING + (long) index * TransferDescriptor.BYTES;
        ram.set(ValueLayout.JAVA_INT, at, bytes);
        ram.set(ValueLayout.JAVA_INT, at + 4, operation << 24 | flags);
        ram.set(ValueLayout.JAVA_LONG, at + 8, source);
        ram.set(ValueLayout.JAVA_LONG, at + 16, destination);
        ram.set(ValueLayout.JAVA_LONG, at + 24, RAM_IOVA + RING + (index + 1L) % RING_ENTRIES * TransferDescriptor.BYTES);
    }

    private void copy(int index, int flags, long source, long destination, int bytes) {
        describe(index, TransferDescriptor.COPY, flags, RAM_IOVA + source, RAM_IOVA + destination, bytes);
    }

    private void start(int count) {
        registers.writeLong(IoatRegister.CHAIN_ADDRESS, RAM_IOVA + RING);
        registers.writeLong(IoatRegister.COMPLETION_ADDRESS, RAM_IOVA + STATUS);
        registers.writeShort(IoatRegister.CONTROL, IoatRegister.CONTROL_ERROR_COMPLETION | IoatRegister.CONTROL_ERROR_INTERRUPT);
        registers.writeShort(IoatRegister.COUNT, count);
    }

    private int state() {
        return (int) registers.readLong(IoatRegister.STATUS) & STATE;
    }

    private void await(int state) {
        while (state() != state) {
            Thread.onSpinWait();
        }
    }

    private void command(int command) {
        registers.writeByte(IoatRegister.COMMAND, command);
        while (registers.readByte(IoatRegister.COMMAND) != 0) {
            Thread.onSpinWait();
        }
    }

    private void assertCopied(long source, long destination, long bytes) {
        assertThat(ram.asSlice(source, bytes).mismatch(ram.asSlice(destination, bytes))).as("seed %d", SEED).isEqualTo(-1);
    }

    @Test
    void itCopiesAChain() {
        copy(0, 0, SOURCE, DESTINATION, 1);
        copy(1, 0, SOURCE + 1, DESTINATION + 1, TRANSFER - 2);
        copy(2, TransferDescriptor.COMPLETION, SOURCE + TRANSFER - 1, DESTINATION + TRANSFER - 1, TRANSFER);
        start(3);
        await(IoatRegister.STATE_IDLE);
        assertCopied(SOURCE, DESTINATION, 2L * TRANSFER - 1);
        assertThat(ram.get(ValueLayout.JAVA_BYTE, DESTINATION + 2L * TRANSFER - 1)).isZero();
        long last = RAM_IOVA + RING + 2 * TransferDescriptor.BYTES;
        assertThat(registers.readLong(IoatRegister.STATUS)).isEqualTo(last | IoatRegister.STATE_IDLE);
        assertThat(ram.get(ValueLayout.JAVA_LONG, STATUS)).isEqualTo(last | IoatRegister.STATE_IDLE);
        assertThat(host.messages(0)).isZero();
    }

    @Test
    void theDoorbellCountsOnAndTheRingGoesRound() {
        for (int i = 0; i < RING_ENTRIES; i++) {
            copy(i, TransferDescriptor.COMPLETION, SOURCE + 64L * i, DESTINATION + 64L * i, 64);
        }
        start(0);
        int rounds = 0x1_0000 / RING_ENTRIES + 2;   // also over the end of the counter
        for (int i = 1; i <= rounds; i++) {
            ram.asSlice(DESTINATION, 64L * RING_ENTRIES).fill((byte) 0);
            registers.writeShort(IoatRegister.COUNT, i * RING_ENTRIES);
            long last = RAM_IOVA + RING + (RING_ENTRIES - 1L) * TransferDescriptor.BYTES | IoatRegister.STATE_IDLE;
            while (registers.readLong(IoatRegister.STATUS) != last) {
                Thread.onSpinWait();
            }
            assertCopied(SOURCE, DESTINATION, 64L * RING_ENTRIES);
            registers.writeLong(IoatRegister.STATUS, 0);   // or the next round could not be told from this one
        }
    }

    @Test
    void itFillsInUnitsOfEightBytesAndEndsWhereItIsTold() {
        describe(0, TransferDescriptor.FILL, 0, 0x0807_0605_0403_0201L, RAM_IOVA + DESTINATION, 13);
        start(1);
        await(IoatRegister.STATE_IDLE);
        byte[] filled = ram.asSlice(DESTINATION, 14).toArray(ValueLayout.JAVA_BYTE);
        assertThat(filled).containsExactly(1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 0);
    }

    @Test
    void theSameTransferTwiceIsTwoTransfersIfTheChannelWasSuspendedBetween() {
        copy(0, TransferDescriptor.INTERRUPT, SOURCE, DESTINATION, 4096);
        for (int i = 1; i <= 100; i++) {
            start(1);
            await(IoatRegister.STATE_IDLE);
            assertThat(host.messages(0)).isEqualTo(i);
            assertCopied(SOURCE, DESTINATION, 4096);
            ram.asSlice(DESTINATION, 4096).fill((byte) 0);
            registers.writeByte(IoatRegister.COMMAND, IoatRegister.COMMAND_SUSPEND);
            await(IoatRegister.STATE_SUSPENDED);
        }
    }

    @Test
    void aChannelThatWasResetIsArmed() {
        copy(0, 0, SOURCE, DESTINATION, 4096);
        start(1);
        await(IoatRegister.STATE_IDLE);
        command(IoatRegister.COMMAND_RESET);
        assertThat(state()).isEqualTo(IoatRegister.STATE_ARMED);
        assertThat(registers.readShort(IoatRegister.COUNT)).isZero();
        start(1);
        await(IoatRegister.STATE_IDLE);
        assertCopied(SOURCE, DESTINATION, 4096);
    }

    @Test
    void whatCannotBeReachedHaltsTheChannelAndSaysWhy() {
        long nowhere = RAM_IOVA + RAM_BYTES;
        describe(0, TransferDescriptor.COPY, TransferDescriptor.COMPLETION, nowhere, RAM_IOVA + DESTINATION, 4096);
        halted(IoatRegister.ERROR_SOURCE);
        describe(0, TransferDescriptor.COPY, TransferDescriptor.COMPLETION, RAM_IOVA + SOURCE, nowhere, 4096);
        halted(IoatRegister.ERROR_DESTINATION);
        describe(0, 0x87, TransferDescriptor.COMPLETION, RAM_IOVA + SOURCE, RAM_IOVA + DESTINATION, 4096);
        halted(IoatRegister.ERROR_OPERATION);
        describe(0, TransferDescriptor.COPY, TransferDescriptor.COMPLETION, RAM_IOVA + SOURCE, RAM_IOVA + DESTINATION, TRANSFER + 1);
        halted(IoatRegister.ERROR_LENGTH);
        copy(0, 0, SOURCE, DESTINATION, 4096);
        start(1);
        await(IoatRegister.STATE_IDLE);
        assertCopied(SOURCE, DESTINATION, 4096);
    }

    private void halted(int error) {
        int before = host.messages(0);
        start(1);
        while (registers.readLong(IoatRegister.ERROR) == 0 || host.messages(0) == before) {
            Thread.onSpinWait();
        }
        assertThat((int) registers.readLong(IoatRegister.ERROR)).isEqualTo(error);
        assertThat(state()).isEqualTo(IoatRegister.STATE_HALTED);
        assertThat(ram.get(ValueLayout.JAVA_LONG, STATUS)).as("nothing was done").isEqualTo(IoatRegister.STATE_HALTED);
        assertThat(host.messages(0)).isEqualTo(before + 1);
        command(IoatRegister.COMMAND_RESET);
        assertThat((int) registers.readLong(IoatRegister.ERROR)).isZero();
    }

    @Test
    void aFunctionResetIsAsNew() {
        copy(0, 0, SOURCE, DESTINATION, 4096);
        start(1);
        await(IoatRegister.STATE_IDLE);
        device.reset();
        assertThat(state()).isEqualTo(IoatRegister.STATE_ARMED);
        assertThat(registers.readLong(IoatRegister.CHAIN_ADDRESS)).isZero();
        assertThat(registers.readByte(IoatRegister.VERSION)).isEqualTo(0x33);
        assertThat(registers.readByte(IoatRegister.TRANSFER_CAPABILITY)).isEqualTo(IoatChannel.TRANSFER_LG2);
    }
}
