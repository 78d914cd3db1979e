package vmm.qtest.board;

import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.IommuUnit;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import vmm.qtest.board.DirectUpstream.MessageWindow;

/**
 * A computer without a processor. Where nothing answers, reads are ones and writes are lost, as on a PCI bus. Thread-safe: one client's
 * request is done before the next begins.
 */
public final class Board implements AutoCloseable {
    /** Largest number of a port. */
    public static final int LAST_PORT = 0xffff;
    /** Everything that is mapped begins and ends at one. */
    private static final long PAGE_BYTES = 4096;
    private static final byte ONES = -1;

    /** Registers at a place. */
    private record Mapping(long address, long lengthBytes, Mmio registers) {
        boolean contains(long candidate) {
            return candidate - address >= 0 && candidate - address < lengthBytes;
        }
    }

    private final String name;
    private final Ram ram;
    private final PciBus pci = new PciBus();
    private final Optional<IoPorts> ports;
    private final InterruptLines lines;
    private final MessageLog messages = new MessageLog();
    private final MessageWindow messageWindow;
    private final VirtualClock clock = new VirtualClock();
    private final IntxRouting intx;
    /** Guarded by this. */
    private final List<Mapping> mappings = new ArrayList<>();
    private final List<IommuUnit> units = new ArrayList<>();

    /** Which input of the interrupt controller an interrupt pin INTA# reaches. */
    @FunctionalInterface
    interface IntxRouting {
        /** @param slot device number, 0 to 31 */
        int line(int slot);
    }

    Board(String name, Ram ram, InterruptLines lines, IntxRouting intx, MessageWindow messageWindow, boolean hasPorts) {
        this.name = name;
        this.ram = ram;
        this.lines = lines;
        this.intx = intx;
        this.messageWindow = messageWindow;
        this.ports = hasPorts ? Optional.of(new IoPorts(pci)) : Optional.empty();
        map(messageWindow.address(), messageWindow.lengthBytes(), new MessageRegisters(messageWindow.address(), messages));
    }

    /** What QEMU calls such a machine. */
    public String name() {
        return name;
    }

    /** Its interrupt controller's inputs. */
    public InterruptLines lines() {
        return lines;
    }

    /** The messages that reached it. */
    public MessageLog messages() {
        return messages;
    }

    Ram ram() {
        return ram;
    }

    PciBus pci() {
        return pci;
    }

    synchronized void map(long address, long lengthBytes, Mmio registers) {
        mappings.add(new Mapping(address, lengthBytes, registers));
    }

    synchronized void unmap(Mmio registers) {
        mappings.removeIf(mapping -> mapping.registers == registers);
    }

    /** The board's only IOMMU; functions plugged in from now on sit behind it. */
    synchronized void add(long address, IommuUnit unit) {
        units.add(unit);
        map(address, unit.registerBytes(), new UnitRegisters(unit));
    }

    /** Plugs a function into the lowest free slot. @throws IllegalArgumentException if all are in use */
    public synchronized int plug(PciFunction function) {
        return pci.plug(function, this::wiring);
    }

    /** Plugs a function in. @throws IllegalArgumentException if another one sits there */
    public synchronized int plug(PciFunction function, int deviceFunction) {
        return pci.plug(function, deviceFunction, this::wiring);
    }

    private PciFunction.Wiring wiring(RequesterId requester) {
        Upstream direct = new DirectUpstream(ram, messageWindow, messages);
        Upstream upstream = units.isEmpty() ? direct : new TranslatedUpstream(units.getFirst().openPort(requester, Pasid.NONE));
        int line = intx.line(requester.deviceFunction() >>> 3);
        return new PciFunction.Wiring() {
            @Override
            public Upstream upstream() {
                return upstream;
            }

            @Override
            public Upstream memory() {
                return direct;
            }

            @Override
            public void pin(boolean level) {
                lines.set(line, level);
            }

            @Override
            public VirtualClock clock() {
                return clock;
            }
        };
    }

