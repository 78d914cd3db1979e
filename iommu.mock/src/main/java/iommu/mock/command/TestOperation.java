package iommu.mock.command;

/** Operations of {@code IOMMU_TEST_CMD} ({@code IOMMU_TEST_OP_…}). */
final class TestOperation {
    static final int ADD_RESERVED = 1;
    static final int MOCK_DOMAIN = 2;
    static final int MD_CHECK_MAP = 3;
    static final int MD_CHECK_REFS = 4;
    static final int CREATE_ACCESS = 5;
    static final int DESTROY_ACCESS_PAGES = 6;
    static final int ACCESS_PAGES = 7;
    static final int ACCESS_RW = 8;
    static final int SET_TEMP_MEMORY_LIMIT = 9;
    static final int MOCK_DOMAIN_REPLACE = 10;
    static final int ACCESS_REPLACE_IOAS = 11;
    static final int MOCK_DOMAIN_FLAGS = 12;
    static final int DIRTY = 13;
    static final int MD_CHECK_IOTLB = 14;
    static final int TRIGGER_IOPF = 15;
    static final int DEV_CHECK_CACHE = 16;
    static final int TRIGGER_VEVENT = 17;
    static final int PASID_ATTACH = 18;
    static final int PASID_REPLACE = 19;
    static final int PASID_DETACH = 20;
    static final int PASID_CHECK_HWPT = 21;
    static final int DMABUF_GET = 22;
    static final int DMABUF_REVOKE = 23;

    private TestOperation() {}
}
