package iommufd.core.object;

import iommufd.api.Attachable;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.hardware.ReservedRegion;
import iommufd.core.fabric.FabricEndpoint;
import iommufd.core.fabric.Seat;
import iommufd.core.fabric.SpaceTable;
import iommufd.core.space.IovaSpace;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * Endpoints that cannot be isolated from each other, in one context: per PASID they are all attached to one HWPT. Guarded by
 * the context's lock.
 */
final class DeviceGroup {
    private final Context context;
    private final int number;
    /** By PASID, {@link Pasid#NONE} included. */
    private final Map<Integer, Attachment> attachments = new TreeMap<>();

    /** Which of the group's bound devices have asked for the HWPT; it is in force for all of the group. */
    private static final class Attachment {
        HwptObject hwpt;
        final Set<DeviceObject> devices = new LinkedHashSet<>();
    }

    DeviceGroup(Context context, int number) {
        this.context = context;
        this.number = number;
    }

    int number() {
        return number;
    }

    Optional<HwptObject> attached(DeviceObject device, int pasid) {
        return Optional.ofNullable(attachments.get(pasid)).filter(a -> a.devices.contains(device)).map(a -> a.hwpt);
    }

    HwptObject attach(DeviceObject device, int pasid, Attachable target) {
        context.assertLocked();
        if (attached(device, pasid).isPresent()) {
            throw new IommufdException(Errno.EBUSY, "%s is attached already; replace or detach first".formatted(device));
        }
        return find(device, target, hwpt -> attachTo(device, pasid, hwpt));
    }

    HwptObject replace(DeviceObject device, int pasid, Attachable target) {
        context.assertLocked();
        if (attached(device, pasid).isEmpty()) {
            throw new IommufdException(Errno.EINVAL, "%s is not attached, there is nothing to replace".formatted(device));
        }
        return find(device, target, hwpt -> replaceBy(device, pasid, hwpt));
    }

    /** The target itself; for an IOAS the first of its automatic HWPTs that suits, else a new one. */
    private HwptObject find(DeviceObject device, Attachable target, Consumer<HwptObject> use) {
        return switch (target) {
            case HwptObject hwpt -> {
                context.checkOwn(hwpt);
                use.accept(hwpt);
                yield hwpt;
            }
            case IoasObject ioas -> {
                context.checkOwn(ioas);
                yield automatic(device, ioas, use);
            }
            default -> throw new IommufdException(Errno.EINVAL, "nothing can be attached to " + target);
        };
    }

    private HwptObject automatic(DeviceObject device, IoasObject ioas, Consumer<HwptObject> use) {
        boolean forPasids = ioas.forPasids();
        for (PagingHwptObject hwpt : List.copyOf(ioas.automaticHwpts())) {
            if (hwpt.forPasid() != forPasids) {
                continue;
            }
            try {
                use.accept(hwpt);
                return hwpt;
            } catch (IommufdException refused) {
                if (refused.errno() != Errno.EINVAL) {
                    throw refused;
                }
            }
        }
        SpaceTable table = SpaceTable.create(context.rack(), ioas.space(), new PagingOptions(false, false, forPasids), Optional.empty(), device.fabricEndpoint(),
                Optional.of(ioas.faultReceiver(Optional.empty())));
        PagingHwptObject made = new PagingHwptObject(ioas, table, true, Optional.empty());
        context.publish(made);
        try {
            use.accept(made);
            return made;
        } catch (RuntimeException | Error refused) {
            made.end();
            throw refused;
        }
    }

    private void attachTo(DeviceObject device, int pasid, HwptObject hwpt) {
        Attachment present = attachments.get(pasid);
        if (present != null && present.hwpt != hwpt) {
            throw new IommufdException(Errno.EINVAL, "group %d of %s is attached to %s".formatted(number, device, present.hwpt));
        }
        if (pasid == Pasid.NONE) {
            checkMsi(device);
            reserve(device, hwpt);
        }
        try {
            if (present == null) {
                checkPasidRules(pasid, hwpt);
                moveMembers(pasid, Optional.empty(), hwpt);
            } else if (device.fabricEndpoint().table(pasid).isEmpty()) {   // plugged after the group was attached
                device.fabricEndpoint().attach(pasid, hwpt.table());
            }
        } catch (RuntimeException | Error refused) {
            if (pasid == Pasid.NONE) {
                unreserve(device.fabricEndpoint(), hwpt);
            }
            throw refused;
        }
        Attachment attachment = attachments.computeIfAbsent(pasid, unused -> new Attachment());
        attachment.hwpt = hwpt;
        attachment.devices.add(device);
        hwpt.hold();
    }

