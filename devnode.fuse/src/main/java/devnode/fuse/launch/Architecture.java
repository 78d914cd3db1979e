package devnode.fuse.launch;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/**
 * Numbers that differ between processors ({@code asm/unistd.h}, {@code linux/audit.h}).
 *
 * @param audit {@code AUDIT_ARCH_*}
 * @param ioctl number of the system call, as are the others
 */
record Architecture(int audit, int ioctl, int read, int seccomp, int stat, int lstat, int fstat, int newfstatat, int statx) {
    /** A system call that the processor's programs do not have. */
    static final int NONE = -1;

    /** @throws IommufdException {@link Errno#EOPNOTSUPP} on a processor that is not known here */
    static Architecture current() {
        return switch (System.getProperty("os.arch")) {
            case "amd64" -> new Architecture(0xC000_003E, 16, 0, 317, 4, 6, 5, 262, 332);
            case "aarch64" -> new Architecture(0xC000_00B7, 29, 63, 277, NONE, NONE, 80, 79, 291);
            default -> throw new IommufdException(Errno.EOPNOTSUPP, "programs can be launched on x86-64 and AArch64 only");
        };
    }
}
