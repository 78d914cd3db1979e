package vfio.adapter.device;

import iommufd.api.Errno;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import vfio.device.VfioGroup;

/**
 * Devices that go to one user together. Either a group file has them, or their own nodes do, never both. Its monitor guards which,
 * and comes before any reset set's lock.
 */
public final class DeviceGroup implements VfioGroup {
    private final int number;
    /** Changed under the monitor, read without. */
    private final List<AdaptedDevice> devices = new CopyOnWriteArrayList<>();
    private Optional<GroupClaim> claim = Optional.empty();
    private int boundByNodes;

    DeviceGroup(int number) {
        this.number = number;
    }

    @Override
    public int number() {
        return number;
    }

    @Override
    public List<String> devices() {
        return devices.stream().map(AdaptedDevice::name).toList();
    }

    List<AdaptedDevice> members() {
        return List.copyOf(devices);
    }

    /** A device comes; if the group is attached, so will it be. @throws IommufdException if that fails; it is no member then */
    synchronized void add(AdaptedDevice device) {
        if (claim.isPresent()) {
            claim.get().joined(device);
        }
        devices.add(device);
    }

    /** @return whether none is left */
    synchronized boolean remove(AdaptedDevice device) {
        devices.remove(device);
        return devices.isEmpty();
    }

    /** A device is about to be bound through its own node. @throws IommufdException {@link Errno#EBUSY} if a group file has the group */
    public synchronized void boundByNode() {
        if (claim.isPresent()) {
            throw new IommufdException(Errno.EBUSY, "group %d is open; its devices can only be had through it".formatted(number));
        }
        boundByNodes++;
    }

    /** Undoes {@link #boundByNode}. */
    public synchronized void unboundByNode() {
        boundByNodes--;
    }

    @Override
    public synchronized Claim claim() {
        if (devices.isEmpty()) {
            throw new IommufdException(Errno.ENODEV, "group %d has no devices any more".formatted(number));
        }
        if (claim.isPresent() || boundByNodes > 0) {
            throw new IommufdException(Errno.EBUSY, "group %d is in use".formatted(number));
        }
        GroupClaim taken = new GroupClaim(this);
        claim = Optional.of(taken);
        return taken;
    }

    /** The claim has ended. */
    void released() {
        assert Thread.holdsLock(this);
        claim = Optional.empty();
    }

    /** Whether any of its devices belongs to a context. */
    public boolean isOwnedBy(IommufdContext context) {
        return devices.stream().anyMatch(device -> device.binding().filter(binding -> binding.context() == context).isPresent());
    }
}
