package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommu_hwpt_page_response} of {@code linux/iommufd.h} (Linux 7.3), native byte order. The answer to a
 * group of IO page faults, as written to a fault queue.
 */
public final class IommuHwptPageResponse {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommu_hwpt_page_response";

    /** {@code cookie}: of the group. */
    public static final int COOKIE_OFFSET = 0;
    /** {@code code}: {@code enum iommufd_page_response_code}. */
    public static final int CODE_OFFSET = 4;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 8;

    /** Try again. */
    public static final int IOMMUFD_PAGE_RESP_SUCCESS = 0;
    /** Not to be had. */
    public static final int IOMMUFD_PAGE_RESP_INVALID = 1;

    private IommuHwptPageResponse() {}

    /** {@code cookie}: of the group. */
    public static int cookie(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, COOKIE_OFFSET);
    }

    /** Stores {@code cookie}. */
    public static void cookie(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, COOKIE_OFFSET, value);
    }

    /** {@code code}: {@code enum iommufd_page_response_code}. */
    public static int code(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, CODE_OFFSET);
    }

    /** Stores {@code code}. */
    public static void code(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, CODE_OFFSET, value);
    }
}
