package iommu.smmuv3.unit;

import static iommu.smmuv3.format.TranslationDescriptor.*;
import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.format.ContextDescriptor;
import iommu.smmuv3.format.SmmuEvent;

/**
 * Stage 1 of one stream or substream: what its context descriptor says, and the walk (Arm ARM DDI 0487, §D8.2; IHI 0070, §5.4).
 * Requests are unprivileged data accesses. Reused; belongs to one port.
 */
final class StageOne {
    private static final int MIN_TXSZ = 16;
    private static final int MAX_TXSZ = 39;
    private static final long RETRY = -3L;
    private static final int MAX_RETRIES = 1000;
    private static final int SELECT_BIT = 55;

    private final FaultNote note;
    private final SmmuBus bus;
    private final DirtyMarkSink dirtyMarks;
    /** Stage 2 under the tables and the output, when {@link #nested}. */
    private final StageTwo below;
    private final Half low = new Half();
    private final Half high = new Half();
    private int outputBits;
    private int asid;
    private boolean nested;
    private boolean accessFlagIgnored;
    private boolean updatesAccessFlag;
    private boolean updatesDirty;
    private boolean recordsFaults;

    /** log2 of the page or block of the last walk. */
    int pageLg2;
    /** Accesses the last walk's leaf grants without another update. */
    int rights;

    StageOne(FaultNote note, SmmuBus bus, DirtyMarkSink dirtyMarks, StageTwo below) {
        this.note = note;
        this.bus = bus;
        this.dirtyMarks = dirtyMarks;
        this.below = below;
    }

    /** One of the two translation tables. */
    private static final class Half {
        long table;
        int granuleLg2;
        int top;
        int inputBits;
        boolean walks;
        boolean ignoresTopByte;

        /** @return false if the table is ILLEGAL */
        boolean configure(long ttb, int txsz, int tableGranuleLg2, int outputBits) {
            granuleLg2 = tableGranuleLg2;
            if (!walks) {
                return true;
            }
            table = ttb & ContextDescriptor.TTB;
            if (granuleLg2 == 0 || txsz < MIN_TXSZ || txsz > MAX_TXSZ || table >>> outputBits != 0) {
                return false;
            }
            inputBits = 64 - txsz;
            int stride = strideLg2(granuleLg2);
            top = (inputBits - granuleLg2 + stride - 1) / stride - 1;
            int topBits = inputBits - granuleLg2 - top * stride;
            table &= -(1L << Math.max(topBits + 3, 6));
            return true;
        }
    }

    /** Takes over a valid descriptor. @return false if it is ILLEGAL (§5.4.2) */
    boolean configure(long word0, long ttb0, long ttb1, boolean nestedTables, int maxOutputBits) {
        nested = nestedTables;
        outputBits = Math.min(maxOutputBits, ContextDescriptor.addressBits((int) (word0 >>> ContextDescriptor.IPS_SHIFT) & 7));
        low.walks = (word0 & ContextDescriptor.EPD0) == 0;
        high.walks = (word0 & ContextDescriptor.EPD1) == 0;
        if ((word0 & ContextDescriptor.AA64) == 0 || (word0 & ContextDescriptor.S) != 0 || (word0 & ContextDescriptor.A) == 0
                || (low.walks || high.walks) && (word0 & ContextDescriptor.ENDI) != 0) {
            return false;
        }
        low.ignoresTopByte = (word0 & ContextDescriptor.TBI0) != 0;
        high.ignoresTopByte = (word0 & ContextDescriptor.TBI1) != 0;
        updatesAccessFlag = (word0 & ContextDescriptor.HA) != 0;
        updatesDirty = updatesAccessFlag && (word0 & ContextDescriptor.HD) != 0;
        accessFlagIgnored = !updatesAccessFlag && (word0 & ContextDescriptor.AFFD) != 0;
        recordsFaults = (word0 & ContextDescriptor.R) != 0;
        asid = (int) (word0 >>> ContextDescriptor.ASID_SHIFT) & 0xffff;
        return low.configure(ttb0, (int) (word0 >>> ContextDescriptor.T0SZ_SHIFT) & 0x3f,
                        ContextDescriptor.granuleLg2((int) (word0 >>> ContextDescriptor.TG0_SHIFT) & 3), outputBits)
                && high.configure(ttb1, (int) (word0 >>> ContextDescriptor.T1SZ_SHIFT) & 0x3f,
                        ContextDescriptor.granule1Lg2((int) (word0 >>> ContextDescriptor.TG1_SHIFT) & 3), outputBits);
    }

    int asid() {
        return asid;
    }

