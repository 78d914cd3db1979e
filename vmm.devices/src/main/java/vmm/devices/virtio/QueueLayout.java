package vmm.devices.virtio;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/**
 * Where a queue lies in IO virtual memory, of what a driver told ({@link vdpa.device.QueueSetup}), and whether it can.
 *
 * @param size number of descriptors, 1 to 32768; of a split queue a power of two
 * @param descriptorIova descriptor table, or descriptor ring
 * @param driverIova available ring, or the driver's event suppression
 * @param deviceIova used ring, or the device's event suppression
 */
public record QueueLayout(int size, long descriptorIova, long driverIova, long deviceIova) {
    /** Most descriptors of a queue (virtio 1.2, §2.7). */
    public static final int MAX_SIZE = 32768;

    /** @throws IommufdException {@link Errno#EINVAL} if no queue of that kind can lie there */
    void check(boolean packed) {
        require(size >= 1 && size <= MAX_SIZE && (packed || (size & size - 1) == 0), "a queue of " + size + " descriptors");
        checkPart("descriptors", descriptorIova, 16, (long) size * Descriptor.BYTES);
        checkPart("driver area", driverIova, packed ? 4 : 2, packed ? 4 : 6 + 2L * size);
        checkPart("device area", deviceIova, 4, packed ? 4 : 6 + 8L * size);
    }

    private static void checkPart(String part, long iova, int alignment, long lengthBytes) {
        require((iova & alignment - 1) == 0, "%s at 0x%x, which is no multiple of %d".formatted(part, iova, alignment));
        require(Long.compareUnsigned(iova + lengthBytes - 1, iova) >= 0, "%s at 0x%x, beyond the last address".formatted(part, iova));
    }

    private static void require(boolean possible, String what) {
        if (!possible) {
            throw new IommufdException(Errno.EINVAL, "virtqueues cannot have " + what);
        }
    }
}
