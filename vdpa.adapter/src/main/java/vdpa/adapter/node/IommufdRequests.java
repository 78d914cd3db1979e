package vdpa.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.uapi.IommufdFile;
import iommufd.api.uapi.VfioStruct;
import java.lang.foreign.MemorySegment;
import vdpa.adapter.uapi.VdpaIommufd;

/** Requests that give the device to the client's own iommufd. */
final class IommufdRequests {
    private IommufdRequests() {}

    /** @return false if the request is none of these */
    static boolean run(VhostCall call, int request) {
        switch (request) {
            case VdpaIommufd.VHOST_VDPA_BIND_IOMMUFD -> bind(call);
            case VdpaIommufd.VHOST_VDPA_ATTACH_IOMMUFD_PT -> attach(call);
            case VdpaIommufd.VHOST_VDPA_DETACH_IOMMUFD_PT -> call.session().detach(asid(read(call)));
            default -> {
                return false;
            }
        }
        return true;
    }

    private static MemorySegment read(VhostCall call) {
        MemorySegment struct = VfioStruct.read(call.caller().memory(), call.address(), VdpaIommufd.SIZE_BYTES);
        VfioStruct.requireKnown(VdpaIommufd.flags(struct), VdpaIommufd.WITH_PASID);
        return struct;
    }

    /** Address space n is PASID n, and the first one is without. */
    private static int asid(MemorySegment struct) {
        if (VdpaIommufd.flags(struct) == 0) {
            return 0;
        }
        if (VdpaIommufd.pasid(struct) == 0) {
            throw new IommufdException(Errno.EINVAL, "the first address space has no PASID");
        }
        return VdpaIommufd.pasid(struct);
    }

    private static void bind(VhostCall call) {
        MemorySegment struct = read(call);
        int descriptor = VdpaIommufd.value(struct);
        if (VdpaIommufd.flags(struct) != 0 || descriptor < 0) {
            throw new IommufdException(Errno.EINVAL, "flags 0x%x, descriptor %d".formatted(VdpaIommufd.flags(struct), descriptor));
        }
        IommufdFile file = call.caller().files().node(descriptor).filter(IommufdFile.class::isInstance).map(IommufdFile.class::cast)
                .orElseThrow(() -> new IommufdException(Errno.EBADFD, "descriptor " + descriptor + " is no open /dev/iommu"));
        int id = call.session().bind(file);
        try {
            answer(call, id);
        } catch (IommufdException unwritable) {
            call.session().unbind();
            throw unwritable;
        }
    }

    private static void attach(VhostCall call) {
        MemorySegment struct = read(call);
        int asid = asid(struct);
        int id = call.session().attach(asid, VdpaIommufd.value(struct));
        try {
            answer(call, id);
        } catch (IommufdException unwritable) {
            call.session().detach(asid);
            throw unwritable;
        }
    }

    private static void answer(VhostCall call, int id) {
        call.caller().memory().write(call.address() + VdpaIommufd.VALUE_OFFSET, MemorySegment.ofArray(new int[] {id}));
    }
}
