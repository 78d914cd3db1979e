package vfio.compat.container;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.ClientMemory;
import iommufd.api.uapi.VfioBitmap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A bitmap of a client, a bit per page from some IOVA on. As in Linux whole words are written, of which bits in front of a mapping
 * keep what the client had there, and bits behind it become zero.
 *
 * @param memory the client's
 * @param address of the bitmap
 * @param sizeBytes room
 * @param pageBytes what a bit stands for
 */
record ClientBitmap(ClientMemory memory, long address, long sizeBytes, long pageBytes) {
    /** Most pages a bitmap may have, and what that is in bytes. */
    static final long MAX_PAGES = Integer.MAX_VALUE;
    static final long MAX_BYTES = bytesFor(MAX_PAGES);
    /** Pages that are copied at once: a multiple of a word's bits. */
    private static final long PART_PAGES = 1L << 19;
    /** End of what x86-64 processes can have; Linux looks at it before it copies. */
    private static final long USER_END = 0x7FFF_FFFF_F000L;

    /** Tells which pages of a range are dirty. */
    @FunctionalInterface
    interface Source {
        /** Sets bits; bit 0 stands for the page at {@code iova}. */
        void read(long iova, long lengthBytes, MemorySegment bits);
    }

    static ClientBitmap of(ClientMemory memory, MemorySegment struct) {
        return new ClientBitmap(memory, VfioBitmap.data(struct), VfioBitmap.size(struct), VfioBitmap.pgsize(struct));
    }

    private static long bytesFor(long pages) {
        return (pages + Long.SIZE - 1 >>> 6) * Long.BYTES;
    }

    /** @throws IommufdException {@link Errno#EINVAL} unless it has room for the range, and lies in a process's addresses */
    void checkRoom(long lengthBytes) {
        long end = address + sizeBytes;
        boolean inside = address >= 0 && sizeBytes >= 0 && end >= 0 && end <= USER_END;
        long pages = pageBytes == 0 ? 0 : lengthBytes >>> Long.numberOfTrailingZeros(pageBytes);
        boolean bounded = sizeBytes > 0 && sizeBytes <= MAX_BYTES && pages > 0 && pages <= MAX_BYTES * Byte.SIZE;
        if (!inside || !bounded || sizeBytes < bytesFor(pages)) {
            throw new IommufdException(Errno.EINVAL, "a bitmap of 0x%x bytes at 0x%x is none for 0x%x bytes in pages of 0x%x"
                    .formatted(sizeBytes, address, lengthBytes, pageBytes));
        }
    }

    /** Writes the bits of one mapping. @param bit of its first page */
    void write(long bit, long iova, long lengthBytes, Source source) {
        long pages = lengthBytes / pageBytes;
        for (long done = 0; done < pages; ) {
            int shift = (int) (bit + done & Long.SIZE - 1);
            long count = Math.min(pages - done, PART_PAGES - shift);
            long[] words = new long[(int) (shift + count + Long.SIZE - 1 >>> 6)];
            source.read(iova + done * pageBytes, count * pageBytes, MemorySegment.ofArray(words));
            long wordAddress = address + (bit + done >>> 6) * Long.BYTES;
            if (shift != 0) {
                shiftUp(words, shift);
                words[0] |= wordAt(wordAddress) & (1L << shift) - 1;
            }
            memory.write(wordAddress, MemorySegment.ofArray(words));
            done += count;
        }
    }

    private long wordAt(long wordAddress) {
        MemorySegment word = MemorySegment.ofArray(new byte[Long.BYTES]);
        memory.read(wordAddress, word);
        return word.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    }

    private static void shiftUp(long[] words, int shift) {
        for (int i = words.length - 1; i > 0; i--) {
            words[i] = words[i] << shift | words[i - 1] >>> Long.SIZE - shift;
        }
        words[0] <<= shift;
    }
}
