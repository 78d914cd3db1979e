package vmm.runtime.demo;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import vmm.runtime.text.Quantity;

/** Step 1: what devices write is in guest memory, what they read is what stands there, and atomics are atomic. */
final class DmaArrives implements Step {
    private static final int REQUEST_BYTES = 64 * 1024;
    private static final int PASSES = 2;
    private static final int PIECES = 64;
    private static final int ADDITIONS = 100_000;

    @Override
    public String title() {
        return "DMA arrives, byte for byte";
    }

    @Override
    public void run(Testbed bed, Screen screen) throws InterruptedException {
        bed.onBoth(hardware -> fillAndReadBack(hardware, bed, screen));
        scatter(bed, screen);
        addAtomically(bed, screen);
    }

    private static void fillAndReadBack(String hardware, Testbed bed, Screen screen) throws InterruptedException {
        long share = bed.ram().lengthBytes() / Testbed.DEVICES;
        List<Fill> fills = new ArrayList<>();
        // The first pass touches fresh memory and warms the code up; the last one is timed.
        for (int pass = 0; pass < PASSES; pass++) {
            fills.clear();
            for (int device = 0; device < Testbed.DEVICES; device++) {
                Fill fill = new Fill(bed, pass, device * share, share);
                fills.add(fill);
                bed.devices().get(device).start(fill);
            }
            screen.progress("%s, pass %d of %d: both devices fill the guest memory and read it back".formatted(hardware, pass + 1, PASSES));
            for (EmulatedDevice device : bed.devices()) {
                device.join();
            }
            fills.forEach(Fill::compareMemory);
        }
        long failed = fills.stream().mapToLong(fill -> fill.failedRequests).sum();
        long differing = fills.stream().mapToLong(fill -> fill.differingInMemory).sum();
        long differingBack = fills.stream().mapToLong(fill -> fill.differingReadBack).sum();
        String size = Quantity.bytes(bed.ram().lengthBytes());
        screen.check(hardware + ": every byte written by DMA is in guest memory", differing == 0 && failed == 0,
                "%s compared, %s wrong, %s".formatted(size, Quantity.count(differing), Quantity.count(failed, "failed request")));
        screen.check(hardware + ": every byte is read back by DMA as it was", differingBack == 0 && failed == 0,
                "%s compared, %s wrong".formatted(size, Quantity.count(differingBack)));
        double writeNanos = fills.stream().mapToLong(fill -> fill.writeNanos).average().orElse(0);
        double readNanos = fills.stream().mapToLong(fill -> fill.readNanos).average().orElse(0);
        screen.note("   each of the two devices writes %s and reads %s, in requests of %s".formatted(
                Quantity.rate(share, writeNanos), Quantity.rate(share, readNanos), Quantity.bytes(REQUEST_BYTES)));
    }

    /** Odd lengths at odd addresses, in one request. */
    private static void scatter(Testbed bed, Screen screen) {
        ScatterList pieces = new ScatterList(PIECES);
        for (int i = 0; i < PIECES; i++) {
            pieces.add(Testbed.RAM_IOVA + i * 9001L, 1 + 129L * i);
        }
        int total = (int) pieces.totalBytes();
        MemorySegment sent = Arena.ofAuto().allocate(total);
        for (int i = 0; i < total; i++) {
            sent.set(JAVA_BYTE, i, (byte) Pattern.mixed(i));
        }
        MemorySegment received = Arena.ofAuto().allocate(total);
        DmaPort port = bed.devices().getFirst().port();
        boolean done = port.write(pieces, sent, 0) == DmaStatus.DONE && port.read(pieces, received, 0) == DmaStatus.DONE;
        boolean inPlace = true;
        long offset = 0;
        for (int i = 0; i < PIECES; i++) {
            long start = pieces.iova(i) - Testbed.RAM_IOVA;
            long length = pieces.lengthBytes(i);
            inPlace &= MemorySegment.mismatch(bed.ram().segment(), start, start + length, sent, offset, offset + length) < 0;
            offset += length;
        }
        screen.check("Scattered requests put every piece in its place", done && inPlace && sent.mismatch(received) < 0,
                "%d pieces, %s".formatted(PIECES, Quantity.bytes(total)));
    }

    private static void addAtomically(Testbed bed, Screen screen) throws InterruptedException {
        bed.ram().segment().set(JAVA_LONG, 0, 0);
        screen.progress("both devices add to one word");
        for (EmulatedDevice device : bed.devices()) {
            device.start(new Adder());
        }
        for (EmulatedDevice device : bed.devices()) {
            device.join();
        }
        long sum = bed.ram().segment().get(JAVA_LONG, 0);
        long expected = (long) ADDITIONS * Testbed.DEVICES;
        screen.check("Atomic additions of two devices on one word lose none", sum == expected,
                "%s of %s".formatted(Quantity.count(sum), Quantity.count(expected)));
    }

    private static final class Adder implements EmulatedDevice.Engine {
        private int left = ADDITIONS;

        @Override
        public boolean doWork(DmaPort port) {
            port.fetchAndAdd(Testbed.RAM_IOVA, 1);
            return --left > 0;
        }
    }

    /** Writes a part of guest memory from start to end, then reads it. Its fields are read once the device is done. */
    private static final class Fill implements EmulatedDevice.Engine {
        private final MemorySegment ram;
        private final long ramOffset;
        private final int requests;
        private final long seed;
        private final Pattern pattern = new Pattern(REQUEST_BYTES);
        private final MemorySegment readBack = Arena.ofAuto().allocate(REQUEST_BYTES, Long.BYTES);
        private int next;
        long writeNanos;
        long readNanos;
        long failedRequests;
        long differingReadBack;
        long differingInMemory;

        Fill(Testbed bed, int pass, long ramOffset, long lengthBytes) {
            this.ram = bed.ram().segment();
            this.ramOffset = ramOffset;
            this.requests = (int) (lengthBytes / REQUEST_BYTES);
            this.seed = (long) pass << 32 | ramOffset / REQUEST_BYTES;
        }

        @Override
        public boolean doWork(DmaPort port) {
            int request = next % requests;
            long offset = offset(request);
            MemorySegment block = pattern.block(seed + request);
            boolean writes = next < requests;
            long began = System.nanoTime();
            DmaStatus status = writes
                    ? port.write(Testbed.RAM_IOVA + offset, block, 0, REQUEST_BYTES)
                    : port.read(Testbed.RAM_IOVA + offset, readBack, 0, REQUEST_BYTES);
            long took = System.nanoTime() - began;
            if (writes) {
                writeNanos += took;
            } else {
                readNanos += took;
                differingReadBack += pattern.differences(readBack, 0);
            }
            if (status != DmaStatus.DONE) {
                failedRequests++;
            }
            return ++next < 2 * requests;
        }

        void compareMemory() {
            for (int request = 0; request < requests; request++) {
                pattern.block(seed + request);
                differingInMemory += pattern.differences(ram, offset(request));
            }
        }

        private long offset(int request) {
            return ramOffset + (long) request * REQUEST_BYTES;
        }
    }
}
