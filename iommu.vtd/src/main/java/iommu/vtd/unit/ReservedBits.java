package iommu.vtd.unit;

import iommu.vtd.format.ContextEntry;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.PasidTableEntry;
import iommu.vtd.format.ScalableContextEntry;
import iommu.vtd.format.SecondStageEntry;

/** Bits of translation structures that must be 0 in a unit that is built so: what it lacks is reserved (§9). */
final class ReservedBits {
    private static final int SHIFT_2M = 21;
    private static final int SHIFT_1G = 30;
    private static final int SHIFT_4K = 12;

    final long contextHigh;
    final long scalableContextLow;
    final long scalableContextHigh;
    final long pasidWord0;
    final long pasidWord1;
    final long pasidWord2;
    final long secondStageLeaf;
    /** log2 of the largest leaf of a second stage. */
    final int secondStageLeafLg2;
    /** log2 of the largest leaf of a first stage. */
    final int firstStageLeafLg2;

    ReservedBits(VtdFeatures features) {
        long unusedDomainBits = 0xFFFFL & -1L << features.domainBits();
        contextHigh = ContextEntry.HIGH_RESERVED | unusedDomainBits << ContextEntry.DOMAIN_SHIFT;
        scalableContextLow = ScalableContextEntry.LOW_RESERVED
                | without(features, VtdFeature.DEVICE_TLB, ScalableContextEntry.DEVICE_TLB)
                | without(features, VtdFeature.PASID, ScalableContextEntry.PASIDS)
                | without(features, VtdFeature.PAGE_REQUESTS, ScalableContextEntry.PAGE_REQUESTS);
        scalableContextHigh = ScalableContextEntry.HIGH_RESERVED
                | without(features, VtdFeature.RID_PASID, ScalableContextEntry.RID_PASID)
                | without(features, VtdFeature.RID_PRIVILEGED, ScalableContextEntry.RID_PRIVILEGED);
        pasidWord0 = PasidTableEntry.WORD0_RESERVED
                | without(features, VtdFeature.SECOND_STAGE, PasidTableEntry.WIDTH | HostAddress.PAGE)
                | without(features, VtdFeature.SECOND_STAGE_DIRTY, PasidTableEntry.SECOND_STAGE_DIRTY);
        pasidWord1 = PasidTableEntry.WORD1_RESERVED | unusedDomainBits
                | without(features, VtdFeature.SCALABLE_COHERENT, PasidTableEntry.WALK_SNOOPS)
                | without(features, VtdFeature.SNOOP_CONTROL, PasidTableEntry.PAGE_SNOOPS);
        pasidWord2 = PasidTableEntry.WORD2_RESERVED
                | without(features, VtdFeature.SUPERVISOR, PasidTableEntry.SUPERVISOR)
                | without(features, VtdFeature.EXTENDED_ACCESSED, PasidTableEntry.EXTENDED_ACCESSED)
                | without(features, VtdFeature.FIRST_STAGE,
                        PasidTableEntry.FIRST_STAGE_MODE | PasidTableEntry.WRITE_PROTECT | HostAddress.PAGE);
        secondStageLeaf = SecondStageEntry.LEAF_RESERVED | without(features, VtdFeature.SNOOP_CONTROL, SecondStageEntry.SNOOP);
        secondStageLeafLg2 = features.has(VtdFeature.SECOND_STAGE_1G) ? SHIFT_1G
                : features.has(VtdFeature.SECOND_STAGE_2M) ? SHIFT_2M : SHIFT_4K;
        firstStageLeafLg2 = features.has(VtdFeature.FIRST_STAGE_1G) ? SHIFT_1G : SHIFT_2M;
    }

    private static long without(VtdFeatures features, VtdFeature feature, long bits) {
        return features.has(feature) ? 0 : bits;
    }
}
