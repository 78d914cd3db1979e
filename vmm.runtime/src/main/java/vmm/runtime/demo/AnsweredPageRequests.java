package vmm.runtime.demo;

import iommufd.api.DmaAccess;
import iommufd.api.FaultQueue;
import iommufd.api.FaultRecord;
import iommufd.api.FaultResponse;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import vmm.runtime.text.Quantity;

/** A device asks for absent pages; user space reads the faults, maps the pages and answers, or refuses. */
final class AnsweredPageRequests implements Promise {
    private static final int PAGES = 64;
    private static final int RECORDS = 8;
    private static final Duration PATIENCE = Duration.ofSeconds(2);

    @Override
    public String title() {
        return "PRI, resolved in user space";
    }

    @Override
    public List<String> vendors() {
        return List.of(PromiseHardware.VTD, PromiseHardware.SMMUV3);
    }

    /** A device that writes a word to each page in turn. */
    private static final class Writer {
        private final DmaPort port;
        private final Thread thread = Thread.ofPlatform().daemon().unstarted(this::run);
        private volatile int done;
        private volatile DmaStatus last = DmaStatus.DONE;

        Writer(DmaPort port) {
            this.port = port;
        }

        private void run() {
            while (last == DmaStatus.DONE) {
                last = Guest.write(port, Guest.IOVA + (long) done * Guest.PAGE_BYTES, done + 1L);
                if (last == DmaStatus.DONE) {
                    done++;
                }
            }
        }
    }

    @Override
    public String show(Guest guest) throws InterruptedException {
        Ioas space = guest.context().allocateIoas();
        FaultQueue queue = guest.context().allocateFaultQueue();
        guest.device().attach(guest.context().allocateHwpt(guest.device(), space, new HwptOptions(false, false, false, Optional.of(queue))));
        Writer writer = new Writer(guest.endpoint().openPort());
        long began = System.nanoTime();
        writer.thread.start();
        for (int page = 0; page < PAGES; page++) {
            FaultRecord fault = next(queue, writer, page);
            space.mapAt(fault.iova(), guest.ram(), (long) page * Guest.PAGE_BYTES, Guest.PAGE_BYTES, DmaAccess.READ_WRITE);
            queue.respond(fault.cookie(), FaultResponse.SUCCESS);
        }
        FaultRecord refused = next(queue, writer, PAGES);
        double each = (double) (System.nanoTime() - began) / PAGES;
        queue.respond(refused.cookie(), FaultResponse.INVALID);
        writer.thread.join(PATIENCE);
        Promise.require(!writer.thread.isAlive(), "a request that was refused did not end");
        Promise.require(writer.last == DmaStatus.FAULTED && writer.done == PAGES, "the refused request ended as %s after %d writes",
                writer.last, writer.done);
        for (int page = 0; page < PAGES; page++) {
            long found = guest.word((long) page * Guest.PAGE_BYTES);
            Promise.require(found == page + 1, "page %d holds 0x%x", page, found);
        }
        return "%d absent pages asked for, mapped and written (%s each); 1 refused".formatted(PAGES, Quantity.time(each));
    }

    private static FaultRecord next(FaultQueue queue, Writer writer, int page) throws InterruptedException {
        Promise.require(queue.awaitReadable(PATIENCE), "nobody asked for page %d; the write ended as %s: %s",
                page, writer.last, writer.port.lastFault());
        List<FaultRecord> faults = queue.read(RECORDS);
        FaultRecord fault = faults.getFirst();
        long iova = Guest.IOVA + (long) page * Guest.PAGE_BYTES;
        Promise.require(faults.size() == 1 && fault.iova() == iova && fault.access() == DmaAccess.WRITE && fault.lastOfGroup(),
                "page %d was asked for as %s", page, faults);
        return fault;
    }
}
