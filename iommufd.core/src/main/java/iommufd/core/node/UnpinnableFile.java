package iommufd.core.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;

/** A file that is no memory: it can be mapped until somebody wants its pages. */
final class UnpinnableFile implements UserMemory {
    @Override
    public Kind kind() {
        return Kind.FILE;
    }

    @Override
    public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
        throw new IommufdException(Errno.EINVAL, "the file is no memory: only memfd, tmpfs and hugetlbfs files have pages to pin");
    }

    @Override
    public void unpin(long physicalAddress, long lengthBytes) {
        throw new AssertionError("nothing of this file was pinned");
    }
}
