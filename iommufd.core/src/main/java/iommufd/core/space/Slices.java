package iommufd.core.space;

import java.util.Arrays;

/** Parts of pages that are to be mapped one after the other, and the areas made for them. */
final class Slices {
    SharedPages[] pages;
    long[] startBytes;
    long[] lengths;
    Area[] areas;
    int count;

    Slices(int capacity) {
        pages = new SharedPages[capacity];
        startBytes = new long[capacity];
        lengths = new long[capacity];
        areas = new Area[capacity];
    }

    /** Appends a slice; its reference to the pages is the caller's business. */
    void add(SharedPages ofPages, long startByte, long lengthBytes) {
        if (count == pages.length) {
            pages = Arrays.copyOf(pages, count * 2);
            startBytes = Arrays.copyOf(startBytes, count * 2);
            lengths = Arrays.copyOf(lengths, count * 2);
            areas = Arrays.copyOf(areas, count * 2);
        }
        pages[count] = ofPages;
        startBytes[count] = startByte;
        lengths[count++] = lengthBytes;
    }

    void clear() {
        Arrays.fill(pages, 0, count, null);
        Arrays.fill(areas, 0, count, null);
        count = 0;
    }
}
