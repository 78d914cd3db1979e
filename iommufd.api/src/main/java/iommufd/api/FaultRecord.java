package iommufd.api;

import java.util.OptionalInt;

/**
 * One IO page fault as user space reads it ({@code struct iommu_hwpt_pgfault}).
 *
 * @param deviceId number of the {@link BoundDevice}
 * @param pasid the request's PASID, if it had one
 * @param groupIndex page-request group index of the device
 * @param access what the device wanted to do
 * @param execute whether it wanted to execute
 * @param privileged whether it asked in privileged mode
 * @param lastOfGroup whether the group ends here: only then can it be answered
 * @param iova faulting address, page-aligned
 * @param lengthHintBytes how much the device is likely to need; 0 if unknown
 * @param cookie answers the whole group
 */
public record FaultRecord(int deviceId, OptionalInt pasid, int groupIndex, DmaAccess access, boolean execute,
        boolean privileged, boolean lastOfGroup, long iova, long lengthHintBytes, int cookie) {}
