package iommufd.api.hardware;

import iommufd.api.DmaAccess;

/**
 * A device asks for an absent page.
 *
 * @param pasid PASID, or {@link iommufd.api.dma.Pasid#NONE}
 * @param groupIndex the device's number for the group
 * @param iova page-aligned
 * @param access what it wants to do
 * @param execute whether it wants to execute
 * @param privileged whether in privileged mode
 * @param lastOfGroup whether the group is complete with this one
 */
public record PageRequest(int pasid, int groupIndex, long iova, DmaAccess access, boolean execute, boolean privileged,
        boolean lastOfGroup) {}
