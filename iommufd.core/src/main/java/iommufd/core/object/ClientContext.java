package iommufd.core.object;

import iommufd.api.BoundDevice;
import iommufd.api.ContextOwner;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.EventQueue;
import iommufd.api.FaultQueue;
import iommufd.api.Hwpt;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.IommufdObject;
import iommufd.api.IovaRange;
import iommufd.api.NestedTable;
import iommufd.api.PagingHwpt;
import iommufd.api.PinAccounting;
import iommufd.api.Viommu;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.memory.UserMemory;
import iommufd.api.uapi.IommufdFile.ExtensionObject;
import iommufd.core.space.IovaSpace;
import iommufd.core.space.PinCharge;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongSupplier;
import java.util.function.Predicate;

/**
 * A context as clients of the binary uAPI know it: what Linux's ioctls can do and the typed API has no word for, because there
 * it would be a trap. Everything else goes through {@link #context()}. Thread-safe.
 */
public final class ClientContext {
    private final Context context;

    /** @param context whose objects clients name by number */
    public ClientContext(Context context) {
        this.context = context;
    }

    /** The context as VMMs see it. */
    public IommufdContext context() {
        return context;
    }

    /**
     * {@code IOMMU_DESTROY}: what a driver made only the driver can destroy.
     *
     * @throws IommufdException {@link Errno#ENOENT}; {@link Errno#EBUSY} for a device or an access, or what is in use
     */
    public void destroy(int id) {
        context.run(() -> {
            ContextObject object = context.find(id);
            if (object instanceof DeviceObject || object instanceof AccessObject) {
                throw new IommufdException(Errno.EBUSY, object + " is in use by its driver");
            }
            object.destroy();
        });
    }

    /** A file stands for the object: it cannot be destroyed until {@link #letGo}. */
    public void hold(FaultQueue queue) {
        context.run(() -> own(queue).holdByFile());
    }

    /** Undoes {@link #hold(FaultQueue)}. */
    public void letGo(FaultQueue queue) {
        context.run(() -> own(queue).letGoByFile());
    }

    /** A file stands for the object: it cannot be destroyed until {@link #letGo}. */
    public void hold(EventQueue queue) {
        context.run(() -> own(queue).holdByFile());
    }

    /** Undoes {@link #hold(EventQueue)}. */
    public void letGo(EventQueue queue) {
        context.run(() -> own(queue).letGoByFile());
    }

    private ContextObject own(IommufdObject object) {
        if (!(object instanceof ContextObject known)) {
            throw new IommufdException(Errno.ENOENT, object + " belongs to another service");
        }
        context.checkOwn(known);
        return known;
    }

    private IoasObject own(Ioas ioas) {
        return context.own(ioas);
    }

    private static HwptObject own(Hwpt hwpt) {
        if (!(hwpt instanceof HwptObject known)) {
            throw new IommufdException(Errno.ENOENT, hwpt + " belongs to another service");
        }
        return known;
    }

    private ViommuObject own(Viommu viommu) {
        if (!(viommu instanceof ViommuObject known)) {
            throw new IommufdException(Errno.ENOENT, viommu + " belongs to another service");
        }
        context.checkOwn(known);
        return known;
    }

    /** Who pays for what {@code payer} maps here, up to a limit that is asked for whenever something is pinned. */
    public PinCharge chargeFor(ContextOwner payer, LongSupplier limitBytes) {
        return context.chargeFor(payer, limitBytes);
    }

    /**
     * Maps memory and charges whoever asks, not the context's owner.
     *
     * @param automatic whether the IOVA is chosen
     * @return where
     */
    public long map(Ioas ioas, boolean automatic, long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access,
            PinCharge payer) {
        return own(ioas).map(automatic, iova, memory, address, lengthBytes, access, payer);
    }

    /** Unmaps mapping by mapping: those before the first that cannot go are gone even if it fails. */
    public long unmap(Ioas ioas, long iova, long lengthBytes) {
        return own(ioas).space().unmapInOrder(iova, lengthBytes);
    }

    /** Unmaps whole mappings of {@code [iova, lastIova]} until one cannot go; nothing mapped is no error. */
    public IovaSpace.Unmapped unmapUntilStuck(Ioas ioas, long iova, long lastIova) {
        return own(ioas).space().unmapUntilStuck(iova, lastIova);
    }