    /** The address that counts: with TBI the top byte is a copy of bit 55 (§3.4.1). */
    long canonical(long iova) {
        return half(iova).ignoresTopByte ? iova << 63 - SELECT_BIT >> 63 - SELECT_BIT : iova;
    }

    private Half half(long iova) {
        return (iova >>> SELECT_BIT & 1) == 0 ? low : high;
    }

    /**
     * Translates one canonical address, updating AF and the dirty state as configured.
     *
     * @return the physical or intermediate address, or {@link FaultNote#REFUSED}
     */
    long walk(long iova, int accessBit) {
        for (int attempt = 0; attempt < MAX_RETRIES; attempt++) {
            long address = walkOnce(half(iova), iova, accessBit);
            if (address != RETRY) {
                return address;
            }
        }
        return note.walkAbort(false, SmmuEvent.CLASS_TT, half(iova).table);
    }

    private long walkOnce(Half half, long iova, int accessBit) {
        int inputBits = half.inputBits;
        long sign = half == high ? -1L : 0;
        if (!half.walks || (iova ^ sign) >>> inputBits != 0) {
            return refuse(SmmuEvent.F_TRANSLATION);
        }
        int granuleLg2 = half.granuleLg2;
        int stride = strideLg2(granuleLg2);
        int level = half.top;
        int shift = granuleLg2 + level * stride;
        long at = half.table;
        long remaining = iova & (1L << inputBits) - 1;
        long restrictions = 0;
        for (; ; level--) {
            long slot = at + (remaining >>> shift << 3);
            if (nested) {
                slot = below.walk(slot, READ_BIT, SmmuEvent.CLASS_TT);
                if (slot < 0) {
                    return slot;
                }
            }
            long located = bus.locate(slot, 8);
            if (located < 0) {
                return note.walkAbort(false, SmmuEvent.CLASS_TT, slot);
            }
            long entry = PhysicalWords.get(located);
            if ((entry & VALID) == 0) {
                return refuse(SmmuEvent.F_TRANSLATION);
            }
            boolean table = (entry & TABLE_OR_PAGE) != 0;
            if (!table && (level == 0 || level > maxBlockLevel(granuleLg2))) {
                return refuse(SmmuEvent.F_TRANSLATION);
            }
            if ((entry & ADDRESS) >>> outputBits != 0) {
                return refuse(SmmuEvent.F_ADDR_SIZE);
            }
            if (level == 0 || !table) {
                pageLg2 = shift;
                long inside = (1L << shift) - 1;
                long output = entry & ADDRESS & ~inside | remaining & inside;
                long address = at + (remaining >>> shift << 3);
                return leaf(located, address, entry, restrictions, accessBit, output);
            }
            restrictions |= entry;
            remaining &= (1L << shift) - 1;
            at = entry & ADDRESS & -(1L << granuleLg2);
            shift -= stride;
        }
    }

    /** @param descriptorAddress of the entry before stage 2 */
    private long leaf(long slot, long descriptorAddress, long entry, long restrictions, int accessBit, long output) {
        long updated = entry;
        if ((entry & AF) == 0 && !accessFlagIgnored) {
            if (!updatesAccessFlag) {
                return refuse(SmmuEvent.F_ACCESS);
            }
            updated |= AF;
        }
        if ((entry & AP_UNPRIVILEGED) == 0 || (restrictions & TABLE_NO_UNPRIVILEGED) != 0) {
            return refuse(SmmuEvent.F_PERMISSION);
        }
        boolean mayWrite = (restrictions & TABLE_READ_ONLY) == 0;
        if (accessBit == WRITE_BIT && (!mayWrite || (entry & AP_READ_ONLY) != 0)) {
            if (!mayWrite || !updatesDirty || (entry & DBM) == 0) {
                return refuse(SmmuEvent.F_PERMISSION);
            }
            updated &= ~AP_READ_ONLY;
        }
        if (updated != entry) {
            if (nested && below.walk(descriptorAddress, WRITE_BIT, SmmuEvent.CLASS_TT) < 0) {
                return FaultNote.REFUSED;
            }
            if (!PhysicalWords.compareAndSet(slot, entry, updated)) {
                return RETRY;
            }
            if (((updated ^ entry) & AP_READ_ONLY) != 0) {
                dirtyMarks.markDirty(slot);
            }
        }
        rights = mayWrite && (updated & AP_READ_ONLY) == 0 ? READ_BIT | WRITE_BIT : READ_BIT;
        return output;
    }

    private long refuse(SmmuEvent event) {
        return note.stage1(event, recordsFaults);
    }
}
