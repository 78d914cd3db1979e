package vfio.adapter;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.Optional;
import vfio.device.Bar;
import vfio.device.DeviceHost;
import vfio.device.Interrupts;
import vfio.device.Migration;
import vfio.device.MsiCapability;
import vfio.device.MsixCapability;
import vfio.device.PciExpressCapability;
import vfio.device.PciFunction;
import vfio.device.PciIds;
import vfio.device.PowerManagementCapability;
import vfio.device.RunningDevice;
import vfio.device.SerialNumberCapability;
import vfio.device.VfioDevice;

/**
 * A DMA engine with a handful of 64-bit registers in BAR 0, a shared page in BAR 2 and an MSI-X table in BAR 4.
 * It writes a value to memory, or reads one, when it is told to, and interrupts.
 */
final class TestDevice implements VfioDevice {
    /** Where to. */
    static final long IOVA = 0x00;
    /** What. */
    static final long VALUE = 0x08;
    /** 1 writes, 2 reads, 3 sends message {@link #VALUE}, 4 raises the line, 5 lowers it, 6 tells of an error, 7 adds. */
    static final long COMMAND = 0x10;
    /** How the last transfer ended. */
    static final long STATUS = 0x18;
    static final int VECTORS = 4;
    static final int TABLE_BAR = 4;

    final PciFunction function;
    volatile Running running;
    volatile int starts;
    volatile int resets;
    /** If set, starting fails with it. */
    volatile Errno refusal;

    TestDevice(PciFunction function) {
        this.function = function;
    }

    static PciFunction.Builder builder(int bus, int device) {
        return PciFunction.at(RequesterId.of(0, bus, device, 0), new PciIds(0x1234, 0x11E8, 0x1AF4, 0x1100, 0xFF0000, 0x10))
                .bar(Bar.trapped(0, 4096)).bar(Bar.shared(2, 8192, new Bar.Area(0, 4096))).bar(Bar.trapped(TABLE_BAR, 4096))
                .capability(new PowerManagementCapability()).capability(new PciExpressCapability(false)).capability(new MsiCapability(4, true))
                .capability(new MsixCapability(VECTORS, TABLE_BAR, 0x100, TABLE_BAR, 0x800)).capability(new SerialNumberCapability(0x0123456789ABCDEFL))
                .interruptPin();
    }

    static TestDevice at(int bus, int device) {
        return new TestDevice(builder(bus, device).build());
    }

    @Override
    public PciFunction function() {
        return function;
    }

    @Override
    public RunningDevice start(DeviceHost host) {
        if (refusal != null) {
            throw new IommufdException(refusal, "as the test wants");
        }
        starts++;
        running = new Running(host);
        return running;
    }

    final class Running implements RunningDevice, Migration {
        final DeviceHost host;
        final DmaPort port;
        final long[] registers = new long[4];
        final MemorySegment buffer = Arena.ofAuto().allocate(8);
        volatile boolean closed;
        volatile long sharedWritten = -1;
        volatile boolean mastering;
        volatile Activity activity = Activity.RUNNING;
        private ReadableByteChannel running;

        Running(DeviceHost host) {
            this.host = host;
            this.port = host.openPort();
        }

        @Override
        public synchronized long read(int bar, long offset, int widthBytes) {
            if (bar != 0) {
                return 0;
            }
            long word = registers[(int) offset >>> 3 & 3] >>> (offset & 7) * 8;
            return widthBytes == 8 ? word : word & (1L << widthBytes * 8) - 1;
        }

        @Override
        public synchronized void write(int bar, long offset, int widthBytes, long value) {
            if (bar == 0) {
                int index = (int) offset >>> 3 & 3;
                int shift = (int) (offset & 7) * 8;
                long mask = (widthBytes == 8 ? -1L : (1L << widthBytes * 8) - 1) << shift;
                registers[index] = registers[index] & ~mask | value << shift & mask;
                if (index == COMMAND >>> 3) {
                    run((int) registers[index]);
                }
            }
        }

        private void run(int command) {
            long iova = registers[0];
            switch (command) {
                case 1 -> {
                    buffer.set(ValueLayout.JAVA_LONG, 0, registers[1]);
                    registers[3] = port.write(iova, buffer, 0, 8).ordinal();
                }
                case 2 -> {
                    registers[3] = port.read(iova, buffer, 0, 8).ordinal();
                    registers[1] = buffer.get(ValueLayout.JAVA_LONG, 0);
                }
                case 3 -> host.interrupts().message((int) registers[1]);
                case 4, 5 -> host.interrupts().line(command == 4);
                case 6 -> host.interrupts().error();
                case 7 -> {
                    registers[1] = port.fetchAndAdd(iova, registers[1]);
                    registers[3] = port.status().ordinal();
                }
                default -> { }
            }
        }

        @Override
        public void sharedWritten(int bar, long offset, int lengthBytes) {
            sharedWritten = offset;
        }

        @Override
        public void busMasterChanged(boolean enabled) {
            mastering = enabled;
        }

        @Override
        public synchronized void reset() {
            resets++;
            java.util.Arrays.fill(registers, 0);
        }

        @Override
        public Optional<Migration> migration() {
            return Optional.of(this);
        }

        @Override
        public boolean peerToPeer() {
            return true;
        }

        @Override
        public boolean preCopy() {
            return true;
        }

        @Override
        public void setActivity(Activity next) {
            activity = next;
        }

        @Override
        public long stateBytes() {
            return 16;
        }

        private ByteBuffer state() {
            return ByteBuffer.allocate(16).putLong(registers[0]).putLong(registers[1]).flip();
        }

        @Override
        public ReadableByteChannel copyStopped() {
            return Channels.newChannel(new ByteArrayInputStream(state().array()));
        }

        @Override
        public ReadableByteChannel copyRunning() {
            return Channels.newChannel(new ByteArrayInputStream(new byte[4]));
        }

        @Override
        public long runningBytes() {
            return 4;
        }

        @Override
        public WritableByteChannel restore() {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            WritableByteChannel channel = Channels.newChannel(bytes);
            return new WritableByteChannel() {
                @Override
                public int write(ByteBuffer source) throws IOException {
                    return channel.write(source);
                }

                @Override
                public boolean isOpen() {
                    return true;
                }

                @Override
                public void close() {
                    if (bytes.size() != 16) {
                        throw new IommufdException(Errno.EINVAL, "no state of this device");
                    }
                    ByteBuffer state = ByteBuffer.wrap(bytes.toByteArray());
                    registers[0] = state.getLong();
                    registers[1] = state.getLong();
                }
            };
        }

        Interrupts.Mode mode() {
            return host.interrupts().mode();
        }

        DmaStatus status() {
            return DmaStatus.values()[(int) registers[3]];
        }

        @Override
        public void close() {
            closed = true;
            port.close();
        }
    }
}
