package iommu.vtd.unit;

import iommu.vtd.format.Capability;
import iommu.vtd.format.ExtendedCapability;

/**
 * What a unit is built with. Everything it reports works, everything else is reserved.
 *
 * @param scalable scalable mode: PASIDs, first stage, second stage with accessed and dirty bits
 * @param fiveLevels tables of five levels in both stages, besides those of three and four
 * @param nested first stage nested in second stage; needs {@code scalable}
 * @param deviceTlb device-TLB invalidations and the enables for device-TLBs are accepted
 * @param pasidBits width of a PASID, 1 to 20; unused without {@code scalable}
 * @param faultRecords fault recording registers, 1 to 13
 */
public record VtdFeatures(boolean scalable, boolean fiveLevels, boolean nested, boolean deviceTlb, int pasidBits,
        int faultRecords) {
    /** Major version 5: invalidations always drain, and the register interface for them still exists. */
    static final int VERSION = 0x50;
    static final int IOTLB_OFFSET = 0x0F0;
    static final int FAULT_OFFSET = 0x220;
    /** Most fault recording registers that fit behind {@link #FAULT_OFFSET}. */
    static final int MAX_FAULT_RECORDS = 13;
    /** Largest address mask of a page-selective invalidation: 1 GiB. */
    static final int MAX_ADDRESS_MASK = 18;

    /** @throws IllegalArgumentException if a number is out of range */
    public VtdFeatures {
        if (pasidBits < 1 || pasidBits > 20 || faultRecords < 1 || faultRecords > MAX_FAULT_RECORDS) {
            throw new IllegalArgumentException("no unit has PASIDs of %d bits and %d fault records".formatted(pasidBits, faultRecords));
        }
    }

    /** Root and context tables only. */
    public static VtdFeatures legacy() {
        return new VtdFeatures(false, true, false, false, 20, 8);
    }

    /** Scalable mode, and legacy mode. */
    public static VtdFeatures scalableMode() {
        return new VtdFeatures(true, true, false, false, 20, 8);
    }

    /** The same with nested translation. */
    public VtdFeatures withNested() {
        return new VtdFeatures(true, fiveLevels, true, deviceTlb, pasidBits, faultRecords);
    }

    /** The same with device-TLB support. */
    public VtdFeatures withDeviceTlb() {
        return new VtdFeatures(scalable, fiveLevels, nested, true, pasidBits, faultRecords);
    }

    /** The same with PASIDs of that width. */
    public VtdFeatures withPasidBits(int bits) {
        return new VtdFeatures(scalable, fiveLevels, nested, deviceTlb, bits, faultRecords);
    }

    /** The same with that many fault recording registers. */
    public VtdFeatures withFaultRecords(int count) {
        return new VtdFeatures(scalable, fiveLevels, nested, deviceTlb, pasidBits, count);
    }

    /** Bits of the widest input address (MGAW + 1); at least those of a host address, as §11.4.2 recommends. */
    int addressBits() {
        return fiveLevels ? 57 : 48;
    }

    /** Whether second-stage tables of that many levels can be walked. */
    boolean walksLevels(int levels) {
        return levels >= 3 && levels <= (fiveLevels ? 5 : 4);
    }

    /** The capability register. */
    long capability() {
        return Capability.DOMAIN_IDS_16_BITS
                | (fiveLevels ? 0b1110L : 0b0110L) << Capability.LEVELS_SHIFT
                | (long) (addressBits() - 1) << Capability.ADDRESS_WIDTH_SHIFT
                | (long) FAULT_OFFSET / 16 << Capability.FAULT_OFFSET_SHIFT
                | Capability.LARGE_PAGES | Capability.PAGE_SELECTIVE
                | (long) (faultRecords - 1) << Capability.FAULT_COUNT_SHIFT
                | (long) MAX_ADDRESS_MASK << Capability.ADDRESS_MASK_SHIFT
                | Capability.DRAINING | Capability.ENHANCED_SET_ROOT
                | (scalable ? Capability.FIRST_STAGE_1G : 0)
                | (scalable && fiveLevels ? Capability.FIRST_STAGE_5_LEVELS : 0);
    }

    /** The extended capability register. */
    long extendedCapability() {
        long common = ExtendedCapability.COHERENT | ExtendedCapability.QUEUED_INVALIDATION | ExtendedCapability.PASS_THROUGH
                | ExtendedCapability.SNOOP_CONTROL | ExtendedCapability.ABORT_DMA
                | (long) IOTLB_OFFSET / 16 << ExtendedCapability.IOTLB_OFFSET_SHIFT
                | (deviceTlb ? ExtendedCapability.DEVICE_TLB : 0);
        if (!scalable) {
            return common;
        }
        return common | ExtendedCapability.SCALABLE_MODE | ExtendedCapability.PASID
                | (long) (pasidBits - 1) << ExtendedCapability.PASID_SIZE_SHIFT
                | ExtendedCapability.EXTENDED_ACCESSED | ExtendedCapability.SECOND_STAGE_DIRTY
                | ExtendedCapability.SECOND_STAGE | ExtendedCapability.FIRST_STAGE | ExtendedCapability.SCALABLE_COHERENT
                | ExtendedCapability.RID_PASID | (nested ? ExtendedCapability.NESTED : 0);
    }
}