    private void replaceBy(DeviceObject device, int pasid, HwptObject hwpt) {
        Attachment present = attachments.get(pasid);
        HwptObject old = present.hwpt;
        if (old == hwpt) {
            return;
        }
        boolean otherSpace = pasid == Pasid.NONE && space(old) != space(hwpt);
        List<DeviceObject> reserved = new ArrayList<>();
        try {
            if (otherSpace) {
                for (DeviceObject member : present.devices) {
                    reserve(member, hwpt);
                    reserved.add(member);
                }
            }
            checkPasidRules(pasid, hwpt);
            moveMembers(pasid, Optional.of(old), hwpt);
        } catch (RuntimeException | Error refused) {
            reserved.forEach(member -> unreserve(member.fabricEndpoint(), hwpt));
            throw refused;
        }
        if (otherSpace) {
            members(pasid).forEach(member -> unreserve(member, old));
        }
        present.hwpt = hwpt;
        present.devices.forEach(unused -> hwpt.hold());
        present.devices.forEach(unused -> old.letGo());
        endIfAutomatic(old);
    }

    void detach(DeviceObject device, int pasid) {
        context.assertLocked();
        Attachment present = attachments.get(pasid);
        if (present == null || !present.devices.remove(device)) {
            return;
        }
        HwptObject old = present.hwpt;
        if (present.devices.isEmpty()) {
            members(pasid).forEach(member -> member.block(pasid));
            attachments.remove(pasid);
            if (pasid == Pasid.NONE) {
                members(pasid).forEach(member -> unreserve(member, old));
            }
        } else if (pasid == Pasid.NONE) {
            unreserve(device.fabricEndpoint(), old);
        }
        old.letGo();
        endIfAutomatic(old);
    }

    void detachFromAll(DeviceObject device) {
        List.copyOf(attachments.keySet()).reversed().forEach(pasid -> detach(device, pasid));
    }

    private static void endIfAutomatic(HwptObject old) {
        if (old instanceof PagingHwptObject paging && paging.automatic() && paging.unused()) {
            paging.end();
        }
    }

    /** Every plugged endpoint of the group that can send such requests. */
    private List<FabricEndpoint> members(int pasid) {
        return context.rack().fabric().group(number).stream()
                .filter(e -> pasid == Pasid.NONE || pasid >>> e.description().pasidBits() == 0).toList();
    }

    /** All or none; the former HWPT is in force again if one refuses. */
    private void moveMembers(int pasid, Optional<HwptObject> old, HwptObject hwpt) {
        List<FabricEndpoint> moved = new ArrayList<>();
        try {
            for (FabricEndpoint member : members(pasid)) {
                member.attach(pasid, hwpt.table());
                moved.add(member);
            }
        } catch (RuntimeException | Error refused) {
            moved.forEach(member -> old.ifPresentOrElse(former -> member.restore(pasid, former.table()), () -> member.block(pasid)));
            throw refused;
        }
    }

    /** Requests with and without PASID go side by side only through tables made for it. */
    private void checkPasidRules(int pasid, HwptObject hwpt) {
        if (pasid == Pasid.NONE) {
            if (!hwpt.forPasid() && attachments.keySet().stream().anyMatch(other -> other != Pasid.NONE)) {
                throw new IommufdException(Errno.EINVAL, "%s was not made for PASIDs, and PASIDs of group %d are attached".formatted(hwpt, number));
            }
            return;
        }
        if (!hwpt.forPasid()) {
            throw new IommufdException(Errno.EINVAL, hwpt + " was not made for PASIDs; allocate one with HwptOptions.pasid");
        }
        Attachment withoutPasid = attachments.get(Pasid.NONE);
        if (withoutPasid != null && !withoutPasid.hwpt.forPasid()) {
            throw new IommufdException(Errno.EINVAL, "%s, which the group is attached to without PASID, was not made for PASIDs"
                    .formatted(withoutPasid.hwpt));
        }
    }

    /** At most one software window, and none beside a hardware window. */
    private static void checkMsi(DeviceObject device) {
        List<ReservedRegion> regions = device.fabricEndpoint().seat().reservedRegions();
        long software = regions.stream().filter(r -> r.kind() == ReservedRegion.Kind.SOFTWARE_MSI).count();
        long hardware = regions.stream().filter(r -> r.kind() == ReservedRegion.Kind.HARDWARE_MSI).count();
        if (software > 1 || software > 0 && hardware > 0) {
            throw new IommufdException(Errno.EINVAL, "%s has %d software and %d hardware MSI windows; only one kind, and one software window, works"
                    .formatted(device, software, hardware));
        }
    }

    private static IovaSpace space(HwptObject hwpt) {
        return hwpt.paging().table().space();
    }

    private static void reserve(DeviceObject device, HwptObject hwpt) {
        Seat seat = device.fabricEndpoint().seat();
        List<IovaRange> ranges = seat.reservedRegions().stream().map(ReservedRegion::range).toList();
        space(hwpt).reserve(seat, ranges);
    }

    private static void unreserve(FabricEndpoint endpoint, HwptObject hwpt) {
        space(hwpt).unreserve(endpoint.seat());
    }
}
