package vfio.adapter.device;

import iommufd.api.IommufdException;
import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.RequesterId;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vfio.device.PciFunction;
import vfio.device.VfioDevice;

/** All devices. Its monitor guards which there are; it is held while none is published or withdrawn. */
public final class DeviceRegistry implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DeviceRegistry.class);
    private static final long NANOS_PER_MILLI = 1_000_000;
    private static final long STEP_NANOS = 10 * NANOS_PER_MILLI;
    private static final long REMIND_NANOS = 1_000_000_000;

    private final DmaFabric fabric;
    private volatile long patienceNanos;
    private final Publication publication;
    private final Map<VfioDevice, AdaptedDevice> devices = new HashMap<>();
    private final Map<Integer, DeviceGroup> groups = new HashMap<>();
    private final Map<Integer, ResetSet> buses = new HashMap<>();
    private final BitSet numbers = new BitSet();
    private final Object removal = new Object();

    /** Who makes devices known. */
    public interface Publication {
        /** A device is there. */
        void published(AdaptedDevice device);

        /** A device goes: on return nobody has its node open. */
        void withdrawn(AdaptedDevice device);

        /** A group has its first device. */
        void published(DeviceGroup group);

        /** A group has lost its last device. */
        void withdrawn(DeviceGroup group);
    }

    /** @param patienceMillis how long a client has to let go of a device that goes */
    public DeviceRegistry(DmaFabric fabric, long patienceMillis, Publication publication) {
        this.fabric = fabric;
        this.publication = publication;
        patience(patienceMillis);
    }

    /** Changes how long a client has to let go of a device that goes. */
    public void patience(long millis) {
        patienceNanos = millis * NANOS_PER_MILLI;
    }

    /** A model comes. One that cannot be plugged in is left out, and logged. */
    public void add(VfioDevice model) {
        AdaptedDevice device;
        Optional<DeviceGroup> firstOf;
        synchronized (this) {
            PciFunction function = model.function();
            DeviceGroup group = groups.getOrDefault(function.group(), new DeviceGroup(function.group()));
            int number = numbers.nextClearBit(0);
            try {
                device = new AdaptedDevice(model, function, number, resetSet(function.address()), group, fabric);
            } catch (IommufdException refused) {
                LOG.error("{} cannot be plugged in: {}", function.address(), refused.getMessage());
                return;
            }
            try {
                group.add(device);
            } catch (IommufdException refused) {
                device.close();
                LOG.error("{} cannot join group {}, which is in use: {}", device.name(), group.number(), refused.getMessage());
                return;
            }
            firstOf = groups.putIfAbsent(function.group(), group) == null ? Optional.of(group) : Optional.empty();
            numbers.set(number);
            devices.put(model, device);
            device.resets().add(device);
        }
        firstOf.ifPresent(publication::published);
        publication.published(device);
    }

    private ResetSet resetSet(RequesterId address) {
        if (address.bus() == 0) {
            return new ResetSet(false);
        }
        return buses.computeIfAbsent(address.value() >>> 8, bus -> new ResetSet(true));
    }

    /** A model goes. Its client is asked to let go of it, and after a while made to. Gone already is no error. */
    public void remove(VfioDevice model) {
        synchronized (removal) { // SCR's unbind and the end of the component may come at once
            removeOnce(model);
        }
    }

    private void removeOnce(VfioDevice model) {
        AdaptedDevice device;
        synchronized (this) {
            device = devices.get(model);
        }
        if (device == null) {
            return;
        }
        device.withdraw();
        awaitRelease(device);
        publication.withdrawn(device);
        session(device).ifPresent(DeviceSession::end); // without the lock, which a call that it waits for may want
        device.resets().lock().lock();
        try {
            device.unbind();
        } finally {
            device.resets().lock().unlock();
        }
        Optional<DeviceGroup> emptied;
        synchronized (this) {
            devices.remove(model);
            device.resets().remove(device);
            numbers.clear(device.number());
            boolean last = device.group().remove(device);
            emptied = last ? Optional.of(groups.remove(device.group().number())) : Optional.empty();
        }
        emptied.ifPresent(publication::withdrawn);
        device.close();
    }

    private void awaitRelease(AdaptedDevice device) {
        long startNanos = System.nanoTime();
        long remindedNanos = startNanos - REMIND_NANOS;
        Optional<DeviceSession> session = session(device);
        while (session.isPresent()) {
            long nowNanos = System.nanoTime();
            if (nowNanos - startNanos >= patienceNanos) {
                LOG.warn("{} goes, but its client has not let go of it in {} ms", device.name(), patienceNanos / NANOS_PER_MILLI);
                return;
            }
            if (nowNanos - remindedNanos >= REMIND_NANOS) {
                remindedNanos = nowNanos;
                session.get().request();
            }
            LockSupport.parkNanos(STEP_NANOS);
            session = session(device);
        }
    }

    private static Optional<DeviceSession> session(AdaptedDevice device) {
        device.resets().lock().lock();
        try {
            return device.session();
        } finally {
            device.resets().lock().unlock();
        }
    }

    /** What there is. */
    public synchronized List<AdaptedDevice> devices() {
        return new ArrayList<>(devices.values());
    }

    /** All models go. */
    @Override
    public void close() {
        List<VfioDevice> left;
        synchronized (this) {
            left = List.copyOf(devices.keySet());
        }
        left.forEach(this::remove);
    }
}
