package iommu.smmuv3.driver;

import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.unit.InterruptHandling;
import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.format.RegisterAccess;
import iommu.smmuv3.format.SmmuEvent;
import iommu.smmuv3.format.SmmuQueue;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.RequesterId;
import java.util.OptionalInt;
import java.util.function.BiConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The driver's end of the event queue. Thread-safe; reports without its lock. */
final class EventReader implements AutoCloseable {
    static final int ENTRIES_LG2 = 7;
    /** Events read before a flood is left to a thread of its own. */
    private static final int MAX_EVENTS = 256;
    private static final Logger LOG = LoggerFactory.getLogger(EventReader.class);

    private final String name;
    private final RegisterAccess registers;
    private final long queue;
    private final BiConsumer<long[], DmaFault> faults;
    private final InterruptHandling handling;

    EventReader(String name, RegisterAccess registers, long queue, BiConsumer<long[], DmaFault> faults) {
        this.name = name;
        this.registers = registers;
        this.queue = queue;
        this.faults = faults;
        handling = new InterruptHandling(name + "-events", this::readSome);
    }

    /** Reports what is in the queue. */
    void drain() {
        handling.raised();
    }

    /** @return whether more may be in the queue */
    private boolean readSome() {
        for (int events = 0; events < MAX_EVENTS; events++) {
            long[] record = next();
            if (record.length == 0) {
                return false;
            }
            faults.accept(record, describe(record[0], record[1], record[2]));
        }
        return true;
    }

    /** Waits for the end of a flood; the unit records nothing any more. */
    @Override
    public void close() {
        handling.close();
    }

    /** @return the words of the oldest record, or nothing */
    private synchronized long[] next() {
        int producer = (int) registers.read(EVENTQ_PROD, 4);
        int consumer = (int) registers.read(EVENTQ_CONS, 4);
        if (((producer ^ consumer) & EVENTQ_OVERFLOW) != 0) {
            LOG.info("{}: the event queue was full, events were lost", name);
            consumer ^= EVENTQ_OVERFLOW;
            registers.write(EVENTQ_CONS, 4, consumer);
        }
        if (SmmuQueue.empty(producer, consumer, ENTRIES_LG2)) {
            return new long[0];
        }
        long slot = queue + ((long) SmmuQueue.entry(consumer, ENTRIES_LG2) << SmmuEvent.BYTES_LG2);
        long[] record = {PhysicalWords.get(slot), PhysicalWords.get(slot + 8), PhysicalWords.get(slot + 16), PhysicalWords.get(slot + 24)};
        registers.write(EVENTQ_CONS, 4, SmmuQueue.next(consumer, ENTRIES_LG2) | consumer & EVENTQ_OVERFLOW);
        return record;
    }

    private DmaFault describe(long word0, long word1, long word2) {
        SmmuEvent event = SmmuEvent.of(word0);
        RequesterId requester = new RequesterId((int) (word0 >>> SmmuEvent.STREAM_SHIFT));
        boolean substreamed = (word0 & SmmuEvent.SSV) != 0 || event == SmmuEvent.C_BAD_SUBSTREAMID;
        OptionalInt pasid = substreamed ? OptionalInt.of((int) word0 >>> SmmuEvent.SUBSTREAM_SHIFT) : OptionalInt.empty();
        DmaAccess access = event.hasInputAddress() && (word1 & SmmuEvent.READ) == 0 ? DmaAccess.WRITE : DmaAccess.READ;
        return new DmaFault(name, requester, pasid, word2, access, kind(event), event.number(), event.text());
    }

    /** This driver leaves no malformed structure behind, but invalid ones, where nothing is attached. */
    private static DmaFault.Kind kind(SmmuEvent event) {
        return event.kind() == DmaFault.Kind.CONFIGURATION ? DmaFault.Kind.BLOCKED : event.kind();
    }
}
