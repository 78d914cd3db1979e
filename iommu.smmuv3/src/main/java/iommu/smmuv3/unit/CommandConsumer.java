package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuCommand.*;
import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.dma.InvalidationLog;
import iommu.common.unit.PhysicalWords;
import iommu.common.unit.RegisterFile;
import iommu.smmuv3.format.SmmuQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The unit's end of the command queue (IHI 0070, §4 and §7.1). Guarded by the unit's lock. */
final class CommandConsumer {
    private static final Logger LOG = LoggerFactory.getLogger(CommandConsumer.class);
    private static final int DONE = 0;
    /** A CMD_SYNC found a request still inside: it stays in the queue until the next doorbell. */
    private static final int PENDING = -1;
    private static final long SYNC_NANOS = 5_000_000_000L;
    private static final int ANY_RANGE = 31;

    private final RegisterFile registers;
    private final SmmuBus bus;
    private final GlobalErrors errors;
    private final InvalidationLog log;
    private final int maxEntriesLg2;
    /** Lines to raise for what the running {@link #drain} has carried out. */
    private int lines;

    CommandConsumer(RegisterFile registers, SmmuBus bus, GlobalErrors errors, InvalidationLog log, int maxEntriesLg2) {
        this.registers = registers;
        this.bus = bus;
        this.errors = errors;
        this.log = log;
        this.maxEntriesLg2 = maxEntriesLg2;
    }

    /**
     * Carries out what is in the queue, one lap at most, unless it is disabled or an error is active. An error leaves the
     * consumer index on the command.
     *
     * @return lines to raise
     */
    int drain() {
        if ((registers.get32(CR0ACK) & CR0_CMDQEN) == 0 || errors.active(GERROR_CMDQ_ERR)) {
            return 0;
        }
        long base = registers.get64(CMDQ_BASE);
        int lg2 = Math.min((int) base & QUEUE_LOG2SIZE, maxEntriesLg2);
        long table = base & QUEUE_BASE_ADDRESS & -Math.max(32, 1L << lg2 + BYTES_LG2);
        int consumer = SmmuQueue.index(registers.get32(CMDQ_CONS), lg2);
        int left = SmmuQueue.used(SmmuQueue.index(registers.get32(CMDQ_PROD), lg2), consumer, lg2);
        if (left > 1 << lg2) {
            return 0;   // inconsistent indices: nothing is consumed
        }
        lines = 0;
        for (; left > 0; left--) {
            long address = table + ((long) SmmuQueue.entry(consumer, lg2) << BYTES_LG2);
            long located = bus.locate(address, BYTES);
            int result = located < 0 ? CERROR_ABT
                    : execute(PhysicalWords.get(located), PhysicalWords.get(located + 8), SmmuQueue.next(consumer, lg2));
            if (result != DONE) {
                if (result != PENDING) {
                    registers.put32(CMDQ_CONS, consumer | result << CMDQ_CONS_ERR_SHIFT);
                    return lines | errors.raise(GERROR_CMDQ_ERR);
                }
                break;
            }
            consumer = SmmuQueue.next(consumer, lg2);
        }
        registers.put32(CMDQ_CONS, consumer);
        return lines;
    }

    /** @return {@link #DONE}, {@link #PENDING} or an error code */
    private int execute(long word0, long word1, int nextConsumer) {
        return switch (opcode(word0)) {
            case PREFETCH_CONFIG, PREFETCH_ADDR -> (word0 & SECURE_STREAM) != 0 ? CERROR_ILL : DONE;
            case CFGI_STE, CFGI_STE_RANGE, CFGI_CD, CFGI_CD_ALL -> invalidateConfiguration(word0, word1);
            case TLBI_NH_ALL -> publish(SmmuInvalidation.STAGE1, word0, 0, -1L);
            case TLBI_NH_ASID -> publish(SmmuInvalidation.STAGE1_ASID, word0, 0, -1L);
            case TLBI_NH_VA -> invalidateRange(SmmuInvalidation.STAGE1_RANGE, word0, word1, word1 & ADDRESS);
            case TLBI_NH_VAA -> invalidateRange(SmmuInvalidation.STAGE1_RANGE_ANY_ASID, word0, word1, word1 & ADDRESS);
            case TLBI_S12_VMALL -> publish(SmmuInvalidation.BOTH_STAGES, word0, 0, -1L);
            case TLBI_S2_IPA -> invalidateRange(SmmuInvalidation.STAGE2_RANGE, word0, word1, word1 & IPA);
            case TLBI_NSNH_ALL -> publish(SmmuInvalidation.TRANSLATIONS, word0, 0, -1L);
            case SYNC -> synchronize(word0, word1, nextConsumer);
            default -> CERROR_ILL;   // EL2, Secure, ATS, PRI and stalls are not advertised
        };
    }

