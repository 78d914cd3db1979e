package iommu.vtd.unit;

import iommu.vtd.format.Capability;
import iommu.vtd.format.ExtendedCapability;
import java.util.EnumSet;
import java.util.Set;

/**
 * What a unit is built with. Everything it reports works, everything else is reserved.
 *
 * @param features what there is
 * @param addressBits widest input address: 39, 48 or 57, with tables of up to 3, 4 or 5 levels in the second stage
 * @param pasidBits width of a PASID, 1 to 20; unused without {@link VtdFeature#PASID}
 * @param faultRecords fault recording registers, 1 to 13
 * @param domainBits width of a domain-id: 4, 6, 8, 10, 12, 14 or 16
 * @param maxAddressMask largest address mask of a page-selective IOTLB invalidation, 0 to 36; unused without
 *        {@link VtdFeature#PAGE_SELECTIVE}
 */
public record VtdFeatures(Set<VtdFeature> features, int addressBits, int pasidBits, int faultRecords, int domainBits,
        int maxAddressMask) {
    /** Major version 5: invalidations always drain, and the register interface for them still exists. */
    static final int VERSION = 0x50;
    static final int IOTLB_OFFSET = 0x0F0;
    static final int FAULT_OFFSET = 0x220;
    /** Most fault recording registers that fit behind {@link #FAULT_OFFSET}. */
    static final int MAX_FAULT_RECORDS = 13;
    /** Largest page-selective invalidation unless said otherwise: 1 GiB. */
    private static final int USUAL_ADDRESS_MASK = 18;
    private static final int USUAL_FAULT_RECORDS = 8;
    /** MHMV: any index mask works. */
    private static final long MAX_HANDLE_MASK = 0xF;

    private static final Set<VtdFeature> LEGACY = Set.copyOf(EnumSet.of(VtdFeature.DMA_TRANSLATION, VtdFeature.SECOND_STAGE_2M,
            VtdFeature.SECOND_STAGE_1G, VtdFeature.PAGE_SELECTIVE, VtdFeature.DRAINING, VtdFeature.ENHANCED_SET_ROOT,
            VtdFeature.QUEUED_INVALIDATION, VtdFeature.PASS_THROUGH, VtdFeature.SNOOP_CONTROL, VtdFeature.ABORT_DMA));
    private static final Set<VtdFeature> SCALABLE = Set.copyOf(EnumSet.of(VtdFeature.SCALABLE_MODE, VtdFeature.SCALABLE_COHERENT,
            VtdFeature.RID_PASID, VtdFeature.PASID, VtdFeature.SECOND_STAGE, VtdFeature.SECOND_STAGE_DIRTY,
            VtdFeature.FIRST_STAGE, VtdFeature.FIRST_STAGE_1G, VtdFeature.FIRST_STAGE_5_LEVELS, VtdFeature.EXTENDED_ACCESSED));

    /** @throws IllegalArgumentException if a number is out of range, or a feature needs another that is not there */
    public VtdFeatures {
        features = Set.copyOf(features);
        require(addressBits == 39 || addressBits == 48 || addressBits == 57, "input addresses have 39, 48 or 57 bits, not " + addressBits);
        require(pasidBits >= 1 && pasidBits <= 20, "a PASID has 1 to 20 bits, not " + pasidBits);
        require(faultRecords >= 1 && faultRecords <= MAX_FAULT_RECORDS, "1 to 13 fault records, not " + faultRecords);
        require(domainBits >= 4 && domainBits <= 16 && domainBits % 2 == 0, "no domain-id has " + domainBits + " bits");
        require(maxAddressMask >= 0 && maxAddressMask <= 36, "an address mask is 0 to 36, not " + maxAddressMask);
        for (VtdFeature feature : features) {
            for (VtdFeature needed : feature.needed()) {
                require(features.contains(needed), feature + " needs " + needed);
            }
        }
        require(!features.contains(VtdFeature.WRITE_BUFFER_FLUSH) || !features.contains(VtdFeature.SCALABLE_MODE),
                "scalable mode needs no write buffer flushes");
        require(!features.contains(VtdFeature.SCALABLE_MODE) || features.contains(VtdFeature.FIRST_STAGE)
                || features.contains(VtdFeature.SECOND_STAGE), "scalable mode needs a first or a second stage");
    }

    /** Bits above what the unit was built with must be 0 in its structures. */
    ReservedBits reservedBits() {
        return new ReservedBits(this);
    }

    private static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    /** Root and context tables only. */
    public static VtdFeatures legacy() {
        return new VtdFeatures(LEGACY, 57, 20, USUAL_FAULT_RECORDS, 16, USUAL_ADDRESS_MASK);
    }

    /** Scalable mode, and legacy mode. */
    public static VtdFeatures scalableMode() {
        return legacy().with(SCALABLE.toArray(VtdFeature[]::new));
    }

    /** The same with more. */
    public VtdFeatures with(VtdFeature... more) {
        Set<VtdFeature> all = EnumSet.copyOf(features);
        all.addAll(Set.of(more));
        return new VtdFeatures(all, addressBits, pasidBits, faultRecords, domainBits, maxAddressMask);
    }

    /** The same with less. */
    public VtdFeatures without(VtdFeature... less) {
        Set<VtdFeature> all = EnumSet.copyOf(features);
        all.removeAll(Set.of(less));
        return new VtdFeatures(all, addressBits, pasidBits, faultRecords, domainBits, maxAddressMask);
    }

    /** The same with nested translation. */
    public VtdFeatures withNested() {
        return with(VtdFeature.NESTED);
    }

    /** The same with device-TLB support. */
    public VtdFeatures withDeviceTlb() {
        return with(VtdFeature.DEVICE_TLB);
    }

    /** The same with input addresses of that width. */
    public VtdFeatures withAddressBits(int bits) {
        return new VtdFeatures(features, bits, pasidBits, faultRecords, domainBits, maxAddressMask);
    }

    /** The same with PASIDs of that width. */
    public VtdFeatures withPasidBits(int bits) {
        return new VtdFeatures(features, addressBits, bits, faultRecords, domainBits, maxAddressMask);
    }

    /** The same with that many fault recording registers. */
    public VtdFeatures withFaultRecords(int count) {
        return new VtdFeatures(features, addressBits, pasidBits, count, domainBits, maxAddressMask);
    }

    /** The same with domain-ids of that width. */
    public VtdFeatures withDomainBits(int bits) {
        return new VtdFeatures(features, addressBits, pasidBits, faultRecords, bits, maxAddressMask);
    }

    /** The same with that largest address mask. */
    public VtdFeatures withMaxAddressMask(int mask) {
        return new VtdFeatures(features, addressBits, pasidBits, faultRecords, domainBits, mask);
    }

    /** Whether there is {@code feature}. */
    public boolean has(VtdFeature feature) {
        return features.contains(feature);
    }

    /** A domain-id as the unit sees it: bits beyond its width are ignored. */
    int domain(int domainId) {
        return domainId & (1 << domainBits) - 1;
    }

    /** Whether there is scalable mode. */
    public boolean scalable() {
        return has(VtdFeature.SCALABLE_MODE);
    }

    /** Whether second-stage tables of that many levels can be walked. */
    boolean walksLevels(int levels) {
        return levels >= 3 && 12 + 9 * levels <= addressBits;
    }

    /** The capability register. */
    long capability() {
        long reported = (domainBits - 4) / 2
                | (long) (addressBits - 1) << Capability.ADDRESS_WIDTH_SHIFT
                | (long) FAULT_OFFSET / 16 << Capability.FAULT_OFFSET_SHIFT
                | (long) (faultRecords - 1) << Capability.FAULT_COUNT_SHIFT
                | (has(VtdFeature.PAGE_SELECTIVE) ? (long) maxAddressMask << Capability.ADDRESS_MASK_SHIFT : 0);
        for (int levels = 3; levels <= 5; levels++) {
            if (has(VtdFeature.DMA_TRANSLATION) && walksLevels(levels)) {
                reported |= 1L << Capability.LEVELS_SHIFT + levels - 2;
            }
        }
        for (VtdFeature feature : features) {
            reported |= feature.capability();
        }
        return reported;
    }

    /** The extended capability register. */
    long extendedCapability() {
        long reported = ExtendedCapability.COHERENT | (has(VtdFeature.INTERRUPT_REMAPPING) ? MAX_HANDLE_MASK << 20 : 0) | (long) IOTLB_OFFSET / 16 << ExtendedCapability.IOTLB_OFFSET_SHIFT
                | (has(VtdFeature.PASID) ? (long) (pasidBits - 1) << ExtendedCapability.PASID_SIZE_SHIFT : 0);
        for (VtdFeature feature : features) {
            reported |= feature.extendedCapability();
        }
        return reported;
    }
}
