package vdpa.adapter.device;

import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.Pasid;
import iommufd.api.uapi.IommufdFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vdpa.adapter.memory.NotificationPages;
import vdpa.adapter.uapi.VirtioStatus;
import vdpa.device.QueueState;
import vdpa.device.RunningVdpa;
import vdpa.device.VdpaFunction;
import vdpa.device.VdpaHost;
import vdpa.device.VirtioFeature;

/**
 * An open device: what Linux's vhost and the parent driver remember of it. {@link #lock()} guards all but the status and eventfds, and
 * is held whenever the model is called, but for kicks. What the model calls takes no lock that is held while the model is waited for.
 */
public final class VdpaSession implements VdpaHost, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(VdpaSession.class);

    private final AdaptedVdpa device;
    private final VdpaFunction function;
    private final ContextOwner owner;
    private final ReentrantLock lock = new ReentrantLock();
    private final AtomicInteger status = new AtomicInteger();
    private final Queue[] queues;
    private final int[] asidOfGroup;
    /** Guarded by its own monitor: models open ports on their threads. */
    private final List<DmaPort> ports = new ArrayList<>();
    /** What the model may reach of notification pages. */
    private final Arena shared = Arena.ofShared();
    private final RunningVdpa running;
    private volatile Eventfd configCall = Eventfd.NONE;
    private Optional<AddressSpaces> spaces;
    private Optional<ClientBinding> binding = Optional.empty();
    private final Standstill standstill;
    private long features;
    private boolean ended;

    /** Starts the device. @throws IommufdException what binding, attaching or the model says; nothing is left then */
    VdpaSession(AdaptedVdpa device, ContextOwner owner) {
        this.device = device;
        this.function = device.function();
        this.owner = owner;
        queues = new Queue[function.queues()];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new Queue(function.maxQueueSize());
        }
        asidOfGroup = new int[function.groups()];
        device.pages().ifPresent(NotificationPages::clear);
        spaces = Optional.of(ownSpaces());
        try {
            running = device.model().start(this);
            standstill = new Standstill(running);
        } catch (RuntimeException | Error refused) {
            closePorts();
            spaces.get().close();
            throw refused;
        }
    }

    private AddressSpaces ownSpaces() {
        return new AddressSpaces(device.engine(), owner, device.endpoint(), function.addressSpaces(), function.iovas());
    }

    /** Guards all that requests do. */
    public ReentrantLock lock() {
        return lock;
    }

    /** What it is. */
    public VdpaFunction function() {
        return function;
    }

    /** @throws IommufdException {@link Errno#ENODEV} once the device is gone */
    public void requireThere() {
        assert lock.isHeldByCurrentThread();
        if (ended) {
            throw new IommufdException(Errno.ENODEV, device.name() + " is gone");
        }
    }

    /** The model. */
    public RunningVdpa running() {
        assert lock.isHeldByCurrentThread();
        return running;
    }

    // What the device asks.

    @Override
    public DmaPort openPort(int group) {
        int asid;
        synchronized (ports) {
            if (group < 0 || group >= asidOfGroup.length) {
                throw new IommufdException(Errno.EINVAL, "%s has no group %d".formatted(device.name(), group));
            }
            asid = asidOfGroup[group];
            DmaPort port = asid == 0 ? device.endpoint().openPort() : device.endpoint().openPort(new Pasid(asid));
            ports.add(port);
            return port;
        }
    }

    private void closePorts() {
        synchronized (ports) {
            ports.forEach(DmaPort::close);
            ports.clear();
        }
    }

    @Override
    public void call(int queue) {
        queues[queue].call.signal();
    }

    @Override
    public void configChanged() {
        configCall.signal();
    }

    @Override
    public void needsReset(int queue, String reason) {
        LOG.info("{} needs a reset: {}", device.name(), reason);
        status.getAndUpdate(now -> now | VirtioStatus.NEEDS_RESET);
        queues[queue].error.signal();
        configCall.signal();
    }

    @Override
    public MemorySegment notificationPage(int queue) {
        if (queue < 0 || queue >= queues.length) {
            throw new IommufdException(Errno.EINVAL, "%s has no queue %d".formatted(device.name(), queue));
        }
        return device.pages().orElseThrow(() -> new IommufdException(Errno.EINVAL, device.name() + " has no notification pages")).of(queue, shared);
    }

    private void closeShared() {
        try {
            shared.close();
        } catch (IllegalStateException inUse) {
            LOG.warn("{}: a thread of the device still uses a notification page", device.name(), inUse);
        }
    }

    // Features and status.

    /** Virtio status. */
    public int status() {
        return status.get();
    }

    private boolean driverReady() {
        return (status.get() & VirtioStatus.DRIVER_OK) != 0;
    }

    /** Whether queues are packed. */
    public boolean packed() {
        return (features & VirtioFeature.RING_PACKED) != 0;
    }

    /** The driver chooses. @throws IommufdException {@link Errno#EINVAL} if the device cannot do with these */
    public void negotiate(long chosen) {
        assert lock.isHeldByCurrentThread();
        if ((chosen & VirtioFeature.ACCESS_PLATFORM) == 0) {
            throw new IommufdException(Errno.EINVAL, device.name() + " cannot do without VIRTIO_F_ACCESS_PLATFORM: its memory is what the client maps");
        }
        long known = chosen & function.features();
        running.negotiated(known);
        features = known;
    }

    /** Sets the status; 0 resets. @throws IommufdException {@link Errno#EINVAL} if a bit would be taken away */
    public void setStatus(int next) {
        assert lock.isHeldByCurrentThread();
        int before = status.get();
        if (next == 0) {
            reset();
            return;
        }
        if ((before & ~next) != 0) {
            throw new IommufdException(Errno.EINVAL, "status 0x%x cannot become 0x%x: bits go away by a reset only".formatted(before, next));
        }
        status.getAndUpdate(now -> now | next);
        if ((next & ~before & VirtioStatus.DRIVER_OK) != 0) {
            start();
        }
    }

    private void start() {
        guarded(0, running::driverReady);
        for (int i = 0; i < queues.length; i++) {
            if (queues[i].enabled) {
                goLive(i);
            }
        }
    }

    /** A device whose model fails is one that needs a reset. */
    private void guarded(int queue, Runnable call) {
        try {
            call.run();
        } catch (RuntimeException failed) {
            LOG.warn("{}: the device model failed", device.name(), failed);
            needsReset(queue, "its model failed: " + failed);
        }
    }

    /** Back to the beginning; mappings and eventfds stay. */
    public void reset() {
        assert lock.isHeldByCurrentThread();
        for (Queue queue : queues) {
            queue.reset(function.maxQueueSize());
        }
        running.reset();
        closePorts();
        synchronized (ports) {
            Arrays.fill(asidOfGroup, 0);
        }
        features = 0;
        standstill.reset();
        status.set(0);
    }

    // Queues.

    /** @throws IommufdException {@link Errno#ENOBUFS} if there is no such queue */
    public void requireQueue(int queue) {
        if (Integer.compareUnsigned(queue, queues.length) >= 0) {
            throw new IommufdException(Errno.ENOBUFS, "%s has %d queues, none is number %s".formatted(device.name(), queues.length, Integer.toUnsignedString(queue)));
        }
    }

    private QueueState beginning() {
        return packed() ? QueueState.PACKED_START : QueueState.SPLIT_START;
    }

    private void goLive(int index) {
        Queue queue = queues[index];
        guarded(index, () -> {
            running.queueReady(index, queue.setup(beginning()));
            queue.live = true;
        });
    }

    private void stop(int index) {
        Queue queue = queues[index];
        if (queue.live) {
            queue.live = false;
            queue.state = Optional.of(running.queueStopped(index));
        }
    }

    /** Enables a queue, or disables it; twice is no error. */
    public void enable(int index, boolean enabled) {
        assert lock.isHeldByCurrentThread();
        Queue queue = queues[index];
        boolean changes = queue.enabled != enabled;
        queue.enabled = enabled;
        if (!changes || !driverReady()) {
            return;
        }
        if (enabled) {
            goLive(index);
        } else {
            stop(index);
        }
    }

    /** @throws IommufdException {@link Errno#EINVAL} while the driver is ready and the device not suspended */
    public void requireQuiet() {
        if (driverReady() && !standstill.suspended()) {
            throw new IommufdException(Errno.EINVAL, device.name() + " is running: a queue moves only before DRIVER_OK or while suspended");
        }
    }

    /** Changes what is known of a queue. One that is in use is shown to the device anew if that is suspended. */
    private void change(int index, Consumer<Queue> change) {
        assert lock.isHeldByCurrentThread();
        boolean again = standstill.suspended() && queues[index].live;
        if (again) {
            stop(index);
        }
        change.accept(queues[index]);
        if (again) {
            goLive(index);
        }
    }

    /** Size of a queue, as the client set it. */
    public int size(int index) {
        return queues[index].size;
    }

    /** Sets the size of a queue, for the next time it is enabled. */
    public void resize(int index, int entries) {
        change(index, queue -> queue.size = entries);
    }

    /** Sets where a queue is. */
    public void place(int index, long descriptorIova, long driverIova, long deviceIova) {
        change(index, queue -> {
            queue.descriptorIova = descriptorIova;
            queue.driverIova = driverIova;
            queue.deviceIova = deviceIova;
        });
    }

    /** Where the device would go on. */
    public QueueState state(int index) {
        assert lock.isHeldByCurrentThread();
        return queues[index].live ? running.queueState(index) : queues[index].state.orElseGet(this::beginning);
    }

    /** Sets where the device goes on. */
    public void state(int index, QueueState next) {
        change(index, queue -> queue.state = Optional.of(next));
    }

    /** A number that nothing is done with. */
    public int busyLoopMicros(int index) {
        return queues[index].busyLoopMicros;
    }

    /** Remembers a number that nothing is done with. */
    public void busyLoopMicros(int index, int micros) {
        queues[index].busyLoopMicros = micros;
    }

    /** Takes over an eventfd that kicks a queue. */
    public void kickBy(int index, Eventfd eventfd) {
        assert lock.isHeldByCurrentThread();
        Queue queue = queues[index];
        queue.kick(eventfd, () -> {
            if (queue.live) {
                running.kick(index);
            }
        });
    }

    /** Takes over an eventfd that calls a queue's driver. It may have been called by the former one, which nobody looks at any more. */
    public void callBy(int index, Eventfd eventfd) {
        assert lock.isHeldByCurrentThread();
        queues[index].call(eventfd);
        if (queues[index].live) {
            eventfd.signal();
        }
    }

    /** Takes over an eventfd that tells of a queue's errors. */
    public void errorBy(int index, Eventfd eventfd) {
        queues[index].error(eventfd);
    }

    /** Takes over an eventfd that tells of configuration changes. */
    public void configCallBy(Eventfd eventfd) {
        Eventfd former = configCall;
        configCall = eventfd;
        former.close();
    }

    // Suspending.

    /** Suspends; nothing to do before {@code DRIVER_OK}. @throws IommufdException {@link Errno#EOPNOTSUPP}, or the model's */
    public void suspend() {
        if (driverReady()) {
            requireSuspends();
            standstill.suspend();
        }
    }

    /** Resumes. @throws IommufdException as {@link #suspend} */
    public void resume() {
        if (driverReady()) {
            requireSuspends();
            standstill.resume();
        }
    }

    /** A batch of messages takes mappings away: a device that can stand still does, until {@link #release}, or it would miss them. */
    public void hold() {
        assert lock.isHeldByCurrentThread();
        if (driverReady() && function.suspends()) {
            standstill.hold();
        }
    }

    /** The batch has ended. */
    public void release() {
        assert lock.isHeldByCurrentThread();
        standstill.release();
    }

    private void requireSuspends() {
        if (!function.suspends()) {
            throw new IommufdException(Errno.EOPNOTSUPP, device.name() + " cannot be suspended");
        }
    }

    // Memory.

    /** Moves a group to an address space. @throws IommufdException {@link Errno#EINVAL}; {@link Errno#EBUSY} once the driver is ready */
    public void moveGroup(int group, int asid) {
        assert lock.isHeldByCurrentThread();
        if (Integer.compareUnsigned(group, function.groups()) >= 0 || Integer.compareUnsigned(asid, function.addressSpaces()) >= 0) {
            throw new IommufdException(Errno.EINVAL, "%s has %d groups and %d address spaces".formatted(device.name(), function.groups(), function.addressSpaces()));
        }
        if (driverReady()) {
            throw new IommufdException(Errno.EBUSY, "groups of %s move before DRIVER_OK".formatted(device.name()));
        }
        synchronized (ports) {
            asidOfGroup[group] = asid;
        }
    }

    /** What messages fill. @throws IommufdException {@link Errno#EBUSY} if the device belongs to the client's iommufd */
    public AddressSpaces spaces() {
        assert lock.isHeldByCurrentThread();
        return spaces.orElseThrow(() -> new IommufdException(Errno.EBUSY, device.name() + " is bound to an iommufd: memory is mapped there"));
    }

    /** IOVAs that can be mapped. */
    public IovaRange iovas() {
        assert lock.isHeldByCurrentThread();
        return spaces.map(AddressSpaces::range).orElse(function.iovas());
    }

    /**
     * Gives the device to the client's own iommufd.
     *
     * @return its number there
     * @throws IommufdException {@link Errno#EINVAL} if it is bound to one; {@link Errno#EBUSY} if anything is mapped by messages, or the
     *         driver is ready; what binding says
     */
    public int bind(IommufdFile file) {
        assert lock.isHeldByCurrentThread();
        if (binding.isPresent()) {
            throw new IommufdException(Errno.EINVAL, device.name() + " is bound to an iommufd already");
        }
        if (driverReady() || spaces().filled()) {
            throw new IommufdException(Errno.EBUSY, "%s is in use: bind it before mapping by messages and before DRIVER_OK".formatted(device.name()));
        }
        spaces().close();
        spaces = Optional.empty();
        try {
            binding = Optional.of(new ClientBinding(file, device.endpoint()));
            return binding.get().id();
        } catch (RuntimeException | Error refused) {
            spaces = Optional.of(ownSpaces());
            throw refused;
        }
    }

    /** Undoes {@link #bind}, when the client could not be told of it. */
    public void unbind() {
        assert lock.isHeldByCurrentThread();
        binding.ifPresent(ClientBinding::close);
        binding = Optional.empty();
        spaces = Optional.of(ownSpaces());
    }

    private ClientBinding bound() {
        return binding.orElseThrow(() -> new IommufdException(Errno.EINVAL, device.name() + " is not bound to an iommufd"));
    }

    private int requireAsid(int asid) {
        if (Integer.compareUnsigned(asid, function.addressSpaces()) >= 0) {
            throw new IommufdException(Errno.EINVAL, "%s has %d address spaces".formatted(device.name(), function.addressSpaces()));
        }
        return asid;
    }

    /** Attaches an address space to an object of the client's iommufd. @return the HWPT in force */
    public int attach(int asid, int targetId) {
        assert lock.isHeldByCurrentThread();
        return bound().attach(requireAsid(asid), targetId);
    }

    /** Detaches an address space. */
    public void detach(int asid) {
        assert lock.isHeldByCurrentThread();
        bound().detach(requireAsid(asid));
    }

    /** The client is gone, or the device. Never fails; twice is no error. */
    @Override
    public void close() {
        lock.lock();
        try {
            if (ended) {
                return;
            }
            ended = true;
            for (Queue queue : queues) {
                queue.live = false;
            }
            try {
                running.close();
            } catch (RuntimeException | Error failed) {
                LOG.warn("{}: closing the device failed", device.name(), failed);
            }
            for (Queue queue : queues) {
                queue.close();
            }
            configCallBy(Eventfd.NONE);
            closePorts();
            binding.ifPresent(ClientBinding::close);
            spaces.ifPresent(AddressSpaces::close);
            closeShared();
        } finally {
            lock.unlock();
        }
    }
}
