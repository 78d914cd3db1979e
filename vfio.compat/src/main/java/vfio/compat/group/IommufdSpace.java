package vfio.compat.group;

import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommufdFile;
import java.util.Optional;
import vfio.device.VfioGroup;

/**
 * An iommufd in the place of a container: the IOAS that {@code IOMMU_VFIO_IOAS} names translates. The group's devices are attached
 * while one of them is open.
 */
final class IommufdSpace implements GroupSpace {
    private final IommufdContext context;
    private final IommufdFile.Hold hold;
    private final VfioGroup.Claim claim;

    private IommufdSpace(IommufdFile file, VfioGroup.Claim claim) {
        this.claim = claim;
        hold = file.hold();
        context = file.context();
    }

    /** Puts a group in; an IOAS is made if none stands for a container yet. */
    static IommufdSpace enter(IommufdFile file, VfioGroup.Claim claim) {
        IommufdSpace space = new IommufdSpace(file, claim);
        try {
            if (space.context.vfioIoas().isEmpty()) {
                space.context.setVfioIoas(Optional.of(space.context.allocateIoas()));
            }
            return space;
        } catch (RuntimeException | Error refused) {
            space.hold.close();
            throw refused;
        }
    }

    @Override
    public OpenNode open(String name) {
        boolean first = claim.attached().isEmpty();
        if (first) {
            Ioas ioas = context.vfioIoas().orElseThrow(() -> new IommufdException(Errno.ENODEV, "no IOAS stands for a container; IOMMU_VFIO_IOAS names one"));
            claim.attach(context, ioas);
        }
        try {
            return claim.openDevice(name);
        } catch (RuntimeException | Error refused) {
            if (first) {
                claim.detach();
            }
            throw refused;
        }
    }

    /** Linux would let the group go and leave open devices attached; here a claim is attached to one thing at a time. */
    @Override
    public void leave() {
        if (claim.openDevices() > 0) {
            throw new IommufdException(Errno.EBUSY, "devices of the group are open");
        }
        end();
    }

    @Override
    public void lastDeviceClosed() {
        claim.detach();
    }

    @Override
    public void end() {
        claim.detach();
        hold.close();
    }
}
