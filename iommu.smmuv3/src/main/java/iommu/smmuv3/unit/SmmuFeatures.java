package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommu.smmuv3.unit.SmmuFeature.*;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;

/**
 * What one unit's identification registers say. Only what works is advertised.
 *
 * @param streamIdBits width of StreamIDs, 0 to 32
 * @param substreamIdBits width of SubstreamIDs, 0 to 20
 * @param queueEntriesLg2 log2 of the most entries of a queue, up to 19
 * @param outputBits output address size: 32, 36, 40, 42, 44, 48 or 52
 * @param stalls most requests that are stalled at a time, 1 to 65535; counts with {@link SmmuFeature#STALL}
 * @param optional what it has
 */
public record SmmuFeatures(int streamIdBits, int substreamIdBits, int queueEntriesLg2, int outputBits, int stalls,
        Set<SmmuFeature> optional) {
    /** What the host's driver relies on. */
    public static final Set<SmmuFeature> HOST = Collections.unmodifiableSet(EnumSet.of(STAGE1, STAGE2, GRANULE_4K, GRANULE_16K,
            GRANULE_64K, HTTU_ACCESS, HTTU_DIRTY, STREAM_TABLE_2LEVEL, CONTEXT_TABLE_2LEVEL, ASID16, VMID16, MSI,
            RANGE_INVALIDATION, HIERARCHICAL_DISABLE, EXECUTE_NEVER_BY_LEVEL, ABORT_AFTER_RESET));
    /** PCI segments 0 to 15, every PASID. */
    public static final SmmuFeatures DEFAULT = new SmmuFeatures(20, 20, 16);
    /** Most stalled requests unless another number is configured. */
    public static final int DEFAULT_STALLS = 64;

    /** As {@link #HOST}, with 48 bits of output. */
    public SmmuFeatures(int streamIdBits, int substreamIdBits, int queueEntriesLg2) {
        this(streamIdBits, substreamIdBits, queueEntriesLg2, 48, DEFAULT_STALLS, HOST);
    }

    /** As {@link #DEFAULT}, but for the width of StreamIDs, and maybe with stalls. */
    public static SmmuFeatures host(int streamIdBits, boolean stalls) {
        EnumSet<SmmuFeature> features = EnumSet.copyOf(HOST);
        if (stalls) {
            features.add(STALL);
        }
        return new SmmuFeatures(streamIdBits, DEFAULT.substreamIdBits, DEFAULT.queueEntriesLg2, DEFAULT.outputBits, DEFAULT_STALLS, features);
    }

    /** @throws IllegalArgumentException if a number is out of range, or if no hardware combines these features */
    public SmmuFeatures {
        optional = Collections.unmodifiableSet(optional.isEmpty() ? EnumSet.noneOf(SmmuFeature.class) : EnumSet.copyOf(optional));
        if (streamIdBits < 0 || streamIdBits > 32 || substreamIdBits < 0 || substreamIdBits > 20
                || queueEntriesLg2 < 1 || queueEntriesLg2 > 19) {
            throw new IllegalArgumentException("StreamIDs of %d, SubstreamIDs of %d bits, queues of 2^%d entries"
                    .formatted(streamIdBits, substreamIdBits, queueEntriesLg2));
        }
        if (encodedOutputBits(outputBits) < 0 || stalls < 1 || stalls > 0xffff) {
            throw new IllegalArgumentException("outputs of %d bits, %d stalled requests".formatted(outputBits, stalls));
        }
        require(optional, "a stage", optional.contains(STAGE1) || optional.contains(STAGE2));
        require(optional, "a granule", optional.contains(GRANULE_4K) || optional.contains(GRANULE_16K) || optional.contains(GRANULE_64K));
        require(optional, "two-level stream tables for 7 bits and more", streamIdBits < 7 || optional.contains(STREAM_TABLE_2LEVEL));
        require(optional, "64 KiB granules for outputs of 52 bits", outputBits < 52 || optional.contains(GRANULE_64K));
        needs(optional, LARGE_VA, GRANULE_64K);
        needs(optional, HTTU_DIRTY, HTTU_ACCESS);
        needs(optional, HYPERVISOR, STAGE1);
        needs(optional, HYPERVISOR, STAGE2);
        needs(optional, SPLIT_ATS, ATS);
        needs(optional, SPLIT_ATS, STAGE1);
        needs(optional, SPLIT_ATS, STAGE2);
        needs(optional, ATS_RECORDS, ATS);
        needs(optional, PRI, ATS);
        needs(optional, RESPONSE_PASID, PRI);
        needs(optional, VMID_WILDCARD, STAGE2);
    }

    private static void require(Set<SmmuFeature> optional, String what, boolean there) {
        if (!there) {
            throw new IllegalArgumentException("an SMMU needs %s; it has %s".formatted(what, optional));
        }
    }

    private static void needs(Set<SmmuFeature> optional, SmmuFeature feature, SmmuFeature other) {
        if (optional.contains(feature) && !optional.contains(other)) {
            throw new IllegalArgumentException(feature.property() + " needs " + other.property() + " (" + other + ")");
        }
    }

    /** IDR5.OAS of a size, or -1 if there is none. */
    private static int encodedOutputBits(int bits) {
        return switch (bits) {
            case 32 -> 0;
            case 36 -> 1;
            case 40 -> 2;
            case 42 -> 3;
            case 44 -> 4;
            case 48 -> 5;
            case 52 -> 6;
            default -> -1;
        };
    }

    /** Whether the unit has a feature. */
    public boolean has(SmmuFeature feature) {
        return optional.contains(feature);
    }

    private int bit(SmmuFeature feature, int bits) {
        return has(feature) ? bits : 0;
    }

    int idr0() {
        int httu = has(HTTU_DIRTY) ? IDR0_HTTU_ACCESS_AND_DIRTY : bit(HTTU_ACCESS, IDR0_HTTU_ACCESS);
        boolean noSplit = has(ATS) && has(STAGE1) && has(STAGE2) && !has(SPLIT_ATS);
        return bit(STAGE2, IDR0_S2P) | bit(STAGE1, IDR0_S1P) | IDR0_TTF_AARCH64 | IDR0_COHACC | httu | bit(HYPERVISOR, IDR0_HYP)
                | bit(ATS, IDR0_ATS) | (noSplit ? IDR0_NS1ATS : 0) | bit(ASID16, IDR0_ASID16) | bit(MSI, IDR0_MSI)
                | bit(ATOS, IDR0_ATOS) | bit(PRI, IDR0_PRI) | bit(VMID_WILDCARD, IDR0_VMW) | bit(VMID16, IDR0_VMID16)
                | bit(CONTEXT_TABLE_2LEVEL, IDR0_CD2L) | IDR0_TTENDIAN_LITTLE | bit(ATS_RECORDS, IDR0_ATSRECERR)
                | (has(STALL) ? 0 : IDR0_STALL_MODEL_TERMINATE) | (has(TERMINATE_RAZ_WI) ? 0 : IDR0_TERM_MODEL)
                | bit(STREAM_TABLE_2LEVEL, IDR0_ST_LEVEL_2);
    }

    int idr1() {
        return bit(PERMISSION_OVERRIDES, IDR1_ATTR_PERMS_OVR) | queueEntriesLg2 << IDR1_CMDQS_SHIFT
                | queueEntriesLg2 << IDR1_EVENTQS_SHIFT | (has(PRI) ? queueEntriesLg2 << IDR1_PRIQS_SHIFT : 0)
                | substreamIdBits << IDR1_SSIDSIZE_SHIFT | streamIdBits;
    }

    int idr3() {
        boolean pasids = has(RESPONSE_PASID) && substreamIdBits > 0;
        return bit(RANGE_INVALIDATION, IDR3_RIL) | IDR3_BBML2 | (has(STAGE1) ? bit(HIERARCHICAL_DISABLE, IDR3_HAD) : 0)
                | (has(STAGE2) ? bit(EXECUTE_NEVER_BY_LEVEL, IDR3_XNX) : 0) | bit(SMALL_TABLES, IDR3_STT)
                | bit(UNPRIVILEGED_DISABLE, IDR3_E0PD) | (pasids ? IDR3_PPS : 0);
    }

    int idr5() {
        return bit(GRANULE_4K, IDR5_GRAN4K) | bit(GRANULE_16K, IDR5_GRAN16K) | bit(GRANULE_64K, IDR5_GRAN64K)
                | bit(LARGE_VA, IDR5_VAX_52) | (has(STALL) ? stalls << IDR5_STALL_MAX_SHIFT : 0) | encodedOutputBits(outputBits);
    }
}
