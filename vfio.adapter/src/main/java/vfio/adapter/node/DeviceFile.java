package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.node.IoctlDecoder;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommufdFile;
import iommufd.api.uapi.UserStruct;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;
import vfio.adapter.device.AdaptedDevice;
import vfio.adapter.device.DeviceSession;
import vfio.adapter.device.GroupClaim;
import vfio.adapter.uapi.VfioDeviceBindIommufd;

/**
 * An open device. A file of the device's own node can do nothing until it binds the device to an iommufd, which one file can do at a
 * time; a file of a group is ready at once, and there may be several.
 */
public final class DeviceFile implements OpenNode {
    private static final int TOKEN_BYTES = 16;
    private static final ValueLayout.OfLong TOKEN_HALF = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private final AdaptedDevice device;
    private final Optional<GroupClaim> claim;
    private volatile Optional<DeviceSession> session;
    /** Keeps the context while the device is bound to it. Guarded by the reset set's lock. */
    private Optional<IommufdFile.Hold> hold = Optional.empty();

    private DeviceFile(AdaptedDevice device, Optional<DeviceSession> session, Optional<GroupClaim> claim) {
        this.device = device;
        this.session = session;
        this.claim = claim;
    }

    /** A file of a device's own node. */
    public static DeviceFile ofNode(AdaptedDevice device) {
        return new DeviceFile(device, Optional.empty(), Optional.empty());
    }

    /** A file of a group. */
    public static DeviceFile ofGroup(AdaptedDevice device, DeviceSession session, GroupClaim claim) {
        return new DeviceFile(device, Optional.of(session), Optional.of(claim));
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) {
        if (request == VfioDeviceBindIommufd.VFIO_DEVICE_BIND_IOMMUFD) {
            bind(caller, argument);
            return 0;
        }
        DeviceSession bound = enter();
        try {
            bound.power().accessed();
            return DeviceRequests.run(new DeviceCall(bound, caller, argument), request, claim.isEmpty());
        } finally {
            bound.leave();
        }
    }

    /** @throws IommufdException {@link Errno#EINVAL} if it is not bound; {@link Errno#ENODEV} if the device is gone */
    private DeviceSession enter() {
        DeviceSession bound = session.orElseThrow(() -> new IommufdException(Errno.EINVAL, device.name() + " is not bound to an iommufd"));
        bound.enter();
        return bound;
    }

    private void bind(Caller caller, long argument) {
        MemorySegment struct = MemorySegment.ofArray(new long[VfioDeviceBindIommufd.SIZE_BYTES / Long.BYTES]);
        UserStruct.read(caller.memory(), argument, struct, VfioDeviceBindIommufd.MIN_BYTES);
        int flags = VfioDeviceBindIommufd.flags(struct);
        int iommufd = VfioDeviceBindIommufd.iommufd(struct);
        if (iommufd < 0 || (flags & ~VfioDeviceBindIommufd.VFIO_DEVICE_BIND_FLAG_TOKEN) != 0 || claim.isPresent()) {
            throw new IommufdException(Errno.EINVAL, "descriptor %d, flags 0x%x; and only a device's own node can be bound".formatted(iommufd, flags));
        }
        device.requireThere();
        device.group().boundByNode();
        try {
            bindBlocking(caller, argument, struct);
        } catch (RuntimeException | Error refused) {
            device.group().unboundByNode();
            throw refused;
        }
    }

    private void bindBlocking(Caller caller, long argument, MemorySegment struct) {
        device.resets().lock().lock();
        try {
            if (session.isPresent()) {
                throw new IommufdException(Errno.EINVAL, device.name() + " is bound by this file already");
            }
            device.checkToken(token(caller, struct));
            IommufdFile file = iommufd(caller, VfioDeviceBindIommufd.iommufd(struct));
            IommufdFile.Hold holding = file.hold();
            try {
                DeviceSession opened = device.openBound(file.context());
                try {
                    VfioDeviceBindIommufd.outDevid(struct, opened.binding().id());
                    caller.memory().write(argument + VfioDeviceBindIommufd.OUT_DEVID_OFFSET,
                            struct.asSlice(VfioDeviceBindIommufd.OUT_DEVID_OFFSET, Integer.BYTES));
                } catch (RuntimeException | Error failed) {
                    device.closeBound();
                    throw failed;
                }
                hold = Optional.of(holding);
                session = Optional.of(opened);
            } catch (RuntimeException | Error failed) {
                holding.close();
                throw failed;
            }
        } finally {
            device.resets().lock().unlock();
        }
    }

    private static Optional<UUID> token(Caller caller, MemorySegment struct) {
        if ((VfioDeviceBindIommufd.flags(struct) & VfioDeviceBindIommufd.VFIO_DEVICE_BIND_FLAG_TOKEN) == 0) {
            return Optional.empty();
        }
        return Optional.of(readToken(caller, VfioDeviceBindIommufd.tokenUuidPtr(struct)));
    }

    static UUID readToken(Caller caller, long address) {
        MemorySegment bytes = MemorySegment.ofArray(new byte[TOKEN_BYTES]);
        caller.memory().read(address, bytes);
        return new UUID(bytes.get(TOKEN_HALF, 0), bytes.get(TOKEN_HALF, Long.BYTES));
    }

    private static IommufdFile iommufd(Caller caller, int descriptor) {
        return caller.files().node(descriptor).filter(IommufdFile.class::isInstance).map(IommufdFile.class::cast)
                .orElseThrow(() -> new IommufdException(Errno.EBADFD, "descriptor " + descriptor + " is no open /dev/iommu"));
    }

    @Override
    public int read(Caller caller, MemorySegment target, long offset) {
        DeviceSession bound = enter();
        try {
            bound.power().accessed();
            return Regions.read(bound, offset, target);
        } finally {
            bound.leave();
        }
    }

    @Override
    public int write(Caller caller, MemorySegment source, long offset) {
        DeviceSession bound = enter();
        try {
            bound.power().accessed();
            return Regions.write(bound, offset, source);
        } finally {
            bound.leave();
        }
    }

    @Override
    public IoctlDecoder decoder() {
        return DeviceDecoder.INSTANCE;
    }

    @Override
    public boolean positioned() {
        return true;
    }

    @Override
    public OptionalInt mappableFile() {
        return device.memory().file();
    }

    @Override
    public void close() {
        if (claim.isPresent()) {
            claim.get().closed(device);
            return;
        }
        if (session.isEmpty()) {
            return;
        }
        device.resets().lock().lock();
        try {
            device.closeBound();
            hold.ifPresent(IommufdFile.Hold::close);
        } finally {
            device.resets().lock().unlock();
        }
        device.group().unboundByNode();
    }
}
