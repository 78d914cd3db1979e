package iommu.mock.command;

import iommufd.api.Attachable;
import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.IommufdException;
import iommufd.api.IommufdObject;
import iommufd.api.dma.Pasid;
import iommufd.api.uapi.IommufdFile;
import java.util.Optional;

/** Commands about what a device's PASIDs are attached to. PASID 0 means requests without one, as inside Linux. */
final class PasidCommands {
    /** IOMMU_NO_PASID. */
    static final int NO_PASID = 0;

    private final IommufdFile file;

    PasidCommands(IommufdFile file) {
        this.file = file;
    }

    void attach(TestCommand command) {
        BoundDevice device = device(command);
        int pasid = command.int32(TestCommand.PASID);
        Attachable target = TestDevice.target(file, command.int32(TestCommand.PASID_PT_ID));
        Hwpt hwpt = pasid == NO_PASID ? device.attach(target) : device.attach(new Pasid(pasid), target);
        try {
            command.set(TestCommand.PASID_PT_ID, hwpt.id()).respond();
        } catch (RuntimeException | Error refused) {
            detach(device, pasid);
            throw refused;
        }
    }

    void replace(TestCommand command) {
        BoundDevice device = device(command);
        int pasid = command.int32(TestCommand.PASID);
        Attachable target = TestDevice.target(file, command.int32(TestCommand.PASID_PT_ID));
        Hwpt hwpt = pasid == NO_PASID ? device.replace(target) : device.replace(new Pasid(pasid), target);
        command.set(TestCommand.PASID_PT_ID, hwpt.id()).respond();
    }

    void detach(TestCommand command) {
        detach(device(command), command.int32(TestCommand.PASID));
    }

    private static void detach(BoundDevice device, int pasid) {
        if (pasid == NO_PASID) {
            device.detach();
        } else {
            device.detach(new Pasid(pasid));
        }
    }

    /** PASID_CHECK_HWPT; number 0 expects that nothing is attached. */
    void check(TestCommand command) {
        BoundDevice device = device(command);
        int pasid = command.int32(TestCommand.PASID);
        int expected = command.int32(TestCommand.PASID_PT_ID);
        Optional<Hwpt> attached = pasid == NO_PASID ? device.attached() : device.attached(new Pasid(pasid));
        if (expected != 0) {
            checkHwpt(expected);
        }
        if (attached.map(IommufdObject::id).orElse(0) != expected) {
            throw new IommufdException(Errno.EINVAL, "PASID %d is attached to %s, not to number %d".formatted(pasid, attached, expected));
        }
    }

    private void checkHwpt(int id) {
        if (file.extensionObject(id).isPresent() || !(file.context().object(id) instanceof Hwpt)) {
            throw new IommufdException(Errno.EINVAL, "object %s is no page table".formatted(Integer.toUnsignedString(id)));
        }
    }

    private BoundDevice device(TestCommand command) {
        return TestDevice.of(file, command.id()).bound();
    }
}
