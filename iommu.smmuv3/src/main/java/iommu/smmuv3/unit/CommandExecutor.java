package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuCommand.*;
import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.dma.InvalidationLog;
import iommu.common.unit.RegisterFile;
import iommufd.api.FaultResponse;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.PageResponse;

/** What commands do, but for CMD_SYNC (IHI 0070, chapter 4). Guarded by the unit's lock. */
final class CommandExecutor {
    static final int DONE = 0;
    private static final int ANY_RANGE = 31;
    private static final int ALL_VMID_BITS = 0xffff;
    private static final int ANSWER_SUCCESS = 2;
    private static final int ANSWER_INVALID = 1;
    private static final int ANSWER_FAILURE = 0;
    private static final int PAGE_LG2 = 12;

    private final RegisterFile registers;
    private final SmmuFeatures features;
    private final InvalidationLog log;
    private final StalledRequests stalls;

    CommandExecutor(RegisterFile registers, SmmuFeatures features, InvalidationLog log, StalledRequests stalls) {
        this.registers = registers;
        this.features = features;
        this.log = log;
        this.stalls = stalls;
    }

    /** @return {@link #DONE} or an error code */
    int execute(long word0, long word1, DeviceCalls calls) {
        return switch (opcode(word0)) {
            case PREFETCH_CONFIG, PREFETCH_ADDR -> (word0 & SECURE_STREAM) != 0 ? CERROR_ILL : DONE;
            case CFGI_STE, CFGI_STE_RANGE -> invalidateStreams(word0, word1);
            case CFGI_CD, CFGI_CD_ALL -> invalidateContexts(word0);
            case TLBI_NH_ALL, TLBI_NH_ASID, TLBI_NH_VA, TLBI_NH_VAA ->
                    features.has(SmmuFeature.STAGE1) ? invalidateStage1(word0, word1) : CERROR_ILL;
            case TLBI_EL2_ALL, TLBI_EL2_ASID, TLBI_EL2_VA, TLBI_EL2_VAA ->
                    features.has(SmmuFeature.HYPERVISOR) ? invalidateHypervisor(word0, word1) : CERROR_ILL;
            case TLBI_S12_VMALL -> features.has(SmmuFeature.STAGE2) ? publish(SmmuInvalidation.BOTH_STAGES, word0, 0, -1L) : CERROR_ILL;
            case TLBI_S2_IPA -> features.has(SmmuFeature.STAGE2)
                    ? invalidateRange(SmmuInvalidation.STAGE2_RANGE, word0, word1, word1 & IPA) : CERROR_ILL;
            case TLBI_NSNH_ALL -> publish(SmmuInvalidation.TRANSLATIONS, word0, 0, -1L);
            case ATC_INV -> features.has(SmmuFeature.ATS) ? invalidateDevices(word0, word1, calls) : CERROR_ILL;
            case PRI_RESP -> features.has(SmmuFeature.PRI) ? respond(word0, word1, calls) : CERROR_ILL;
            case RESUME -> features.has(SmmuFeature.STALL) ? resume(word0, word1) : CERROR_ILL;
            case STALL_TERM -> features.has(SmmuFeature.STALL) ? terminate(word0) : CERROR_ILL;
            default -> CERROR_ILL;   // Secure and reserved ones, and CMD_SYNC with a reserved signal
        };
    }

    private int invalidateStreams(long word0, long word1) {
        if ((word0 & SECURE_STREAM) != 0) {
            return CERROR_ILL;
        }
        long stream = word0 >>> STREAM_SHIFT;
        if (opcode(word0) == CFGI_STE) {
            log.publish(SmmuInvalidation.STREAMS, 0, stream, stream);
            return DONE;
        }
        int range = (int) (word1 & RANGE);
        long inside = (2L << range) - 1;
        long first = range == ANY_RANGE ? 0 : stream & ~inside;
        log.publish(SmmuInvalidation.STREAMS, 0, first, first | inside);
        return DONE;
    }

    private int invalidateContexts(long word0) {
        if ((word0 & SECURE_STREAM) != 0 || !features.has(SmmuFeature.STAGE1)) {
            return CERROR_ILL;
        }
        long stream = word0 >>> STREAM_SHIFT;
        long substream = word0 >>> SUBSTREAM_SHIFT & SUBSTREAM_MASK;
        if (opcode(word0) == CFGI_CD) {
            log.publish(SmmuInvalidation.CONTEXT, stream, substream, substream);
        } else {
            log.publish(SmmuInvalidation.CONTEXTS, stream, 0, -1L);
        }
        return DONE;
    }

    private int invalidateStage1(long word0, long word1) {
        return switch (opcode(word0)) {
            case TLBI_NH_ALL -> publish(SmmuInvalidation.STAGE1, word0, 0, -1L);
            case TLBI_NH_ASID -> publish(SmmuInvalidation.STAGE1_ASID, word0, 0, -1L);
            case TLBI_NH_VA -> invalidateRange(SmmuInvalidation.STAGE1_RANGE, word0, word1, word1 & ADDRESS);
            default -> invalidateRange(SmmuInvalidation.STAGE1_RANGE_ANY_ASID, word0, word1, word1 & ADDRESS);
        };
    }

