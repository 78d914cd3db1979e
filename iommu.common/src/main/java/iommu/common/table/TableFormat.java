package iommu.common.table;

import iommufd.api.DmaAccess;

/**
 * What the entries of one radix page table mean, as numbers: masks and values, and per level its shift and its attribute bits.
 * A vendor's entry class names the bits and builds one of these.
 *
 * <p>An entry is 64 bits: an address under {@link #addressMask} and attributes around it. Level 0 holds the smallest leaves.
 */
public final class TableFormat {
    final int granuleLg2;
    final int levels;
    final int[] shift;
    final int[] tableBytesLg2;
    final long addressMask;
    final long presentMask;
    final long leafMask;
    final long leafValue;
    final int leafLevels;
    final long[] tableBits;
    final long[][] leafBits;
    final long dirtyMask;
    final long dirtyValue;
    final long dirtyToggle;
    final boolean bigEndian;
    /** Bits that are stored inverted; 0 unless {@link #bigEndian}. */
    final long inverted;
    /** All tables but the top one have the same number of entries. */
    final boolean regular;
    final long inputLast;
    final long outputMask;

    private TableFormat(Builder builder) {
        granuleLg2 = builder.granuleLg2;
        levels = builder.levels;
        addressMask = builder.addressMask;
        presentMask = builder.presentMask;
        leafMask = builder.leafMask;
        leafValue = builder.leafValue;
        leafLevels = builder.leafLevels | 1;
        tableBits = builder.tableBits;
        leafBits = builder.leafBits;
        dirtyMask = builder.dirtyMask;
        dirtyValue = builder.dirtyValue;
        dirtyToggle = builder.dirtyToggle;
        bigEndian = builder.bigEndian;
        inverted = builder.inverted;
        int leafIndexBits = builder.leafIndexBits == 0 ? builder.indexBits : builder.leafIndexBits;
        regular = leafIndexBits == builder.indexBits;
        inputLast = (1L << builder.inputBits) - 1;
        outputMask = (1L << builder.outputBits) - 1;
        shift = new int[levels + 1];
        tableBytesLg2 = new int[levels];
        for (int level = 0; level < levels; level++) {
            shift[level] = level == 0 ? granuleLg2 : granuleLg2 + leafIndexBits + (level - 1) * builder.indexBits;
            int tableIndexBits = level == 0 ? leafIndexBits : builder.indexBits;
            int indexBits = level < levels - 1 ? tableIndexBits : builder.inputBits - shift[level];
            tableBytesLg2[level] = Math.max(indexBits + 3, builder.smallestTableLg2);
        }
        shift[levels] = builder.inputBits;
    }

    /** Starts a description. */
    public static Builder builder() {
        return new Builder();
    }

    /** Number of levels. */
    public int levels() {
        return levels;
    }

    /** Last input address. */
    public long inputLast() {
        return inputLast;
    }

    /** Bit n is set if leaves of 2^n bytes exist. */
    public long pageSizes() {
        long sizes = 0;
        for (int level = 0; level < levels; level++) {
            if ((leafLevels >>> level & 1) != 0) {
                sizes |= 1L << shift[level];
            }
        }
        return sizes;
    }

    boolean present(long entry) {
        return (entry & presentMask) != 0;
    }

    boolean leaf(long entry, int level) {
        return level == 0 || (entry & leafMask) == leafValue && (leafLevels >>> level & 1) != 0;
    }

    boolean dirty(long entry) {
        return (entry & dirtyMask) == dirtyValue;
    }

    /** Collects a format's numbers. */
    public static final class Builder {
        private int granuleLg2 = 12;
        private int indexBits = 9;
        private int levels = 4;
        private int inputBits = 48;
        private int outputBits = 52;
        private int smallestTableLg2 = 12;
        private int leafLevels = 0b111;
        private long addressMask = 0x000F_FFFF_FFFF_F000L;
        private long presentMask = 1;
        private long leafMask;
        private long leafValue;
        private long dirtyMask;
        private long dirtyValue = -1;
        private long dirtyToggle;
        private boolean bigEndian;
        private long inverted;
        private int leafIndexBits;
        private long[] tableBits = {};
        private long[][] leafBits = {};

        private Builder() {}

        /** Size of the smallest leaf and index bits per level; the top level takes what is left of {@code inputBits}. */
        public Builder geometry(int granuleLg2, int indexBits, int levels, int inputBits, int outputBits) {
            this.granuleLg2 = granuleLg2;
            this.indexBits = indexBits;
            this.levels = levels;
            this.inputBits = inputBits;
            this.outputBits = outputBits;
            return this;
        }

        /** Smallest frame a table is given; 12 unless told. */
        public Builder smallestTable(int lg2) {
            smallestTableLg2 = lg2;
            return this;
        }

        /** Where addresses stand in an entry. */
        public Builder address(long mask) {
            addressMask = mask;
            return this;
        }

        /** An entry exists if it has any of these bits. */
        public Builder present(long mask) {
            presentMask = mask;
            return this;
        }

        /** Above level 0 an entry is a leaf if {@code entry & mask == value}; {@code levelBits} has a bit for each level with leaves. */
        public Builder leaf(long mask, long value, int levelBits) {
            leafMask = mask;
            leafValue = value;
            leafLevels = levelBits;
            return this;
        }

        /** A leaf was written if {@code entry & mask == value}; flipping {@code toggle} makes it clean. */
        public Builder dirty(long mask, long value, long toggle) {
            dirtyMask = mask;
            dirtyValue = value;
            dirtyToggle = toggle;
            return this;
        }

        /** Entries are stored with the most significant byte first. */
        public Builder bigEndian() {
            bigEndian = true;
            return this;
        }

        /**
         * Entries are stored with these bits inverted, for formats whose absent entries are not zero in memory; only with
         * {@link #bigEndian}. Everything else here speaks of entries that are not inverted.
         */
        public Builder inverted(long bits) {
            inverted = bits;
            return this;
        }

        /** Index bits of the tables of smallest leaves, where they differ from those of {@link #geometry}. */
        public Builder leafTable(int bits) {
            leafIndexBits = bits;
            return this;
        }

        /** Attribute bits of an entry at {@code level} that points to a table. */
        public Builder tableBits(LevelBits bits) {
            tableBits = new long[levels];
            for (int level = 1; level < levels; level++) {
                tableBits[level] = bits.at(level);
            }
            return this;
        }

        /** Attribute bits of a leaf at {@code level} for an access. */
        public Builder leafBits(LeafBits bits) {
            leafBits = new long[levels][4];
            for (int level = 0; level < levels; level++) {
                for (DmaAccess access : DmaAccess.values()) {
                    leafBits[level][access.bits()] = bits.at(level, access);
                }
            }
            return this;
        }

        /** The format; {@link #tableBits} and {@link #leafBits} come after {@link #geometry}. */
        public TableFormat build() {
            if (tableBits.length != levels || leafBits.length != levels) {
                throw new IllegalStateException("tableBits and leafBits must be given, after the geometry");
            }
            if (inverted != 0 && !bigEndian) {
                throw new IllegalStateException("inverted bits are for big-endian entries");
            }
            return new TableFormat(this);
        }
    }

    /** Bits of table entries by level. */
    @FunctionalInterface
    public interface LevelBits {
        /** The bits at {@code level}. */
        long at(int level);
    }

    /** Bits of leaves by level and access. */
    @FunctionalInterface
    public interface LeafBits {
        /** The bits at {@code level} for {@code access}. */
        long at(int level, DmaAccess access);
    }
}
