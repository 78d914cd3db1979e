package iommu.smmuv3.driver;

import iommu.smmuv3.format.StreamTableEntry;
import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.uapi.IommuHwptArmSmmuv3;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;

/** A guest's stream table entry over its vIOMMU's second stage. Immutable. */
final class SmmuNestedDomain implements NestedDomain {
    /** {@code IOMMU_HWPT_DATA_ARM_SMMUV3}. */
    static final int DATA_TYPE = 2;

    private static final long CONFIG = 7L << StreamTableEntry.CONFIG_SHIFT;
    private static final long ALLOWED0 = StreamTableEntry.VALID | CONFIG | 3L << StreamTableEntry.S1FMT_SHIFT
            | StreamTableEntry.S1_CONTEXT_POINTER | 0x1fL << StreamTableEntry.S1CDMAX_SHIFT;
    private static final long EATS = 3L << StreamTableEntry.EATS_SHIFT;
    /** S1DSS, S1CIR, S1COR and S1CSH. */
    private static final long CONTEXT_ATTRIBUTES = 0xff;
    private static final long ALLOWED1 = CONTEXT_ATTRIBUTES | StreamTableEntry.S1STALLD | EATS;

    private final SmmuViommu viommu;
    private final long word0;
    private final long word1;

    /** @throws IommufdException EOPNOTSUPP for another type; EINVAL for another length; EIO for an entry that a guest may not have */
    SmmuNestedDomain(SmmuViommu viommu, NestedTable table) {
        if (table.type() != DATA_TYPE) {
            throw new IommufdException(Errno.EINVAL, "a nested table of type 0x%x is none of an SMMUv3".formatted(table.type()));
        }
        if (table.lengthBytes() < IommuHwptArmSmmuv3.SIZE_BYTES) {
            throw new IommufdException(Errno.EINVAL, "a stream table entry has two words, not %d bytes".formatted(table.lengthBytes()));
        }
        this.viommu = viommu;
        MemorySegment struct = MemorySegment.ofArray(table.bytes());
        for (long i = IommuHwptArmSmmuv3.SIZE_BYTES; i < struct.byteSize(); i++) {
            if (struct.get(java.lang.foreign.ValueLayout.JAVA_BYTE, i) != 0) {
                throw new IommufdException(Errno.E2BIG, "a stream table entry of a guest is not zero behind its two words");
            }
        }
        long first = littleEndian(IommuHwptArmSmmuv3.ste(struct, 0));
        long second = littleEndian(IommuHwptArmSmmuv3.ste(struct, 1));
        boolean valid = (first & StreamTableEntry.VALID) != 0;
        word0 = valid ? first : 0;
        word1 = valid ? second & ~EATS : 0;
        if (valid) {
            check(first, second);
        }
    }

    private static long littleEndian(long word) {
        return ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN ? word : Long.reverseBytes(word);
    }

    private static void check(long first, long second) {
        int config = StreamTableEntry.config(first);
        long ats = second >>> StreamTableEntry.EATS_SHIFT & 3;
        boolean known = config == StreamTableEntry.CONFIG_ABORT || config == StreamTableEntry.CONFIG_BYPASS
                || config == StreamTableEntry.CONFIG_STAGE1;
        if ((first & ~ALLOWED0) != 0 || (second & ~ALLOWED1) != 0 || !known || ats > StreamTableEntry.EATS_FULL) {
            throw new IommufdException(Errno.EIO, "a guest's stream table entry 0x%x 0x%x has what only its host may say"
                    .formatted(first, second));
        }
    }

    SmmuViommu viommu() {
        return viommu;
    }

    /** Whether requests go through a context descriptor of the guest. */
    boolean translates() {
        return StreamTableEntry.config(word0) == StreamTableEntry.CONFIG_STAGE1 && (word0 & StreamTableEntry.VALID) != 0;
    }

    /** The entry for the unit. */
    long[] streamTableEntry() {
        long[] words = viommu.parent().streamTableEntry();
        if (translates()) {
            words[0] = StreamTableEntry.VALID | (long) StreamTableEntry.CONFIG_NESTED << StreamTableEntry.CONFIG_SHIFT | word0 & ~CONFIG;
            words[1] = word1;
        } else if (StreamTableEntry.config(word0) != StreamTableEntry.CONFIG_BYPASS) {
            words = new long[StreamTableEntry.WORDS];
            words[0] = StreamTableEntry.VALID;   // aborts
        }
        return words;
    }

    /** Guests invalidate through their vIOMMU. */
    @Override
    public InvalidationResult invalidate(InvalidationEntries entries) {
        throw new IommufdException(Errno.EOPNOTSUPP, "invalidations of an SMMUv3's guest go to its vIOMMU");
    }

    @Override
    public void close() {
        // The tables are the guest's.
    }
}
