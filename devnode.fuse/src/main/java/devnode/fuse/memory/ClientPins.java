package devnode.fuse.memory;

import iommufd.api.memory.FarMemory;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;

/**
 * What is pinned of other processes, wherever it lies. Thread-safe.
 *
 * @param files what lies in the window
 * @param far what does not
 * @param passed files that were passed, whether pinned or not
 */
public record ClientPins(SharedFiles files, FarChunks far, PassedFiles passed) {
    /** Nothing pinned yet. */
    public ClientPins() {
        this(new SharedFiles(), new FarChunks(), new PassedFiles());
    }

    /** As {@link iommufd.api.memory.UserMemory#unpin}; the end of the window and the first far address may have become one run. */
    void unpin(long physicalAddress, long lengthBytes) {
        long windowBytes = Math.clamp(HostMemory.SIZE_BYTES - physicalAddress, 0, lengthBytes);
        if (windowBytes > 0) {
            files.unpin(physicalAddress, windowBytes);
        }
        if (windowBytes < lengthBytes) {
            assert FarMemory.isFar(physicalAddress + windowBytes);
            far.unpin(physicalAddress + windowBytes, lengthBytes - windowBytes);
        }
    }

    /** Releases what was appended to {@code runs} since they held {@code keptBytes}. */
    void undo(PinnedRuns runs, long keptBytes) {
        if (runs.totalBytes() == keptBytes) {
            return;
        }
        PinnedRuns undone = new PinnedRuns(4);
        undone.addSlice(runs, keptBytes, runs.totalBytes() - keptBytes);
        runs.truncate(keptBytes);
        for (int i = 0; i < undone.count(); i++) {
            unpin(undone.physicalAddress(i), undone.lengthBytes(i));
        }
    }
}
