package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;

/**
 * What one unit's identification registers say. Only what works is advertised.
 *
 * @param streamIdBits width of StreamIDs, 7 to 32
 * @param substreamIdBits width of SubstreamIDs, 0 to 20
 * @param queueEntriesLg2 log2 of the most entries of a queue, up to 19
 */
public record SmmuFeatures(int streamIdBits, int substreamIdBits, int queueEntriesLg2) {
    /** PCI segments 0 to 15, every PASID. */
    public static final SmmuFeatures DEFAULT = new SmmuFeatures(20, 20, 16);

    private static final int OAS_48_BITS = 5;

    /** @throws IllegalArgumentException if a number is out of range */
    public SmmuFeatures {
        if (streamIdBits < 7 || streamIdBits > 32 || substreamIdBits < 0 || substreamIdBits > 20
                || queueEntriesLg2 < 1 || queueEntriesLg2 > 19) {
            throw new IllegalArgumentException("StreamIDs of %d, SubstreamIDs of %d bits, queues of 2^%d entries"
                    .formatted(streamIdBits, substreamIdBits, queueEntriesLg2));
        }
    }

    int idr0() {
        return IDR0_S2P | IDR0_S1P | IDR0_TTF_AARCH64 | IDR0_COHACC | IDR0_HTTU_ACCESS_AND_DIRTY | IDR0_ASID16 | IDR0_MSI
                | IDR0_VMID16 | IDR0_CD2L | IDR0_TTENDIAN_LITTLE | IDR0_STALL_MODEL_TERMINATE | IDR0_TERM_MODEL | IDR0_ST_LEVEL_2;
    }

    int idr1() {
        return queueEntriesLg2 << IDR1_CMDQS_SHIFT | queueEntriesLg2 << IDR1_EVENTQS_SHIFT
                | substreamIdBits << IDR1_SSIDSIZE_SHIFT | streamIdBits;
    }

    int idr3() {
        return IDR3_RIL | IDR3_BBML2;
    }

    int idr5() {
        return IDR5_GRAN4K | IDR5_GRAN16K | IDR5_GRAN64K | OAS_48_BITS;
    }
}
