package iommu.mock.command;

import iommufd.api.node.Caller;
import iommufd.api.uapi.UserStruct;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The argument of {@code IOMMU_TEST_CMD} ({@code struct iommu_test_cmd}): size, operation, object number, then a union of 48 bytes
 * and {@code last}. Offsets are from the start of the struct.
 */
final class TestCommand {
    static final int BYTES = 72;
    /** Through {@code last}. */
    static final int MIN_BYTES = 68;
    private static final int OPERATION = 4;
    private static final int ID = 8;

    static final int RESERVED_START = 16;
    static final int RESERVED_LENGTH = 24;

    static final int DOMAIN_OUT_STDEV_ID = 16;
    static final int DOMAIN_OUT_HWPT_ID = 20;
    static final int DOMAIN_OUT_IDEV_ID = 24;
    static final int DOMAIN_DEVICE_FLAGS = 28;
    static final int REPLACE_PT_ID = 16;

    static final int MAP_IOVA = 16;
    static final int MAP_LENGTH = 24;
    static final int MAP_UPTR = 32;

    static final int REFS_LENGTH = 16;
    static final int REFS_UPTR = 24;
    static final int REFS_COUNT = 32;

    static final int ACCESS_OUT_FD = 16;
    static final int ACCESS_FLAGS = 20;
    static final int DESTROY_PAGES_ID = 16;
    static final int PAGES_FLAGS = 16;
    static final int PAGES_OUT_ID = 20;
    static final int PAGES_IOVA = 24;
    static final int PAGES_LENGTH = 32;
    static final int PAGES_UPTR = 40;
    static final int RW_IOVA = 16;
    static final int RW_LENGTH = 24;
    static final int RW_UPTR = 32;
    static final int RW_FLAGS = 40;
    static final int ACCESS_IOAS_ID = 16;

    static final int MEMORY_LIMIT = 16;

    static final int DIRTY_IOVA = 24;
    static final int DIRTY_LENGTH = 32;
    static final int DIRTY_PAGE_SIZE = 40;
    static final int DIRTY_UPTR = 48;
    static final int DIRTY_OUT_COUNT = 56;

    static final int IOTLB_ID = 16;
    static final int IOTLB_VALUE = 20;
    static final int CACHE_ID = 16;
    static final int CACHE_VALUE = 20;

    static final int IOPF_DEV_ID = 16;
    static final int IOPF_PASID = 20;
    static final int IOPF_GROUP = 24;
    static final int IOPF_PERMISSIONS = 28;
    static final int IOPF_ADDRESS = 32;
    static final int VEVENT_DEV_ID = 16;

    static final int PASID = 16;
    static final int PASID_PT_ID = 20;

    static final int DMABUF_LENGTH = 16;
    static final int DMABUF_OPEN_FLAGS = 20;
    static final int DMABUF_FD = 16;
    static final int DMABUF_REVOKED = 20;

    private final Caller caller;
    private final long address;
    private final MemorySegment struct = MemorySegment.ofArray(new byte[BYTES]);
    private final int userBytes;

    TestCommand(Caller caller, long address) {
        this.caller = caller;
        this.address = address;
        userBytes = UserStruct.read(caller.memory(), address, struct, MIN_BYTES);
    }

    Caller caller() {
        return caller;
    }

    int operation() {
        return int32(OPERATION);
    }

    /** The object, or the descriptor of an access. */
    int id() {
        return int32(ID);
    }

    int int32(int offset) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, offset);
    }

    long int64(int offset) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, offset);
    }

    TestCommand set(int offset, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, offset, value);
        return this;
    }

    TestCommand set(int offset, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, offset, value);
        return this;
    }

    /** Copies the struct back. */
    void respond() {
        UserStruct.respond(caller.memory(), address, struct, userBytes);
    }
}
