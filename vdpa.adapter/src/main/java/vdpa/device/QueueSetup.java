package vdpa.device;

/**
 * What a driver told of a queue. Addresses are IOVAs of the {@linkplain VdpaFunction#descriptorGroup descriptor group's} address space,
 * as the driver gave them: nothing but alignment (driver area 2, device area 4 bytes) was looked at.
 *
 * @param size entries, a power of two, 1 to {@link VdpaFunction#maxQueueSize()}
 * @param descriptorIova descriptor table; of a packed queue its ring
 * @param driverIova available ring; of a packed queue the driver's event suppression structure
 * @param deviceIova used ring; of a packed queue the device's event suppression structure
 * @param state where to go on
 */
public record QueueSetup(int size, long descriptorIova, long driverIova, long deviceIova, QueueState state) {}
