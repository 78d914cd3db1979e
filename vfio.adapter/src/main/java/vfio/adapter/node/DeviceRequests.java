package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.Pasid;
import java.lang.foreign.MemorySegment;
import vfio.adapter.device.BarAccess;
import vfio.adapter.device.Binding;
import vfio.adapter.device.DeviceSession;
import vfio.adapter.device.Doorbells;
import vfio.adapter.interrupt.Eventfd;
import vfio.adapter.memory.BarMemory;
import vfio.adapter.uapi.VfioDeviceAttachIommufdPt;
import vfio.adapter.uapi.VfioDeviceDetachIommufdPt;
import vfio.adapter.uapi.VfioDeviceFeature;
import vfio.adapter.uapi.VfioDeviceInfo;
import vfio.adapter.uapi.VfioDeviceIoeventfd;
import vfio.adapter.uapi.VfioIrqInfo;
import vfio.adapter.uapi.VfioIrqSet;
import vfio.adapter.uapi.VfioPciHotReset;
import vfio.adapter.uapi.VfioPciHotResetInfo;
import vfio.adapter.uapi.VfioRegionInfo;
import vfio.device.Bar;
import vfio.device.MsixCapability;

/** The requests of a device that is open, with the errno of Linux 7.3's vfio-pci. */
final class DeviceRequests {
    /** {@code _IO(';', 111)}. */
    static final int VFIO_DEVICE_RESET = 0x3B6F;

    private DeviceRequests() {}

    /**
     * A request.
     *
     * @param ownNode whether the file is of the device's own node: only those attach
     * @throws IommufdException {@link Errno#ENOTTY} for an unknown one
     */
    static long run(DeviceCall call, int request, boolean ownNode) {
        switch (request) {
            case VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_IOMMUFD_PT -> attach(call, ownNode);
            case VfioDeviceDetachIommufdPt.VFIO_DEVICE_DETACH_IOMMUFD_PT -> detach(call, ownNode);
            case VfioDeviceInfo.VFIO_DEVICE_GET_INFO -> deviceInfo(call);
            case VfioRegionInfo.VFIO_DEVICE_GET_REGION_INFO -> RegionInfo.answer(call);
            case VfioIrqInfo.VFIO_DEVICE_GET_IRQ_INFO -> InterruptRequests.info(call);
            case VfioIrqSet.VFIO_DEVICE_SET_IRQS -> InterruptRequests.set(call);
            case VFIO_DEVICE_RESET -> call.session().reset();
            case VfioPciHotResetInfo.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO -> HotReset.info(call, ownNode);
            case VfioPciHotReset.VFIO_DEVICE_PCI_HOT_RESET -> HotReset.reset(call, ownNode);
            case VfioDeviceIoeventfd.VFIO_DEVICE_IOEVENTFD -> ioeventfd(call);
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE -> FeatureRequests.run(call);
            default -> throw new IommufdException(Errno.ENOTTY, "a VFIO device knows no request 0x%x".formatted(request));
        }
        return 0;
    }

    private static void requireOwnNode(boolean ownNode) {
        if (!ownNode) {
            throw new IommufdException(Errno.ENOTTY, "a device that was opened through its group is attached by the group");
        }
    }

    private static void attach(DeviceCall call, boolean ownNode) {
        requireOwnNode(ownNode);
        MemorySegment struct = call.read(VfioDeviceAttachIommufdPt.SIZE_BYTES, VfioDeviceAttachIommufdPt.MIN_BYTES);
        Binding binding = call.session().binding();
        boolean pasid = withPasid(call, struct, VfioDeviceAttachIommufdPt.flags(struct), VfioDeviceAttachIommufdPt.PASID_OFFSET);
        int targetId = VfioDeviceAttachIommufdPt.ptId(struct);
        locked(call.session(), () -> {
            int id = pasid ? binding.attach(pasid(VfioDeviceAttachIommufdPt.pasid(struct)), targetId) : binding.attach(targetId);
            try {
                VfioDeviceAttachIommufdPt.ptId(struct, id);
                call.memory().write(call.address() + VfioDeviceAttachIommufdPt.PT_ID_OFFSET, struct.asSlice(VfioDeviceAttachIommufdPt.PT_ID_OFFSET, Integer.BYTES));
            } catch (IommufdException unwritable) {
                binding.detach();
                throw unwritable;
            }
        });
    }

    private static void detach(DeviceCall call, boolean ownNode) {
        requireOwnNode(ownNode);
        MemorySegment struct = call.read(VfioDeviceDetachIommufdPt.SIZE_BYTES, VfioDeviceDetachIommufdPt.MIN_BYTES);
        Binding binding = call.session().binding();
        boolean pasid = withPasid(call, struct, VfioDeviceDetachIommufdPt.flags(struct), VfioDeviceDetachIommufdPt.PASID_OFFSET);
        locked(call.session(), () -> {
            if (pasid) {
                binding.detach(pasid(VfioDeviceDetachIommufdPt.pasid(struct)));
            } else {
                binding.detach();
            }
        });
    }

