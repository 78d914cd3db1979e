package iommu.vtd.unit;

import iommu.vtd.Ram;
import iommufd.api.memory.HostMemory;

/**
 * The lookup in root, context, PASID and interrupt tables as slow as the figures of §9.1 to §9.6 and §9.9 read: field by field, each
 * reserved if the unit lacks what it belongs to. Answers are reasons of Tables 15 and 30; 0 if nothing is wrong.
 */
final class NaiveStructures {
    private static final int HOST_BITS = 46;

    private final VtdFeatures features;
    /** What the last lookup came to. */
    int type;
    int did;
    long secondTable;
    long firstTable;
    int levels;

    NaiveStructures(VtdFeatures features) {
        this.features = features;
    }

    private boolean lacks(VtdFeature feature) {
        return !features.has(feature);
    }

    private static long field(long word, int first, int last) {
        return last - first == 63 ? word : word >>> first & (1L << last - first + 1) - 1;
    }

    private static boolean set(long word, int first, int last) {
        return field(word, first, last) != 0;
    }

    private static boolean bit(long word, int bit) {
        return (word >>> bit & 1) != 0;
    }

    private static boolean unreadable(long address) {
        return !HostMemory.isBacked(address);
    }

    private static long pointer(long word) {
        return field(word, 12, HOST_BITS - 1) << 12;
    }

    private boolean widthSupported(long aw) {
        return aw >= 1 && aw <= 3 && 30 + 9 * aw <= features.addressBits();
    }

    private boolean domainTooWide(long domain) {
        return domain >>> features.domainBits() != 0;
    }

    int legacy(long rootTable, int sid, boolean translationRequest) {
        long root = rootTable + field(sid, 8, 15) * 16;
        if (unreadable(root)) {
            return 0x08;
        }
        long low = Ram.word(root);
        if (!bit(low, 0)) {
            return 0x01;
        }
        if (set(low, 1, 11) || set(low, HOST_BITS, 63) || Ram.word(root + 8) != 0) {
            return 0x0A;
        }
        long context = pointer(low) + field(sid, 0, 7) * 16;
        if (unreadable(context)) {
            return 0x09;
        }
        long entry = Ram.word(context);
        long high = Ram.word(context + 8);
        if (!bit(entry, 0)) {
            return 0x02;
        }
        int tt = (int) field(entry, 2, 3);
        if (set(entry, 4, 11) || tt != 2 && set(entry, HOST_BITS, 63) || bit(high, 7) || domainTooWide(field(high, 8, 23)) || set(high, 24, 63)) {
            return 0x0B;
        }
        if (tt == 3 || tt == 1 && lacks(VtdFeature.DEVICE_TLB) || tt == 2 && lacks(VtdFeature.PASS_THROUGH) || !widthSupported(field(high, 0, 2))) {
            return 0x03;
        }
        if (translationRequest && tt != 1) {
            return 0x0D;
        }
        type = tt == 2 ? 4 : 2;
        did = (int) field(high, 8, 23);
        secondTable = pointer(entry);
        levels = (int) field(high, 0, 2) + 2;
        return 0;
    }

    int scalable(long rootTable, int sid, int pasid, boolean privileged, boolean translationRequest, boolean pageRequest) {
        long root = rootTable + field(sid, 8, 15) * 16 + (bit(sid, 7) ? 8 : 0);
        if (unreadable(root)) {
            return 0x38;
        }
        long half = Ram.word(root);
        if (!bit(half, 0)) {
            return 0x39;
        }
        if (set(half, 1, 11) || set(half, HOST_BITS, 63)) {
            return 0x3A;
        }
        long context = pointer(half) + field(sid, 0, 6) * 32;
        if (unreadable(context)) {
            return 0x40;
        }
        long c0 = Ram.word(context);
        long c1 = Ram.word(context + 8);
        if (!bit(c0, 0)) {
            return 0x41;
        }
        boolean dte = bit(c0, 2);
        boolean pre = bit(c0, 4);
        long ridPasid = field(c1, 0, 19);
        if (dte && lacks(VtdFeature.DEVICE_TLB) || bit(c0, 3) && lacks(VtdFeature.PASID) || pre && lacks(VtdFeature.PAGE_REQUESTS)
                || set(c0, 5, 8) || set(c0, HOST_BITS, 63) || ridPasid != 0 && lacks(VtdFeature.RID_PASID)
                || bit(c1, 20) && lacks(VtdFeature.RID_PRIVILEGED) || set(c1, 21, 63)
                || Ram.word(context + 16) != 0 || Ram.word(context + 24) != 0) {
            return 0x42;
        }
        long pasids = 1L << field(c0, 9, 11) + 7 + 6;
        if (pre && !dte || ridPasid >= pasids) {
            return 0x43;
        }
        if (translationRequest && !dte) {
            return 0x44;
        }
        if (pageRequest && !pre) {
            return 0x47;
        }
        long wanted = ridPasid;
        if (pasid >= 0) {
            if (!bit(c0, 3)) {
                return 0x45;
            }
            if (pasid >>> features.pasidBits() != 0 && !pageRequest) {
                return 0x89;
            }
            if (pasid >= pasids) {
                return 0x46;
            }
            if (pasid == ridPasid) {
                return 0x48;
            }
            wanted = pasid;
        }
        int reason = pasidEntry(pointer(c0), wanted);
        boolean supervisor = pasid >= 0 ? privileged : bit(c1, 20);
        return reason == 0 && supervisor && !pageRequest && !supervisorEnabled ? 0x5D : reason;
    }

