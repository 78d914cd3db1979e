package iommu.smmuv3.unit;

import iommu.smmuv3.format.TranslationDescriptor;

/**
 * Memory attributes that descriptors give, in the format of MAIR, and their shareability (Arm ARM DDI 0487, §D8.6; IHI 0070,
 * §13.1.5). They change nothing here but what address translation registers answer.
 *
 * @param mair one byte: two halves of cacheability, or a device type in the low half
 * @param shareability 0 none, 2 outer, 3 inner
 */
record MemoryAttributes(int mair, int shareability) {
    /** What requests past all stages have. */
    static final MemoryAttributes NORMAL = new MemoryAttributes(0xff, 3);

    private static final int OUTER_SHAREABLE = 2;
    private static final int INNER_SHAREABLE = 3;
    private static final int NON_CACHEABLE = 0x44;
    private static final int NIBBLE = 0xf;
    private static final int WRITE_BACK_BIT = 4;

    /** Device and non-cacheable memory is outer shareable (§13.1.7). */
    MemoryAttributes {
        if (isDevice(mair) || mair == NON_CACHEABLE) {
            shareability = OUTER_SHAREABLE;
        } else if (shareability == 1) {
            shareability = 0;   // reserved
        }
    }

    private static boolean isDevice(int mair) {
        return mair >>> 4 == 0;
    }

    /** Of a stage 1 leaf. */
    static MemoryAttributes ofStage1(long leaf, long mair) {
        int index = (int) (leaf >>> TranslationDescriptor.ATTRIBUTE_INDEX_SHIFT) & 7;
        return new MemoryAttributes((int) (mair >>> 8 * index) & 0xff, shareability(leaf));
    }

    /** Of a stage 2 leaf: allocating, where its memory is cacheable. */
    static MemoryAttributes ofStage2(long leaf) {
        int attributes = (int) (leaf >>> TranslationDescriptor.ATTRIBUTE_INDEX_SHIFT) & NIBBLE;
        int outer = attributes >>> 2;
        if (outer == 0) {
            return new MemoryAttributes((attributes & 3) << 2, OUTER_SHAREABLE);
        }
        return new MemoryAttributes(ofField(outer) << 4 | ofField(attributes & 3), shareability(leaf));
    }

    private static int shareability(long leaf) {
        return (int) (leaf >>> TranslationDescriptor.SH_SHIFT) & 3;
    }

    private static int ofField(int field) {
        return switch (field) {
            case 2 -> 0xb;
            case 3 -> 0xf;
            default -> 4;
        };
    }

    /** The stronger of each. */
    MemoryAttributes combine(MemoryAttributes other) {
        int strongest = Math.max(strength(shareability), strength(other.shareability));
        int shared = strongest == 2 ? OUTER_SHAREABLE : strongest == 1 ? INNER_SHAREABLE : 0;
        if (isDevice(mair) || isDevice(other.mair)) {
            int type = isDevice(mair) && isDevice(other.mair) ? Math.min(mair, other.mair) : isDevice(mair) ? mair : other.mair;
            return new MemoryAttributes(type, OUTER_SHAREABLE);
        }
        return new MemoryAttributes(stronger(mair >>> 4, other.mair >>> 4) << 4 | stronger(mair & NIBBLE, other.mair & NIBBLE), shared);
    }

    private static int strength(int shareability) {
        return shareability == OUTER_SHAREABLE ? 2 : shareability == INNER_SHAREABLE ? 1 : 0;
    }

    /** Non-cacheable before write-through before write-back, with this stage's hints. */
    private static int stronger(int own, int other) {
        if (own == 4 || other == 4) {
            return 4;
        }
        boolean writeThrough = (other & WRITE_BACK_BIT) == 0;
        return writeThrough ? own & ~WRITE_BACK_BIT : own;
    }
}
