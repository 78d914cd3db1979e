package devnode.fuse.launch;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/**
 * Numbers that differ between processors ({@code asm/unistd.h}, {@code linux/audit.h}).
 *
 * @param audit {@code AUDIT_ARCH_*}
 * @param ioctl number of the system call
 * @param seccomp number of the system call
 */
record Architecture(int audit, int ioctl, int seccomp) {
    /** @throws IommufdException {@link Errno#EOPNOTSUPP} on a processor that is not known here */
    static Architecture current() {
        return switch (System.getProperty("os.arch")) {
            case "amd64" -> new Architecture(0xC000_003E, 16, 317);
            case "aarch64" -> new Architecture(0xC000_00B7, 29, 277);
            default -> throw new IommufdException(Errno.EOPNOTSUPP, "programs can be launched on x86-64 and AArch64 only");
        };
    }
}
