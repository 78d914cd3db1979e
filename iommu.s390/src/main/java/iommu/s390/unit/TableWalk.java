package iommu.s390.unit;

import static iommu.s390.format.TableEntry.*;

import iommu.s390.format.BigWords;
import iommu.s390.format.ErrorEvent;
import iommu.s390.format.TableEntry;
import iommu.s390.format.TranslationAnchor;
import iommufd.api.memory.MemoryMap;

/**
 * Translation by the tables of one anchor, alone or over a second one that its tables and results go through. Reused; belongs to one
 * port; what the last walk found stays in its fields.
 */
final class TableWalk {
    /** What {@link #translate} answers if {@link #event} says why not. */
    static final long FAILED = -1L;

    /** An address where there is no memory, in place of those with bit 63 set, one of which is {@link #FAILED}. */
    private static final long NOWHERE = 1L << 62;
    private static final long INDEX = (1L << INDEX_BITS) - 1;
    private static final long PAGE_INDEX = (1L << PAGE_INDEX_BITS) - 1;
    /** Added to a type, its number as a designation type; of page tables it is another. */
    private static final int TYPE_TO_DESIGNATION_SHIFT = 2;

    private final MemoryMap memory;
    private final KnownMemory known;
    /** The second translation; null if this is it. */
    private final TableWalk below;
    private long anchor;
    private boolean nested;

    /** After a failure: why. */
    ErrorEvent event;
    /** After a failure: designation type of the table whose entry is wrong or missing. */
    int tableType;
    /** After a success: whether writes are allowed. */
    boolean writable;
    /** After a success without {@link #writable}: the second translation denies them. */
    boolean hostDenies;

    private TableWalk(MemoryMap memory, KnownMemory known, TableWalk below) {
        this.memory = memory;
        this.known = known;
        this.below = below;
    }

    /** A walk that can be {@link #configure}d either way. */
    static TableWalk of(MemoryMap memory, KnownMemory known) {
        return new TableWalk(memory, known, new TableWalk(memory, known, null));
    }

    void configure(Registration registration) {
        anchor = registration.anchor();
        nested = registration.nested();
        if (nested) {
            below.anchor = registration.hostAnchor();
        }
    }

    /** @return the absolute address that {@code address} leads to, or {@link #FAILED} */
    long translate(long address) {
        int bits = TranslationAnchor.addressBits(TranslationAnchor.type(anchor));
        int shift = bits - INDEX_BITS;
        tableType = TranslationAnchor.type(anchor);
        if (bits < Long.SIZE && address >>> bits != 0) {
            return fail(ErrorEvent.OUT_OF_RANGE);
        }
        long protection = anchor & TranslationAnchor.PROTECTED;
        long table = anchor & TranslationAnchor.ORIGIN;
        while (shift > PAGE_SHIFT) {
            tableType = (int) type(shift) >>> TYPE_TO_DESIGNATION_SHIFT;
            long slot = place(table + ((address >>> shift & INDEX) << 3));
            if (slot < 0) {
                return fail(ErrorEvent.UNREACHABLE);
            }
            long entry = BigWords.get(slot);
            if (entry == 0 || (entry & INVALID) != 0) {
                return fail(ErrorEvent.INVALID_ENTRY);
            }
            if (shift > SEGMENT_SHIFT && (entry & (LENGTH | OFFSET)) != LENGTH) {
                return fail(ErrorEvent.BAD_LENGTH);
            }
            if ((entry & TYPE) != type(shift)) {
                return fail(ErrorEvent.BAD_TYPE);
            }
            protection |= entry & PROTECTED;
            if (shift > SEGMENT_SHIFT) {
                table = entry & TABLE_ORIGIN;
                shift -= INDEX_BITS;
            } else if ((entry & FRAME) != 0) {
                return result(entry & SEGMENT_FRAME | address & ~SEGMENT_FRAME, protection);
            } else {
                table = entry & PAGE_TABLE_ORIGIN;
                shift = PAGE_SHIFT;
            }
        }
        tableType = TranslationAnchor.IO_PAGE_TABLE;
        long slot = place(table + ((address >>> PAGE_SHIFT & PAGE_INDEX) << 3));
        if (slot < 0) {
            return fail(ErrorEvent.UNREACHABLE);
        }
        long entry = BigWords.get(slot);
        if (entry == 0 || (entry & PAGE_INVALID) != 0) {
            return fail(ErrorEvent.INVALID_ENTRY);
        }
        return result(entry & TableEntry.PAGE_FRAME | address & ~TableEntry.PAGE_FRAME, protection | entry & PROTECTED);
    }

    private long result(long address, long protection) {
        writable = protection == 0;
        hostDenies = false;
        if (nested) {
            return throughHost(address);
        }
        return address >= 0 ? address : NOWHERE;
    }

    /** What an address of this translation is in absolute memory: goes through the second one. */
    private long throughHost(long address) {
        long absolute = below.translate(address);
        if (absolute == FAILED) {
            return fail(ErrorEvent.UNREACHABLE);
        }
        hostDenies = writable && !below.writable;
        writable &= below.writable;
        return absolute;
    }

    /** Results of a function that is registered without translation, but with a second one. */
    long direct(long address) {
        tableType = TranslationAnchor.IO_PAGE_TABLE;
        return result(address, 0);
    }

    /** @return where the entry at this address of tables lies in the window, or a negative number */
    private long place(long slot) {
        long absolute = slot;
        if (nested) {
            absolute = below.translate(slot);
            if (absolute == FAILED) {
                return FAILED;
            }
        }
        long address = memory.hostAddress(absolute);
        return address >= 0 && known.contains(address) ? address : FAILED;
    }

    private long fail(ErrorEvent reason) {
        event = reason;
        return FAILED;
    }
}