    private int invalidateConfiguration(long word0, long word1) {
        if ((word0 & SECURE_STREAM) != 0) {
            return CERROR_ILL;
        }
        long stream = word0 >>> STREAM_SHIFT;
        long substream = word0 >>> SUBSTREAM_SHIFT & SUBSTREAM_MASK;
        switch (opcode(word0)) {
            case CFGI_STE -> log.publish(SmmuInvalidation.STREAMS, 0, stream, stream);
            case CFGI_STE_RANGE -> {
                int range = (int) (word1 & RANGE);
                long inside = (2L << range) - 1;
                long first = range == ANY_RANGE ? 0 : stream & ~inside;
                log.publish(SmmuInvalidation.STREAMS, 0, first, first | inside);
            }
            case CFGI_CD -> log.publish(SmmuInvalidation.CONTEXT, stream, substream, substream);
            default -> log.publish(SmmuInvalidation.CONTEXTS, stream, 0, -1L);
        }
        return DONE;
    }

    private int invalidateRange(int kind, long word0, long word1, long first) {
        int granule = (int) (word1 >>> TG_SHIFT) & 3;
        if (granule == 0) {
            return publish(kind, word0, first, first | 0xfff);
        }
        long pages = (word0 >>> NUM_SHIFT & 0x1f) + 1;
        int scale = (int) (word0 >>> SCALE_SHIFT) & 0x1f;
        int level = (int) (word1 >>> TTL_SHIFT) & 3;
        if (granule == 2 && level == 1) {
            level = 0;   // no blocks there with 16K: as no hint
        }
        if (pages == 1 && scale == 0 && level == 0) {
            return CERROR_ILL;
        }
        int granuleLg2 = 2 * granule + 10;
        // 32 << 31 << 16 is 2^52: no overflow. The range ends at the top of the address space at the latest.
        long last = first + (pages << scale + granuleLg2) - 1;
        return publish(kind, word0, first, Long.compareUnsigned(last, first) < 0 ? -1L : last);
    }

    private int publish(int kind, long word0, long first, long last) {
        int vmid = (int) (word0 >>> VMID_SHIFT) & 0xffff;
        int asid = (int) (word0 >>> ASID_SHIFT) & 0xffff;
        log.publish(kind, SmmuInvalidation.tag(vmid, asid), first, last);
        return DONE;
    }

    private int synchronize(long word0, long word1, int nextConsumer) {
        int signal = (int) (word0 >>> CS_SHIFT) & 3;
        if (signal > CS_SEV) {
            return CERROR_ILL;
        }
        if (!log.awaitQuiescence(SYNC_NANOS)) {
            LOG.warn("CMD_SYNC waits: a DMA request has been inside for more than {} s", SYNC_NANOS / 1_000_000_000);
            return PENDING;
        }
        if (signal == CS_IRQ) {
            registers.put32(CMDQ_CONS, nextConsumer);   // visible before the interrupt
            lines |= GlobalErrors.bit(SmmuInterrupts.Line.COMMAND_SYNC);
            if (!errors.send(word1 & MSI_ADDRESS, (int) (word0 >>> MSI_DATA_SHIFT))) {
                lines |= errors.raise(GERROR_MSI_CMDQ_ABT_ERR);
            }
        }
        return DONE;
    }
}
