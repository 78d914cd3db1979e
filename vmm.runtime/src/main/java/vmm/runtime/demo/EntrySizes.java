package vmm.runtime.demo;

import iommufd.api.DmaAccess;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import vmm.runtime.text.Quantity;

/** Entries are split to the smallest and put together again while a device writes and reads back. */
final class EntrySizes implements Promise {
    private static final int ROUNDS = 20;
    private static final int REQUESTS_BETWEEN = 200;
    private static final long SEED = 11;
    private static final Duration PATIENCE = Duration.ofSeconds(2);

    @Override
    public String title() {
        return "IOPTE size at run time";
    }

    @Override
    public List<String> vendors() {
        return List.of(PromiseHardware.VTD, PromiseHardware.SMMUV3);
    }

    /** A device that writes words and reads them back until it is stopped. */
    private static final class Traffic {
        private final DmaPort port;
        private final Thread thread = Thread.ofPlatform().daemon().unstarted(this::run);
        private volatile boolean stop;
        private volatile long requests;
        /** Empty while all is well. */
        private volatile String wrong = "";

        Traffic(DmaPort port) {
            this.port = port;
        }

        private void run() {
            SplittableRandom random = new SplittableRandom(SEED);
            long[] word = new long[1];
            MemorySegment buffer = MemorySegment.ofArray(word);
            long done = 0;
            while (!stop) {
                long iova = Guest.IOVA + random.nextLong(Guest.RAM_BYTES / Long.BYTES) * Long.BYTES;
                word[0] = ++done;
                DmaStatus writing = port.write(iova, buffer, 0, Long.BYTES);
                word[0] = 0;
                DmaStatus reading = port.read(iova, buffer, 0, Long.BYTES);
                if (writing != DmaStatus.DONE || reading != DmaStatus.DONE || word[0] != done) {
                    wrong = "write %s, read %s of 0x%x where 0x%x was written: %s".formatted(writing, reading, word[0], done, port.lastFault());
                    return;
                }
                requests = 2 * done;
            }
        }

        /** Waits until it has gone on for a while. */
        void goOn() throws InterruptedException {
            long enough = requests + REQUESTS_BETWEEN;
            Promise.require(Waiting.until(() -> requests >= enough || !wrong.isEmpty(), PATIENCE), "the device stands still");
            Promise.require(wrong.isEmpty(), "%s", wrong);
        }
    }

    @Override
    public String show(Guest guest) throws InterruptedException {
        Ioas space = guest.context().allocateIoas();
        PagingHwpt table = guest.context().allocateHwpt(guest.device(), space, HwptOptions.none());
        space.mapAt(Guest.IOVA, guest.ram(), 0, Guest.RAM_BYTES, DmaAccess.READ_WRITE);
        guest.device().attach(table);
        long large = table.entryBytes(Guest.IOVA);
        Promise.require(large > Guest.PAGE_BYTES, "entries have 0x%x bytes at first: none is large", large);
        Traffic traffic = new Traffic(guest.endpoint().openPort());
        traffic.thread.start();
        try {
            for (int round = 0; round < ROUNDS; round++) {
                traffic.goOn();
                table.split(Guest.IOVA, Guest.RAM_BYTES, Guest.PAGE_BYTES);
                expect(table, Guest.PAGE_BYTES);
                traffic.goOn();
                table.merge(Guest.IOVA, Guest.RAM_BYTES);
                expect(table, large);
            }
            traffic.goOn();
        } finally {
            traffic.stop = true;
            traffic.thread.join();
        }
        return "%d times %s to 4 KiB and back under %d requests, none refused or astray".formatted(ROUNDS, Quantity.bytes(large), traffic.requests);
    }

    private static void expect(PagingHwpt table, long entryBytes) {
        for (long offset = 0; offset < Guest.RAM_BYTES; offset += Guest.RAM_BYTES / 8) {
            long found = table.entryBytes(Guest.IOVA + offset);
            Promise.require(found == entryBytes, "the entry at 0x%x has 0x%x bytes, not 0x%x", Guest.IOVA + offset, found, entryBytes);
        }
    }
}
