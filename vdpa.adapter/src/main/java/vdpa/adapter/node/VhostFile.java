package vdpa.adapter.node;

import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.node.OpenNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.OptionalInt;
import vdpa.adapter.device.AdaptedVdpa;
import vdpa.adapter.device.VdpaSession;
import vdpa.adapter.memory.NotificationPages;
import vdpa.adapter.uapi.BackendFeature;
import vdpa.adapter.uapi.VhostIotlbMsg;
import vdpa.adapter.uapi.VhostRequest;

/** An open {@code /dev/vhost-vdpa-N}. There is one at a time of a device; its session's lock orders all calls. */
public final class VhostFile implements OpenNode {
    private static final int FORK_KTHREAD = 0;
    private static final int FORK_TASK = 1;
    private static final int MOST_REGIONS = 64;
    private static final int MEMORY_HEADER_BYTES = 8;
    private static final int REGION_BYTES = 32;

    private final AdaptedVdpa device;
    private final VdpaSession session;
    private final IotlbWrites writes = new IotlbWrites();
    private Optional<Owner> owner = Optional.empty();
    private int forkOwner = FORK_TASK;
    private volatile long backendFeatures;

    /** Who may set up queues and memory, and pays for it. A process is told by its memory. */
    private record Owner(UserMemory memory, ContextOwner payer) {}

    /** Opens the device. @throws IommufdException {@link Errno#EBUSY} if somebody has it; what starting it says */
    public VhostFile(AdaptedVdpa device, Caller caller) {
        this.device = device;
        session = device.open(caller.owner());
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) {
        VhostCall call = new VhostCall(session, caller, argument);
        session.lock().lock();
        try {
            session.requireThere();
            run(call, request);
            return 0;
        } finally {
            session.lock().unlock();
        }
    }

    private void run(VhostCall call, int request) {
        if (request == VhostRequest.VHOST_SET_BACKEND_FEATURES) {
            long wanted = call.readLong();
            DeviceRequests.checkBackendFeatures(session.function(), wanted);
            backendFeatures = wanted;
            return;
        }
        if (DeviceRequests.run(call, request)) {
            return;
        }
        switch (request) {
            case VhostRequest.VHOST_SET_OWNER -> own(call.caller());
            case VhostRequest.VHOST_SET_FORK_FROM_OWNER -> fork(call);
            case VhostRequest.VHOST_GET_FORK_FROM_OWNER -> call.writeByte(forkOwner);
            default -> {
                requireOwner(call.caller());
                if (request == VhostRequest.VHOST_SET_MEM_TABLE) {
                    checkMemoryTable(call);
                } else if (!IommufdRequests.run(call, request)) {
                    QueueRequests.run(call, request);
                }
            }
        }
    }

    private void own(Caller caller) {
        if (owner.isPresent()) {
            throw new IommufdException(Errno.EBUSY, device.name() + " has an owner");
        }
        owner = Optional.of(new Owner(caller.memory().mappable(), caller.owner()));
    }

    private Owner requireOwner(Caller caller) {
        return owner.filter(process -> process.memory == caller.memory().mappable())
                .orElseThrow(() -> new IommufdException(Errno.EPERM, "only the process that made VHOST_SET_OWNER of %s may do this".formatted(device.name())));
    }

    private void fork(VhostCall call) {
        if (owner.isPresent()) {
            throw new IommufdException(Errno.EBUSY, device.name() + " has an owner");
        }
        int mode = call.read(1).get(ValueLayout.JAVA_BYTE, 0);
        if (mode != FORK_KTHREAD && mode != FORK_TASK) {
            throw new IommufdException(Errno.EINVAL, "threads are kernel threads or tasks, not " + mode);
        }
        forkOwner = mode;
    }

    /** A table of memory is of no use to vDPA, but must be one. */
    private static void checkMemoryTable(VhostCall call) {
        MemorySegment header = call.read(MEMORY_HEADER_BYTES);
        int regions = header.get(ValueLayout.JAVA_INT_UNALIGNED, 0);
        if (header.get(ValueLayout.JAVA_INT_UNALIGNED, Integer.BYTES) != 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "the padding of a memory table is not zero");
        }
        if (Integer.compareUnsigned(regions, MOST_REGIONS) > 0) {
            throw new IommufdException(Errno.E2BIG, "%s regions, at most %d".formatted(Integer.toUnsignedString(regions), MOST_REGIONS));
        }
        MemorySegment table = MemorySegment.ofArray(new byte[regions * REGION_BYTES]);
        call.caller().memory().read(call.address() + MEMORY_HEADER_BYTES, table);
        for (long at = 0; at < table.byteSize(); at += REGION_BYTES) {
            long start = table.get(ValueLayout.JAVA_LONG_UNALIGNED, at);
            long last = start + table.get(ValueLayout.JAVA_LONG_UNALIGNED, at + Long.BYTES) - 1;
            if (Long.compareUnsigned(last, start) < 0) {
                throw new IommufdException(Errno.EFAULT, "region 0x%x is empty or wraps around".formatted(start));
            }
        }
    }

    @Override
    public int write(Caller caller, MemorySegment source, long offset) {
        IotlbWrites.check(source);
        session.lock().lock();
        try {
            session.requireThere();
            Owner process = requireOwner(caller);
            boolean named = VhostIotlbMsg.version(source) == VhostIotlbMsg.VHOST_IOTLB_MSG_V2 && (backendFeatures & BackendFeature.IOTLB_ASID) != 0;
            writes.apply(session, named ? VhostIotlbMsg.asid(source) : 0, source, process.memory, process.payer);
        } catch (IommufdException refused) {
            if (refused.errno() == Errno.ENODEV) {
                throw refused;
            }
            throw new IommufdException(Errno.EFAULT, "the message was not carried out: " + refused.getMessage(), refused);
        } finally {
            session.lock().unlock();
        }
        return (int) Math.min(source.byteSize(), VhostIotlbMsg.SIZE_BYTES);
    }

    /** As a Linux character device without an opinion: this device has nothing to say. */
    @Override
    public int poll() {
        return READABLE | WRITABLE;
    }

    @Override
    public OptionalInt mappableFile() {
        return device.pages().map(NotificationPages::file).orElseGet(OptionalInt::empty);
    }

    @Override
    public void close() {
        device.closed(session);
    }
}