    private int invalidateHypervisor(long word0, long word1) {
        return switch (opcode(word0)) {
            case TLBI_EL2_ALL -> publish(SmmuInvalidation.HYPERVISOR, word0, 0, -1L);
            case TLBI_EL2_ASID -> publish(SmmuInvalidation.HYPERVISOR_ASID, word0, 0, -1L);
            case TLBI_EL2_VA -> invalidateRange(SmmuInvalidation.HYPERVISOR_RANGE, word0, word1, word1 & ADDRESS);
            default -> invalidateRange(SmmuInvalidation.HYPERVISOR_RANGE_ANY_ASID, word0, word1, word1 & ADDRESS);
        };
    }

    private int invalidateRange(int kind, long word0, long word1, long first) {
        int granule = features.has(SmmuFeature.RANGE_INVALIDATION) ? (int) (word1 >>> TG_SHIFT) & 3 : 0;
        if (granule == 0) {
            return publish(kind, word0, first, first | 0xfff);
        }
        long pages = (word0 >>> NUM_SHIFT & 0x1f) + 1;
        int scale = (int) (word0 >>> SCALE_SHIFT) & 0x1f;
        int level = (int) (word1 >>> TTL_SHIFT) & 3;
        if (granule == 2 && level == 1) {
            level = 0;   // no blocks there with 16K: as no hint
        }
        if (pages == 1 && scale == 0 && level == 0) {
            return CERROR_ILL;
        }
        int granuleLg2 = 2 * granule + 10;
        // 32 << 31 << 16 is 2^52: no overflow. The range ends at the top of the address space at the latest.
        long last = first + (pages << scale + granuleLg2) - 1;
        return publish(kind, word0, first, Long.compareUnsigned(last, first) < 0 ? -1L : last);
    }

    private int publish(int kind, long word0, long first, long last) {
        int vmid = features.has(SmmuFeature.STAGE2) ? (int) (word0 >>> VMID_SHIFT) & 0xffff : 0;
        int asid = (int) (word0 >>> ASID_SHIFT) & 0xffff;
        log.publish(kind, SmmuInvalidation.tag(vmid, asid, vmidBits()), first, last);
        return DONE;
    }

    /** Bits of VMIDs that count (§3.17.6). */
    private int vmidBits() {
        int ignored = registers.get32(CR0ACK) >>> CR0_VMW_SHIFT & CR0_VMW_MASK;
        return ignored > CR0_VMW_MAX ? ALL_VMID_BITS : ALL_VMID_BITS & ~((1 << ignored) - 1);
    }

    private boolean isOff() {
        return (registers.get32(CR0ACK) & CR0_SMMUEN) == 0;
    }

    private int invalidateDevices(long word0, long word1, DeviceCalls calls) {
        int size = (int) (word1 & ATC_SIZE);
        if ((word0 & SECURE_STREAM) != 0 || size > ATC_SIZE_ALL) {
            return CERROR_ILL;
        }
        if (isOff()) {
            return DONE;
        }
        int pasid = pasid(word0);
        boolean global = pasid != Pasid.NONE && (word0 & ATC_GLOBAL) != 0;
        long bytes = size == ATC_SIZE_ALL ? 0 : 1L << size + PAGE_LG2;
        long iova = size == ATC_SIZE_ALL ? 0 : word1 & -bytes;
        calls.add((int) (word0 >>> STREAM_SHIFT), device -> device.invalidate(pasid, iova, bytes, global));
        return DONE;
    }

    private int pasid(long word0) {
        boolean named = features.substreamIdBits() > 0 && (word0 & SUBSTREAM_VALID) != 0;
        return named ? (int) (word0 >>> SUBSTREAM_SHIFT) & SUBSTREAM_MASK : Pasid.NONE;
    }

    private int respond(long word0, long word1, DeviceCalls calls) {
        int answer = (int) (word1 >>> PRI_ANSWER_SHIFT) & 3;
        if ((word0 & SECURE_STREAM) != 0 || answer > ANSWER_SUCCESS) {
            return CERROR_ILL;
        }
        if (isOff()) {
            return DONE;
        }
        int pasid = pasid(word0);
        int group = (int) (word1 & PRI_GROUP);
        calls.add((int) (word0 >>> STREAM_SHIFT), device -> {
            switch (answer) {
                case ANSWER_FAILURE -> device.pageFailure(pasid, group);
                case ANSWER_INVALID -> device.pageResponse(new PageResponse(pasid, group, FaultResponse.INVALID));
                default -> device.pageResponse(new PageResponse(pasid, group, FaultResponse.SUCCESS));
            }
            return true;
        });
        return DONE;
    }

    private int resume(long word0, long word1) {
        if ((word0 & SECURE_STREAM) != 0) {
            return CERROR_ILL;
        }
        boolean completes = features.has(SmmuFeature.TERMINATE_RAZ_WI) && (word0 & RESUME_ABORT) == 0;
        StalledRequests.Answer answer = (word0 & RESUME_RETRY) != 0 ? StalledRequests.Answer.RETRY
                : completes ? StalledRequests.Answer.COMPLETE : StalledRequests.Answer.ABORT;
        stalls.resume((int) (word0 >>> STREAM_SHIFT), (int) (word1 & RESUME_TAG), answer);
        return DONE;
    }

    private int terminate(long word0) {
        if ((word0 & SECURE_STREAM) != 0) {
            return CERROR_ILL;
        }
        stalls.terminate((int) (word0 >>> STREAM_SHIFT));
        return DONE;
    }
}
