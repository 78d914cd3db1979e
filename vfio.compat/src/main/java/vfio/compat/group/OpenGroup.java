package vfio.compat.group;

import static iommufd.api.uapi.VfioGroupStatus.VFIO_GROUP_FLAGS_CONTAINER_SET;
import static iommufd.api.uapi.VfioGroupStatus.VFIO_GROUP_FLAGS_VIABLE;
import static iommufd.api.uapi.VfioGroupStatus.VFIO_GROUP_GET_STATUS;
import static iommufd.api.uapi.VfioRequest.VFIO_GROUP_GET_DEVICE_FD;
import static iommufd.api.uapi.VfioRequest.VFIO_GROUP_SET_CONTAINER;
import static iommufd.api.uapi.VfioRequest.VFIO_GROUP_UNSET_CONTAINER;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.node.ClientMemory;
import iommufd.api.node.IoctlDecoder;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IoctlText;
import iommufd.api.uapi.IommufdFile;
import iommufd.api.uapi.VfioGroupStatus;
import iommufd.api.uapi.VfioStruct;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import vfio.compat.container.Container;
import vfio.device.VfioGroup;
import vfio.device.VfioGroupFile;

/** A group in the hands of a client. Its lock comes before those of containers and claims. Thread-safe. */
final class OpenGroup implements VfioGroupFile {
    /** Longest name of a device that is looked at, with the zero byte. */
    private static final int NAME_BYTES = 4096;

    private final VfioGroup.Claim claim;
    private final ReentrantLock lock = new ReentrantLock();
    /** What translates for the group; guarded by the lock. */
    private Optional<GroupSpace> space = Optional.empty();
    /** Guarded by the lock. */
    private boolean closed;

    OpenGroup(VfioGroup.Claim claim) {
        this.claim = claim;
        claim.onLastDeviceClosed(this::lastDeviceClosed);
    }

    @Override
    public VfioGroup.Claim claim() {
        return claim;
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) {
        return switch (request) {
            case VFIO_GROUP_GET_STATUS -> status(caller.memory(), argument);
            case VFIO_GROUP_SET_CONTAINER -> setContainer(caller, argument);
            case VFIO_GROUP_UNSET_CONTAINER -> unsetContainer();
            case VFIO_GROUP_GET_DEVICE_FD -> openDevice(caller, argument);
            default -> throw new IommufdException(Errno.ENOTTY, "request 0x%x is not known to a group".formatted(request));
        };
    }

    /** Viable: claimed by this file, so nobody else drives its devices. */
    private long status(ClientMemory memory, long argument) {
        MemorySegment struct = VfioStruct.read(memory, argument, VfioGroupStatus.MIN_BYTES);
        lock.lock();
        try {
            checkDevices();
            VfioGroupStatus.flags(struct, VFIO_GROUP_FLAGS_VIABLE | (space.isPresent() ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0));
        } finally {
            lock.unlock();
        }
        memory.write(argument, struct);
        return 0;
    }

    private long setContainer(Caller caller, long argument) {
        MemorySegment number = MemorySegment.ofArray(new byte[Integer.BYTES]);
        caller.memory().read(argument, number);
        Optional<OpenNode> file = caller.files().node(number.get(ValueLayout.JAVA_INT_UNALIGNED, 0));
        lock.lock();
        try {
            if (space.isPresent()) {
                throw new IommufdException(Errno.EINVAL, "the group has a container already");
            }
            checkDevices();
            space = Optional.of(switch (file.orElse(null)) {
                case Container container -> ContainerSpace.enter(container, claim);
                case IommufdFile iommufd -> IommufdSpace.enter(iommufd, claim);
                case null, default -> throw new IommufdException(Errno.EBADFD, "the descriptor is neither a container nor an iommufd");
            });
            return 0;
        } finally {
            lock.unlock();
        }
    }

    private long unsetContainer() {
        lock.lock();
        try {
            GroupSpace present = present();
            present.leave();
            space = Optional.empty();
            return 0;
        } finally {
            lock.unlock();
        }
    }

    private long openDevice(Caller caller, long argument) {
        String name = caller.memory().readString(argument, NAME_BYTES);
        OpenNode device;
        lock.lock();
        try {
            String plain = name.split(" ", 2)[0];   // a VF's token may follow
            if (!claim.group().devices().contains(plain)) {
                throw new IommufdException(Errno.ENODEV, "group %d has no device %s".formatted(claim.group().number(), plain));
            }
            device = present().open(name);
        } finally {
            lock.unlock();
        }
        return caller.files().install(device, true);
    }

    private GroupSpace present() {
        return space.orElseThrow(() -> new IommufdException(Errno.EINVAL, "the group has no container"));
    }

    private void checkDevices() {
        if (claim.group().devices().isEmpty()) {
            throw new IommufdException(Errno.ENODEV, "group %d has no devices any more".formatted(claim.group().number()));
        }
    }

    private void lastDeviceClosed() {
        lock.lock();
        try {
            if (claim.openDevices() == 0) {
                space.ifPresent(GroupSpace::lastDeviceClosed);
                if (closed) {
                    end();
                }
            }
        } finally {
            lock.unlock();
        }
    }

    private void end() {
        space.ifPresent(GroupSpace::end);
        space = Optional.empty();
    }

    @Override
    public IoctlDecoder decoder() {
        return IoctlText.DECODER;
    }

    /** As a character device that knows nothing of poll(2). */
    @Override
    public int poll() {
        return READABLE | WRITABLE;
    }

    /** Devices that are still open keep the claim, and what translates for them. */
    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            if (claim.openDevices() == 0) {
                end();
            }
        } finally {
            lock.unlock();
        }
        claim.close();
    }
}