    /** Reads {@code target.length} bytes; {@code address} is unsigned and does not wrap around. */
    public synchronized void read(long address, byte[] target) {
        MemorySegment into = MemorySegment.ofArray(target);
        for (int done = 0; done < target.length; ) {
            long at = address + done;
            long ramBytes = Math.min(ram.contiguousBytes(at), target.length - done);
            if (ramBytes > 0) {
                ram.read(at, into, done, ramBytes);
                done += (int) ramBytes;
            } else {
                done += readRegisters(at, target, done);
            }
        }
    }

    /** Writes; see {@link #read}. */
    public synchronized void write(long address, byte[] source) {
        MemorySegment from = MemorySegment.ofArray(source);
        for (int done = 0; done < source.length; ) {
            long at = address + done;
            long ramBytes = Math.min(ram.contiguousBytes(at), source.length - done);
            if (ramBytes > 0) {
                ram.write(at, from, done, ramBytes);
                done += (int) ramBytes;
            } else {
                done += writeRegisters(at, source, done);
            }
        }
    }

    private int readRegisters(long address, byte[] target, int done) {
        Optional<Mapping> mapping = registersAt(address);
        if (mapping.isEmpty()) {
            int nothing = untilNextPage(address, target.length - done);
            Arrays.fill(target, done, done + nothing, ONES);
            return nothing;
        }
        int bytes = accessBytes(address, target.length - done, mapping.get().registers);
        boolean taken = bytes >= mapping.get().registers.minBytes();
        long value = taken ? mapping.get().registers.read(address - mapping.get().address, bytes) : -1;
        for (int i = 0; i < bytes; i++) {
            target[done + i] = (byte) (value >>> i * Byte.SIZE);
        }
        return bytes;
    }

    private int writeRegisters(long address, byte[] source, int done) {
        Optional<Mapping> mapping = registersAt(address);
        if (mapping.isEmpty()) {
            return untilNextPage(address, source.length - done);
        }
        int bytes = accessBytes(address, source.length - done, mapping.get().registers);
        long value = 0;
        for (int i = 0; i < bytes; i++) {
            value |= (source[done + i] & 0xffL) << i * Byte.SIZE;
        }
        if (bytes >= mapping.get().registers.minBytes()) {
            mapping.get().registers.write(address - mapping.get().address, bytes, value);
        }
        return bytes;
    }

    private Optional<Mapping> registersAt(long address) {
        for (Mapping mapping : mappings) {
            if (mapping.contains(address)) {
                return Optional.of(mapping);
            }
        }
        return pci.at(address).map(function -> new Mapping(address - function.barOffset(address), function.barBytes(), function.registers()));
    }

    private static int untilNextPage(long address, int atMost) {
        return (int) Math.min(PAGE_BYTES - (address & PAGE_BYTES - 1), atMost);
    }

    /** The largest aligned access that fits. */
    private static int accessBytes(long address, int atMost, Mmio registers) {
        int bytes = registers.maxBytes();
        while (bytes > atMost || (address & bytes - 1) != 0) {
            bytes >>= 1;
        }
        return bytes;
    }

    /** Whether there are I/O ports. */
    public boolean hasPorts() {
        return ports.isPresent();
    }

    /** Reads a port; ones where none is. @param port 0 to {@link #LAST_PORT}. @param bytes 1, 2 or 4 */
    public synchronized long readPort(int port, int bytes) {
        return ports.map(present -> present.read(port, bytes)).orElse(-1L) & -1L >>> Long.SIZE - bytes * Byte.SIZE;
    }

    /** Writes a port; see {@link #readPort}. */
    public synchronized void writePort(int port, int bytes, long value) {
        ports.ifPresent(present -> present.write(port, bytes, value));
    }

    /** Does something with the board's time. */
    public synchronized <T> T time(Function<VirtualClock, T> action) {
        return action.apply(clock);
    }

    /** As if the reset button were pressed. RAM keeps what it holds, time goes on. */
    public synchronized void reset() {
        lines.reset();
        messages.reset();
        units.forEach(IommuUnit::reset);
        pci.reset();
        ports.ifPresent(IoPorts::reset);
    }

    @Override
    public synchronized void close() {
        units.forEach(IommuUnit::close);
        ram.close();
    }
}
