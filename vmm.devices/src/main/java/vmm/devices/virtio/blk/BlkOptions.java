package vmm.devices.virtio.blk;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.nio.charset.StandardCharsets;
import vmm.devices.nvme.NamespaceOptions;

/**
 * What one chooses of a block device.
 *
 * @param file where the blocks are
 * @param serial what it answers when asked for its id, up to 20 ASCII characters
 * @param queues number of request queues, 1 to 256, each with a thread
 * @param queueSize most entries of a queue, a power of two
 */
public record BlkOptions(NamespaceOptions file, String serial, int queues, int queueSize) {
    private static final int MAX_QUEUES = 256;
    private static final int SMALLEST_QUEUE = 4;

    /** @throws IommufdException {@link Errno#EINVAL} if something is out of range */
    public BlkOptions {
        if (!StandardCharsets.US_ASCII.newEncoder().canEncode(serial) || serial.length() > BlkRequest.ID_BYTES) {
            throw new IommufdException(Errno.EINVAL, "a block device's serial number has up to 20 ASCII characters, which \"" + serial + "\" has not");
        }
        if (queues < 1 || queues > MAX_QUEUES || queueSize < SMALLEST_QUEUE) {
            throw new IommufdException(Errno.EINVAL, "a block device with %d queues of %d".formatted(queues, queueSize));
        }
    }

    /** The features such a device offers, beside those of its rings. */
    long features() {
        return BlkFeature.SEG_MAX | BlkFeature.BLOCK_SIZE | BlkFeature.FLUSH | BlkFeature.TOPOLOGY | (queues > 1 ? BlkFeature.MULTI_QUEUE : 0)
                | (file.readOnly() ? BlkFeature.READ_ONLY : BlkFeature.DISCARD | BlkFeature.WRITE_ZEROES);
    }
}
