package iommufd.core.object;

import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedHwpt;
import iommufd.api.PagingHwpt;
import iommufd.core.fabric.NestedStage;
import java.util.Optional;

/** A first stage that user space owns. It holds its vIOMMU if it has one, else its parent. */
final class NestedHwptObject extends HwptObject implements NestedHwpt {
    /** Longest array one call may carry, and longest entry. */
    private static final int MAX_ENTRIES = 1 << 19;
    private static final int MAX_ENTRY_BYTES = 4096;

    private final PagingHwptObject parent;
    private final ContextObject held;
    private final NestedStage stage;
    private final boolean pasid;

    NestedHwptObject(PagingHwptObject parent, Optional<ViommuObject> viommu, NestedStage stage, boolean pasid,
            Optional<FaultQueueObject> faults) {
        super(parent.context(), faults);
        this.parent = parent;
        this.held = viommu.<ContextObject>map(v -> v).orElse(parent);
        this.stage = stage;
        this.pasid = pasid;
        held.hold();
    }

    @Override
    String kind() {
        return "nested HWPT";
    }

    @Override
    void releaseParents() {
        held.letGo();
    }

    @Override
    NestedStage table() {
        return stage;
    }

    @Override
    boolean forPasid() {
        return pasid;
    }

    @Override
    PagingHwptObject paging() {
        return parent;
    }

    @Override
    Hwpt asHwpt() {
        return this;
    }

    @Override
    public PagingHwpt parent() {
        return parent;
    }

    @Override
    public InvalidationResult invalidate(InvalidationEntries entries) {
        checkAlive();
        check(entries);
        return stage.invalidate(entries);
    }

    /** Bounds of one call, for vIOMMUs too. */
    static void check(InvalidationEntries entries) {
        boolean fits = entries.count() == 0 || entries.entryBytes() > 0 && entries.entryBytes() <= MAX_ENTRY_BYTES
                && entries.count() > 0 && entries.count() <= MAX_ENTRIES
                && (long) entries.entryBytes() * entries.count() <= entries.lengthBytes();
        if (!fits) {
            throw new IommufdException(Errno.EINVAL, "an array of %d invalidation requests of %d bytes in %d bytes"
                    .formatted(entries.count(), entries.entryBytes(), entries.lengthBytes()));
        }
    }
}
