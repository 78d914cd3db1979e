package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/** What the engine reports when memory or a page table of a plugin fails: its own errno, or one that fits. */
final class PluginFailure {
    private PluginFailure() { }

    /** @param who the plugin's part and what it was asked */
    static IommufdException of(String who, Throwable failure) {
        if (failure instanceof IommufdException known) {
            return known;
        }
        Errno errno = failure instanceof OutOfMemoryError ? Errno.ENOMEM : Errno.EIO;
        return new IommufdException(errno, who + " failed; the plugin it belongs to must be repaired", failure);
    }
}
