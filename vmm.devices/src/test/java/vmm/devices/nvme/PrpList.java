package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** Scatters a buffer over shuffled pages of guest RAM and describes it by PRPs. */
final class PrpList {
    private final GuestDriver guest;
    private final int pageBytes;
    private final Random random;

    PrpList(GuestDriver guest, int pageShift, Random random) {
        this.guest = guest;
        pageBytes = 4096 << pageShift;
        this.random = random;
    }

    /** @return PRP 1, PRP 2, then the address of every piece */
    long[] build(long lengthBytes, int offset, int listOffset) {
        int pages = (int) ((offset + lengthBytes + pageBytes - 1) / pageBytes);
        long base = guest.allocate((long) pages * pageBytes);
        List<Long> shuffled = new ArrayList<>();
        for (int i = 0; i < pages; i++) {
            shuffled.add(base + (long) i * pageBytes);
        }
        Collections.shuffle(shuffled, random);
        long[] result = new long[pages + 2];
        for (int i = 0; i < pages; i++) {
            result[i + 2] = shuffled.get(i) + (i == 0 ? offset : 0);
        }
        result[0] = result[2];
        result[1] = pages == 1 ? 0 : pages == 2 ? result[3] : list(shuffled.subList(1, pages), listOffset);
        return result;
    }

    private long list(List<Long> pages, int listOffset) {
        long first = guest.allocate(pageBytes) + listOffset;
        long at = first;
        for (int i = 0; i < pages.size(); i++) {
            boolean lastOfPage = (at & pageBytes - 1) == pageBytes - 8;
            if (lastOfPage && i < pages.size() - 1) {
                long next = guest.allocate(pageBytes);
                put(at, next);
                at = next;
            }
            put(at, pages.get(i));
            at += 8;
        }
        return first;
    }

    private void put(long iova, long value) {
        guest.at(iova, 8).set(JAVA_LONG_UNALIGNED, 0, value);
    }

    /** The bytes of pieces that {@link #build} gave, in order. */
    static byte[] gather(GuestDriver guest, long[] built, long lengthBytes, int pageBytes) {
        byte[] all = new byte[(int) lengthBytes];
        int at = 0;
        for (int i = 2; i < built.length; i++) {
            int length = (int) Math.min(lengthBytes - at, pageBytes - (built[i] & pageBytes - 1));
            MemorySegment.copy(guest.at(built[i], length), JAVA_BYTE, 0, all, at, length);
            at += length;
        }
        return all;
    }
}
