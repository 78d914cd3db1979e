package iommufd.api.hardware;

import iommufd.api.FaultResponse;

/**
 * Answer to a group of page requests.
 *
 * @param pasid as in the requests
 * @param groupIndex as in the requests
 * @param response the answer
 */
public record PageResponse(int pasid, int groupIndex, FaultResponse response) {}