    private boolean supervisorEnabled;

    private int pasidEntry(long directory, long pasid) {
        long slot = directory + (pasid >>> 6) * 8;
        if (unreadable(slot)) {
            return 0x50;
        }
        long entry = Ram.word(slot);
        if (!bit(entry, 0)) {
            return 0x51;
        }
        if (set(entry, 2, 11) || set(entry, HOST_BITS, 63)) {
            return 0x52;
        }
        long at = pointer(entry) + (pasid & 63) * 64;
        if (unreadable(at)) {
            return 0x58;
        }
        long w0 = Ram.word(at);
        long w1 = Ram.word(at + 8);
        long w2 = Ram.word(at + 16);
        if (!bit(w0, 0)) {
            return 0x59;
        }
        boolean noSecond = lacks(VtdFeature.SECOND_STAGE);
        boolean noFirst = lacks(VtdFeature.FIRST_STAGE);
        boolean reserved = bit(w0, 5) || set(w0, 10, 11) || set(w0, HOST_BITS, 63) || noSecond && (set(w0, 2, 4) || set(w0, 12, HOST_BITS - 1))
                || bit(w0, 9) && lacks(VtdFeature.SECOND_STAGE_DIRTY)
                || domainTooWide(field(w1, 0, 15)) || set(w1, 16, 22) || bit(w1, 23) && lacks(VtdFeature.SCALABLE_COHERENT)
                || bit(w1, 24) && lacks(VtdFeature.SNOOP_CONTROL) || set(w1, 25, 63)
                || bit(w2, 0) && lacks(VtdFeature.SUPERVISOR) || bit(w2, 1) || bit(w2, 7) && lacks(VtdFeature.EXTENDED_ACCESSED)
                || set(w2, 8, 11) || set(w2, HOST_BITS, 63) || noFirst && (set(w2, 2, 4) || set(w2, 12, HOST_BITS - 1));
        for (int word = 3; word < 8; word++) {
            reserved |= Ram.word(at + word * 8L) != 0;
        }
        if (reserved) {
            return 0x5A;
        }
        int pgtt = (int) field(w0, 6, 8);
        boolean known = pgtt == 1 && !noFirst || pgtt == 2 && !noSecond || pgtt == 3 && !lacks(VtdFeature.NESTED)
                || pgtt == 4 && !lacks(VtdFeature.PASS_THROUGH);
        boolean first = pgtt == 1 || pgtt == 3;
        boolean second = pgtt == 2 || pgtt == 3;
        long fspm = field(w2, 2, 3);
        if (!known || second && !widthSupported(field(w0, 2, 4)) || first && (fspm > 1 || fspm == 1 && lacks(VtdFeature.FIRST_STAGE_5_LEVELS))
                || pgtt == 3 && pointer(w2) >>> 30 + 9 * field(w0, 2, 4) != 0) {
            return 0x5B;
        }
        type = pgtt;
        did = (int) field(w1, 0, 15);
        secondTable = pointer(w0);
        firstTable = pointer(w2);
        levels = (int) field(w0, 2, 4) + 2;
        supervisorEnabled = bit(w2, 0);
        return 0;
    }

    /** Remapped and posted entries by the order of §5.1.4: present, source, format. @return minus the reason, or what is delivered to */
    int interrupt(long low, long high, int sid, boolean extended) {
        if (!bit(low, 0)) {
            return 0x22;
        }
        int svt = (int) field(high, 18, 19);
        int ignored = new int[] {0, 4, 6, 7}[(int) field(high, 16, 17)];
        long expected = field(high, 0, 15);
        if (svt == 3) {
            return 0x24;
        }
        if (svt == 1 && ((expected ^ sid) & 0xFFFF & ~ignored) != 0
                || svt == 2 && (sid >>> 8 < expected >>> 8 || sid >>> 8 > (expected & 0xFF))) {
            return 0x26;
        }
        if (bit(low, 15)) {
            return lacks(VtdFeature.POSTED_INTERRUPTS) || set(low, 2, 7) || set(low, 12, 13) || set(low, 24, 37) || set(high, 20, 31)
                    || set(high, HOST_BITS, 63) ? 0x24 : 0;
        }
        long mode = field(low, 5, 7);
        return set(low, 12, 14) || set(low, 24, 31) || !extended && (set(low, 32, 39) || set(low, 48, 63)) || set(high, 20, 63)
                || mode == 3 || mode == 6 ? 0x24 : 0;
    }
}