    /** Cuts a mapping in two so that the first ends at {@code lastIova}. @throws IommufdException as {@link IovaSpace#cutAfter} */
    public void cutAfter(Ioas ioas, long lastIova) {
        own(ioas).space().cutAfter(lastIova);
    }

    /** Whether a range is mapped throughout. @throws IommufdException as {@link Ioas#copy} if not */
    public void checkMapped(Ioas ioas, long iova, long lengthBytes) {
        own(ioas).space().checkMapped(iova, lengthBytes);
    }

    /** Where the unbroken row of mappings from {@code iova} on ends, at most {@code last}; if there is one. */
    public OptionalLong lastContiguous(Ioas ioas, long iova, long last) {
        return own(ioas).space().lastContiguous(iova, last);
    }

    /**
     * Changes who is charged, for a client that may.
     *
     * @param accounting empty if the client named none there is: {@link Errno#EINVAL}, unless objects exist
     * @throws IommufdException {@link Errno#EBUSY} once an object exists
     */
    public void setPinAccounting(Optional<PinAccounting> accounting) {
        context.run(() -> {
            context.checkNoObjects();
            context.account(accounting.orElseThrow(() -> new IommufdException(Errno.EINVAL, "there are two ways of accounting, 0 and 1")));
        });
    }

    /** As {@link Viommu#allocateEventQueue}, but a type the hardware does not know gives a queue that stays empty. */
    public EventQueue allocateEventQueue(Viommu viommu, int type, int depth) {
        return own(viommu).openEventQueue(type, depth, false);
    }

    /**
     * Takes the oldest event if it fits.
     *
     * @throws IommufdException {@link Errno#EINVAL} if there is one that does not
     */
    public Optional<EventQueue.Event> read(EventQueue queue, Predicate<EventQueue.Event> fits) {
        EventQueueObject.Taken taken = ((EventQueueObject) own(queue)).readIf(fits);
        if (taken.present() && taken.event().isEmpty()) {
            throw new IommufdException(Errno.EINVAL, "the oldest event of %s is longer than what may be read".formatted(queue));
        }
        return taken.event();
    }

    /** As {@link IommufdContext#allocateHwpt}. @param data in the vendor's format, if it shapes the table */
    public PagingHwpt allocateHwpt(BoundDevice device, Ioas ioas, HwptOptions options, Optional<NestedTable> data) {
        return context.allocateHwpt(device, ioas, options, data);
    }

    /** Excludes a range from mapping for as long as the address space lives. */
    public void reserve(Ioas ioas, IovaRange range) {
        IoasObject known = own(ioas);
        known.space().reserve(known, List.of(range));
    }

    /** What the hardware made for a table. */
    public HardwareDomain hardwareDomain(Hwpt hwpt) {
        return context.control(() -> {
            context.checkOwn(own(hwpt));
            return own(hwpt).table().bare();
        });
    }

    /** What the hardware made for a vIOMMU. */
    public HardwareViommu hardwareViommu(Viommu viommu) {
        return context.control(() -> own(viommu).guest().bare());
    }

    /** Whether the hardware in front of a device may have vIOMMUs of that type. */
    public boolean offersViommu(BoundDevice device, int type) {
        return context.control(() -> context.own(device).fabricEndpoint().seat().offersViommu(type));
    }

    /** What the hardware tells of a vIOMMU; maybe nothing. */
    public byte[] reply(Viommu viommu) {
        return context.control(() -> own(viommu).guest().reply());
    }

    /** Gives an extension's object a number. */
    public int add(ExtensionObject object) {
        return context.control(() -> context.publish(new ExtensionSlot(context, object)).id());
    }

    /** An extension's object. */
    public Optional<ExtensionObject> extensionObject(int id) {
        return context.control(() -> context.peek(id).filter(ExtensionSlot.class::isInstance).map(slot -> ((ExtensionSlot) slot).object()));
    }

    /** Frees an extension's number. No such number is no error. */
    public void remove(int id) {
        context.run(() -> context.peek(id).filter(ExtensionSlot.class::isInstance).ifPresent(context::withdraw));
    }
}
