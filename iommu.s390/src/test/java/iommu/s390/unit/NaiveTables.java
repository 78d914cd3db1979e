package iommu.s390.unit;

import iommu.s390.Ram;
import iommufd.api.memory.HostMemory;

/**
 * A second opinion on tables: recursive, byte by byte, every rule written down once more. Answers are addresses, or minus the PCI event
 * code.
 */
final class NaiveTables {
    private final long anchor;
    private final NaiveTables host;

    /** Of the last answer: whether all levels allow writes, those of the host aside. */
    boolean guestWrites;
    /** Of the last answer: whether the host's levels do. */
    boolean hostWrites;
    /** After a refusal: the table's designation type. */
    int table;

    NaiveTables(long anchor, NaiveTables host) {
        this.anchor = anchor;
        this.host = host;
    }

    long resolve(long iova, boolean write) {
        int type = (int) (anchor % 32 / 4);
        int levels = type + 2;
        guestWrites = anchor / 0x200 % 2 == 0;
        hostWrites = true;
        table = type;
        int bits = levels == 5 ? 64 : 20 + 11 * (levels - 1);
        if (bits != 64 && Long.compareUnsigned(iova, 1L << bits) >= 0) {
            return -2;
        }
        long found = descend(anchor / 0x4000 * 0x4000, levels - 1, iova);
        if (found < 0) {
            return found;
        }
        if (host != null) {
            found = host.resolve(found, false);
            hostWrites = host.guestWrites;
            if (found < 0) {
                return -0xb;
            }
        }
        if (write && !guestWrites) {
            return -4;
        }
        return write && !hostWrites ? -5 : found;
    }

    /** @param level 0 for a page table, 1 for a segment table */
    private long descend(long origin, int level, long iova) {
        table = level == 0 ? 7 : level - 1;
        int index = index(level, iova);
        long at = origin + 8L * index;
        if (host != null) {
            at = host.resolve(at, false);
            if (at < 0) {
                return -0xb;
            }
        }
        if (!HostMemory.isBacked(at)) {
            return -0xb;
        }
        int[] octets = new int[8];
        boolean zero = true;
        for (int i = 0; i < 8; i++) {
            octets[i] = Ram.octet(at + i);
            zero &= octets[i] == 0;
        }
        int last = octets[7];
        int beforeLast = octets[6];
        boolean invalid = level == 0 ? (beforeLast & 0x04) != 0 : (last & 0x20) != 0;
        if (zero || invalid) {
            return -7;
        }
        if (level > 1 && ((last & 0xC0) != 0 || (last & 0x03) != 3)) {
            return -8;
        }
        if (level > 0 && (last & 0x0C) != (level - 1) * 4) {
            return -9;
        }
        guestWrites &= (beforeLast & 0x02) == 0;
        if (level == 0) {
            return somewhere(number(octets, 12) + (iova & 4095));
        }
        if (level == 1 && (beforeLast & 0x04) != 0) {
            return somewhere(number(octets, 20) + (iova & (1 << 20) - 1));
        }
        return descend(number(octets, level == 1 ? 11 : 14), level - 1, iova);
    }

    /** Negative numbers are refusals; an address there is as good as any other without memory. */
    private static long somewhere(long address) {
        return address < 0 ? 1L << 62 : address;
    }

    private static int index(int level, long iova) {
        return level == 0 ? (int) (iova >>> 12) & 255 : (int) (iova >>> 20 + 11 * (level - 1)) & 2047;
    }

    /** The address in an entry, whose lowest bits are something else. */
    private static long number(int[] octets, int zeroBits) {
        long value = 0;
        for (int octet : octets) {
            value = value * 256 + octet;
        }
        return value >>> zeroBits << zeroBits;
    }
}