    /** Reads the PASID if there is one. Attach and detach have the same flag. */
    private static boolean withPasid(DeviceCall call, MemorySegment struct, int flags, int pasidOffset) {
        if ((flags & ~VfioDeviceAttachIommufdPt.VFIO_DEVICE_ATTACH_PASID) != 0) {
            throw new IommufdException(Errno.EINVAL, "flags 0x%x are not known".formatted(flags));
        }
        if (flags == 0) {
            return false;
        }
        if (!call.session().binding().takesPasids()) {
            throw new IommufdException(Errno.EOPNOTSUPP, "a device without endpoint has no PASIDs");
        }
        if (DeviceCall.userBytes(struct) < pasidOffset + Integer.BYTES) {
            throw new IommufdException(Errno.EINVAL, "a PASID, but the struct ends before it");
        }
        call.memory().read(call.address() + pasidOffset, struct.asSlice(pasidOffset, Integer.BYTES));
        return true;
    }

    private static Pasid pasid(int value) {
        if (value < 0) {
            throw new IommufdException(Errno.ENOSPC, "no PASID is 0x%x".formatted(value));
        }
        return new Pasid(value);
    }

    /** With the lock that orders attachments. */
    static void locked(DeviceSession session, Runnable change) {
        session.device().resets().lock().lock();
        try {
            change.run();
        } finally {
            session.device().resets().lock().unlock();
        }
    }

    private static void deviceInfo(DeviceCall call) {
        MemorySegment struct = call.read(VfioDeviceInfo.SIZE_BYTES, VfioDeviceInfo.MIN_BYTES);
        VfioDeviceInfo.flags(struct, VfioDeviceInfo.VFIO_DEVICE_FLAGS_RESET | VfioDeviceInfo.VFIO_DEVICE_FLAGS_PCI);
        VfioDeviceInfo.numRegions(struct, VfioRegionInfo.VFIO_PCI_NUM_REGIONS);
        VfioDeviceInfo.numIrqs(struct, VfioIrqInfo.VFIO_PCI_NUM_IRQS);
        call.respond(struct, Math.min(DeviceCall.userBytes(struct), VfioDeviceInfo.SIZE_BYTES));
    }

    private static void ioeventfd(DeviceCall call) {
        MemorySegment struct = call.read(VfioDeviceIoeventfd.SIZE_BYTES, VfioDeviceIoeventfd.MIN_BYTES);
        int flags = VfioDeviceIoeventfd.flags(struct);
        int descriptor = VfioDeviceIoeventfd.fd(struct);
        boolean oneWidth = Integer.bitCount(flags) == 1 && (flags & ~VfioDeviceIoeventfd.VFIO_DEVICE_IOEVENTFD_SIZE_MASK) == 0;
        if (!oneWidth || descriptor < Eventfd.NO_DESCRIPTOR) {
            throw new IommufdException(Errno.EINVAL, "width 0x%x, descriptor %d".formatted(flags, descriptor));
        }
        long position = VfioDeviceIoeventfd.offset(struct);
        long index = position >>> BarMemory.REGION_SHIFT;
        long offset = position & (1L << BarMemory.REGION_SHIFT) - 1;
        DeviceSession session = call.session();
        Bar bar = session.device().function().bar((int) Math.min(index, Bar.COUNT))
                .orElseThrow(() -> new IommufdException(Errno.EINVAL, "registers of BARs only, not of region " + index));
        boolean inTable = session.device().msix().filter(msix -> touches(msix, bar, offset, flags)).isPresent();
        if (offset + flags > bar.sizeBytes() || inTable) {
            throw new IommufdException(Errno.EINVAL, "0x%x + %d is outside of BAR %d, or in its MSI-X table".formatted(offset, flags, bar.index()));
        }
        Doorbells.Write write = new Doorbells.Write(bar.index(), offset, flags, VfioDeviceIoeventfd.data(struct) & -1L >>> Long.SIZE - flags * Byte.SIZE);
        if (descriptor == Eventfd.NO_DESCRIPTOR) {
            session.doorbells().remove(write);
        } else {
            session.doorbells().requireFree(write);
            session.doorbells().add(write, Eventfd.take(call.caller(), descriptor));
        }
    }

    private static boolean touches(MsixCapability msix, Bar bar, long offset, int width) {
        return msix.tableBar() == bar.index() && offset < msix.tableOffset() + (long) msix.tableBytes() && offset + width > msix.tableOffset();
    }
}
