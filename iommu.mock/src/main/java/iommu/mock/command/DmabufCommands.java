package iommu.mock.command;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.memory.UserMemory;

/** DMABUF_GET and DMABUF_REVOKE. */
final class DmabufCommands {
    private static final long PAGE_BYTES = UserMemory.PAGE_BYTES;
    private static final long LARGEST_BYTES = PAGE_BYTES * 512;
    private static final int O_CLOEXEC = 0x80000;

    private final PhysicalMemory memory;

    DmabufCommands(PhysicalMemory memory) {
        this.memory = memory;
    }

    /** @return the new descriptor */
    int export(TestCommand command) {
        long length = Integer.toUnsignedLong(command.int32(TestCommand.DMABUF_LENGTH)) + PAGE_BYTES - 1 & -PAGE_BYTES;
        if (length == 0 || length > LARGEST_BYTES) {
            throw new IommufdException(Errno.EINVAL, "a mock dmabuf has 1 to 512 pages, not 0x%x bytes".formatted(length));
        }
        boolean closeOnExec = (command.int32(TestCommand.DMABUF_OPEN_FLAGS) & O_CLOEXEC) != 0;
        return command.caller().files().install(new Dmabuf(memory.allocateGuestRam(length, false)), closeOnExec);
    }

    void revoke(TestCommand command) {
        int descriptor = command.int32(TestCommand.DMABUF_FD);
        Dmabuf dmabuf = command.caller().files().node(descriptor).filter(Dmabuf.class::isInstance).map(Dmabuf.class::cast)
                .orElseThrow(() -> new IommufdException(Errno.EINVAL, "descriptor %d is no mock dmabuf".formatted(descriptor)));
        dmabuf.revoke(command.int32(TestCommand.DMABUF_REVOKED) != 0);
    }
}
