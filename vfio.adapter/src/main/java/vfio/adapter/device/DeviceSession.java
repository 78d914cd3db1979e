package vfio.adapter.device;

import iommufd.api.Access;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.Pasid;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vfio.adapter.config.BarAddresses;
import vfio.adapter.config.ConfigEffects;
import vfio.adapter.config.ConfigSpace;
import vfio.adapter.dma.DmaGate;
import vfio.adapter.dma.GatedPort;
import vfio.adapter.interrupt.PciInterrupts;
import vfio.adapter.migration.MigrationState;
import vfio.device.DeviceHost;
import vfio.device.PciFunction;
import vfio.device.RunningDevice;

/** A device in the hands of a client, from its first open file to the last. Thread-safe. */
public final class DeviceSession implements DeviceHost, ConfigEffects {
    private static final Logger LOG = LoggerFactory.getLogger(DeviceSession.class);

    private final AdaptedDevice device;
    private final Binding binding;
    private final ConfigSpace config;
    private final DmaGate gate;
    private final PciInterrupts interrupts;
    private final List<DmaPort> ports = new CopyOnWriteArrayList<>();
    /** Shared by accesses to registers, exclusive for resets. */
    private final ReentrantReadWriteLock memoryLock = new ReentrantReadWriteLock();
    /** Shared by calls of the client, exclusive for the end. */
    private final ReentrantReadWriteLock lifecycle = new ReentrantReadWriteLock();
    /** Ends views of shared memory with the session: a poller that lives on gets an exception, not somebody else's memory. */
    private final Arena arena = Arena.ofShared();
    private final Map<Integer, MemorySegment> shared = new ConcurrentHashMap<>();
    private final LowPower power = new LowPower();
    private final Doorbells doorbells = new Doorbells(this);
    private final MigrationState migration;
    private final RunningDevice running;
    /** Guarded by {@link #lifecycle}. */
    private boolean ended;

    /** Starts the device. @throws IommufdException what the model throws; everything is undone then */
    DeviceSession(AdaptedDevice device, Binding binding) {
        this.device = device;
        this.binding = binding;
        PciFunction function = device.function();
        config = new ConfigSpace(function, new BarAddresses(device.number()), this);
        gate = new DmaGate(function.address());
        interrupts = new PciInterrupts(function, config, gate::isOpen);
        device.memory().clear();
        try {
            running = device.model().start(this);
        } catch (RuntimeException | Error failed) {
            ports.forEach(DmaPort::close);
            arena.close();
            throw failed;
        }
        binding.running(Optional.of(running));
        migration = new MigrationState(running.migration());
    }

    /** The device. */
    public AdaptedDevice device() {
        return device;
    }

    /** Whose it is. */
    public Binding binding() {
        return binding;
    }

    /** Its configuration space. */
    public ConfigSpace config() {
        return config;
    }

    /** Where its DMA passes, and is recorded. */
    public DmaGate gate() {
        return gate;
    }

    /** Eventfds that write registers. */
    public Doorbells doorbells() {
        return doorbells;
    }

    /** Whether it sleeps. */
    public LowPower power() {
        return power;
    }

    /** How its state moves. */
    public MigrationState migration() {
        return migration;
    }

    /** The model. */
    public RunningDevice running() {
        return running;
    }

    /** Shared by accesses to registers, exclusive for resets. */
    public ReentrantReadWriteLock memoryLock() {
        return memoryLock;
    }

    /** Begins a call of the client; {@link #leave()} must follow. @throws IommufdException {@link Errno#ENODEV} if the device is gone */
    public void enter() {
        lifecycle.readLock().lock();
        if (ended) {
            lifecycle.readLock().unlock();
            throw new IommufdException(Errno.ENODEV, device.name() + " is gone");
        }
    }

    /** Ends a call of the client. */
    public void leave() {
        lifecycle.readLock().unlock();
    }

    // What the model has.

    @Override
    public DmaPort openPort() {
        return gated(binding.openPort());
    }

    @Override
    public DmaPort openPort(Pasid pasid) {
        return gated(binding.openPort(pasid));
    }

    private DmaPort gated(DmaPort port) {
        GatedPort gated = new GatedPort(port, gate);
        ports.add(gated);
        return gated;
    }

    @Override
    public PciInterrupts interrupts() {
        return interrupts;
    }

    @Override
    public MemorySegment sharedMemory(int bar) {
        return shared.computeIfAbsent(bar, index -> device.memory().of(index, arena));
    }

    @Override
    public Optional<Access> access() {
        return binding.access();
    }

    @Override
    public boolean busMaster() {
        return gate.isOpen();
    }

    // What follows from writes to the configuration space.

    @Override
    public void lineDisabled(boolean disabled) {
        interrupts.lineDisabled(disabled);
    }

    @Override
    public void mastershipChanged() {
        synchronized (gate) {
            boolean now = config.mayMaster();
            if (now != gate.isOpen()) {
                gate.open(now);
                running.busMasterChanged(now);
            }
        }
    }

    @Override
    public void functionLevelReset() {
        reset();
    }

    /** Resets the device; the configuration space stays as it is but for the power state. */
    public void reset() {
        // Whoever holds the lock may wait for a page that the client, who resets, is to bring.
        try (var pause = binding.pausePageRequests()) {
            memoryLock.writeLock().lock();
            try {
                resetLocked();
            } finally {
                memoryLock.writeLock().unlock();
            }
        }
    }

    /** As {@link #reset()} for who holds the memory lock exclusively. */
    public void resetLocked() {
        assert memoryLock.isWriteLockedByCurrentThread();
        power.exit();
        config.wake();
        mastershipChanged();
        interrupts.line(false);
        try (var pause = binding.pausePageRequests()) {
            running.reset();
        }
        migration.reset();
    }

    /** Tells the client that the device is wanted back. */
    public void request() {
        interrupts.requestTrigger().signal();
    }

    /** The client has let go of the device, or must: waits for its calls and stops the device. Never fails. */
    void end() {
        interrupts.close(); // first: a signal that waits for the client does so no longer
        lifecycle.writeLock().lock();
        try {
            if (ended) {
                return;
            }
            ended = true;
        } finally {
            lifecycle.writeLock().unlock();
        }
        interrupts.close(); // again: until now the client could set it up anew
        doorbells.close();
        power.exit();
        gate.open(false);
        memoryLock.writeLock().lock();
        try {
            migration.close();
            running.close();
        } catch (RuntimeException | Error failed) {
            LOG.warn("{}: closing the device failed", device.name(), failed);
        } finally {
            memoryLock.writeLock().unlock();
        }
        binding.running(Optional.empty());
        ports.forEach(DmaPort::close);
        try {
            arena.close();
        } catch (IllegalStateException inUse) {
            LOG.warn("{}: a thread of the device still uses shared memory", device.name(), inUse);
        }
        device.memory().clear();
    }
}
