package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import iommufd.api.node.OpenNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import vfio.adapter.device.AdaptedDevice;
import vfio.adapter.device.Binding;
import vfio.adapter.device.DeviceSession;
import vfio.adapter.device.ResetSet;
import vfio.adapter.uapi.VfioPciDependentDevice;
import vfio.adapter.uapi.VfioPciHotReset;
import vfio.adapter.uapi.VfioPciHotResetInfo;
import vfio.device.VfioGroup;
import vfio.device.VfioGroupFile;

/** {@code VFIO_DEVICE_GET_PCI_HOT_RESET_INFO} and {@code VFIO_DEVICE_PCI_HOT_RESET}: the devices of a bus are reset together. */
final class HotReset {
    private static final int HEADER_BYTES = VfioPciHotResetInfo.SIZE_BYTES;

    private HotReset() {}

    private static ResetSet resets(DeviceCall call) {
        ResetSet resets = call.session().device().resets();
        if (!resets.isResettable()) {
            throw new IommufdException(Errno.ENODEV, call.session().device().name() + " is on a root bus, which cannot be reset");
        }
        return resets;
    }

    static void info(DeviceCall call, boolean ownNode) {
        MemorySegment header = call.read(HEADER_BYTES, VfioPciHotResetInfo.MIN_BYTES);
        long userBytes = DeviceCall.userBytes(header);
        ResetSet resets = resets(call);
        resets.lock().lock();
        List<AdaptedDevice> devices;
        try {
            devices = resets.devices();
        } finally {
            resets.lock().unlock();
        }
        VfioPciHotResetInfo.flags(header, 0);
        VfioPciHotResetInfo.count(header, devices.size());
        boolean fits = devices.size() <= (userBytes - HEADER_BYTES) / VfioPciDependentDevice.SIZE_BYTES;
        if (fits) {
            MemorySegment list = MemorySegment.ofArray(new long[devices.size()]);
            boolean owned = true;
            for (int i = 0; i < devices.size(); i++) {
                MemorySegment entry = list.asSlice((long) i * VfioPciDependentDevice.SIZE_BYTES, VfioPciDependentDevice.SIZE_BYTES);
                describe(devices.get(i), entry);
                int id = ownNode ? id(devices.get(i), call.session().binding().context()) : devices.get(i).group().number();
                VfioPciDependentDevice.devid(entry, id);
                owned &= id != VfioPciDependentDevice.VFIO_PCI_DEVID_NOT_OWNED;
            }
            call.memory().write(call.address() + HEADER_BYTES, list);
            if (ownNode) {
                VfioPciHotResetInfo.flags(header, VfioPciHotResetInfo.VFIO_PCI_HOT_RESET_FLAG_DEV_ID
                        | (owned ? VfioPciHotResetInfo.VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED : 0));
            }
        }
        call.respond(header, HEADER_BYTES);
        if (!fits) {
            throw new IommufdException(Errno.ENOSPC, "there are %d devices".formatted(devices.size()));
        }
    }

    private static void describe(AdaptedDevice device, MemorySegment entry) {
        RequesterId address = device.function().address();
        VfioPciDependentDevice.segment(entry, (short) address.segment());
        VfioPciDependentDevice.bus(entry, (byte) address.bus());
        VfioPciDependentDevice.devfn(entry, (byte) address.deviceFunction());
    }

    /** A device's number in a context; 0 if only others of its group are the context's. */
    private static int id(AdaptedDevice device, IommufdContext context) {
        Optional<Binding> binding = device.binding();
        if (binding.isPresent() && binding.get().context() == context) {
            return binding.get().id();
        }
        return device.group().isOwnedBy(context) ? VfioPciDependentDevice.VFIO_PCI_DEVID_OWNED : VfioPciDependentDevice.VFIO_PCI_DEVID_NOT_OWNED;
    }

    static void reset(DeviceCall call, boolean ownNode) {
        MemorySegment header = call.read(VfioPciHotReset.SIZE_BYTES, VfioPciHotReset.MIN_BYTES);
        long count = Integer.toUnsignedLong(VfioPciHotReset.count(header));
        if (VfioPciHotReset.flags(header) != 0 || count != 0 == ownNode) {
            throw new IommufdException(Errno.EINVAL, "descriptors of groups are for devices that were opened through groups, and only for those");
        }
        ResetSet resets = resets(call);
        Predicate<AdaptedDevice> owned;
        if (ownNode) {
            IommufdContext context = call.session().binding().context();
            owned = device -> id(device, context) != VfioPciDependentDevice.VFIO_PCI_DEVID_NOT_OWNED;
        } else {
            Set<VfioGroup> groups = groups(call, resets, (int) Math.min(count, Integer.MAX_VALUE));
            owned = device -> groups.contains(device.group());
        }
        resets.lock().lock();
        try {
            List<AdaptedDevice> devices = resets.devices();
            if (!devices.stream().allMatch(owned)) {
                throw new IommufdException(Errno.EINVAL, "not all devices of the bus are the caller's");
            }
            resetAll(devices);
        } finally {
            resets.lock().unlock();
        }
    }

    private static Set<VfioGroup> groups(DeviceCall call, ResetSet resets, int count) {
        resets.lock().lock();
        int most;
        try {
            most = resets.devices().size();
        } finally {
            resets.lock().unlock();
        }
        if (count > most) {
            throw new IommufdException(Errno.EINVAL, "%d groups, but the bus has %d devices".formatted(count, most));
        }
        MemorySegment descriptors = MemorySegment.ofArray(new byte[count * Integer.BYTES]);
        call.memory().read(call.address() + VfioPciHotReset.SIZE_BYTES, descriptors);
        Set<VfioGroup> groups = new HashSet<>();
        for (int i = 0; i < count; i++) {
            Optional<OpenNode> node = call.caller().files().node(descriptors.get(ValueLayout.JAVA_INT_UNALIGNED, (long) i * Integer.BYTES));
            if (node.isEmpty() || !(node.get() instanceof VfioGroupFile file)) {
                throw new IommufdException(Errno.EINVAL, "a descriptor is of no open group");
            }
            groups.add(file.claim().group());
        }
        return groups;
    }

    private static void resetAll(List<AdaptedDevice> devices) {
        List<DeviceSession> held = new ArrayList<>();
        try {
            for (AdaptedDevice device : devices) {
                Optional<DeviceSession> session = device.session();
                if (session.isPresent()) {
                    if (!session.get().memoryLock().writeLock().tryLock()) {
                        throw new IommufdException(Errno.EBUSY, device.name() + " is being accessed");
                    }
                    held.add(session.get());
                }
            }
            held.forEach(DeviceSession::resetLocked);
        } finally {
            held.forEach(session -> session.memoryLock().writeLock().unlock());
        }
    }
}
