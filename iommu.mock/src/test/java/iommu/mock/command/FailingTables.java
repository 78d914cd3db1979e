package iommu.mock.command;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.TableMemory;

/** Memory for page tables that runs out once, when a test wants it. Not thread-safe. */
final class FailingTables implements TableMemory {
    private final TableMemory tables;
    private int framesLeft = Integer.MAX_VALUE;
    private boolean failed;

    FailingTables(TableMemory tables) {
        this.tables = tables;
    }

    /** The frame after that many cannot be had. */
    void failAfter(int frames) {
        framesLeft = frames;
        failed = false;
    }

    /** Whether it came to it. */
    boolean failed() {
        return failed;
    }

    @Override
    public long allocate(int sizeLg2) {
        if (framesLeft-- == 0) {
            failed = true;
            throw new IommufdException(Errno.ENOMEM, "injected into the memory of page tables");
        }
        return tables.allocate(sizeLg2);
    }

    @Override
    public long baseAddress() {
        return tables.baseAddress();
    }

    @Override
    public long lengthBytes() {
        return tables.lengthBytes();
    }

    @Override
    public void free(long physicalAddress, int sizeLg2) {
        tables.free(physicalAddress, sizeLg2);
    }

    @Override
    public long bytesInUse() {
        return tables.bytesInUse();
    }
}
