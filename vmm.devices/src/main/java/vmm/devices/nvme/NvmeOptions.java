package vmm.devices.nvme;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.List;

/**
 * What can be chosen about a controller.
 *
 * @param serial serial number, up to 20 ASCII characters; namespaces derive their names from it
 * @param queuePairs most I/O queues of each kind, 1 to 255
 * @param namespaces in the order of their NSIDs, the first is 1; up to 256
 */
public record NvmeOptions(String serial, int queuePairs, List<NamespaceOptions> namespaces) {
    private static final int MAX_SERIAL = 20;
    private static final int MAX_NAMESPACES = 256;
    /** As many as vectors fit into a page of MSI-X table, less the admin queue. */
    private static final int MAX_QUEUE_PAIRS = 255;

    /** @throws IommufdException {@link Errno#EINVAL} if anything is out of range */
    public NvmeOptions {
        namespaces = List.copyOf(namespaces);
        if (serial.length() > MAX_SERIAL || !serial.chars().allMatch(c -> c >= ' ' && c <= '~')) {
            throw new IommufdException(Errno.EINVAL, "serial number \"%s\" is not up to %d ASCII characters".formatted(serial, MAX_SERIAL));
        }
        if (queuePairs < 1 || queuePairs > MAX_QUEUE_PAIRS) {
            throw new IommufdException(Errno.EINVAL, "%d queue pairs, but there can be 1 to %d".formatted(queuePairs, MAX_QUEUE_PAIRS));
        }
        if (namespaces.size() > MAX_NAMESPACES) {
            throw new IommufdException(Errno.EINVAL, "%d namespaces, but there can be %d".formatted(namespaces.size(), MAX_NAMESPACES));
        }
    }
}
