package devnode.fuse.linux;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/** The error numbers this bundle looks at or answers, {@code asm-generic/errno.h}. */
public final class ErrorNumber {
    public static final int EPERM = 1;
    public static final int ENOENT = 2;
    public static final int ESRCH = 3;
    public static final int EINTR = 4;
    public static final int EIO = 5;
    public static final int EBADF = 9;
    public static final int EAGAIN = 11;
    public static final int EFAULT = 14;
    public static final int ENODEV = 19;
    public static final int EINVAL = 22;
    public static final int ENOTTY = 25;
    public static final int ENOSYS = 38;

    private ErrorNumber() {}

    /** The exception for a failed system call. @param result minus an error number */
    public static IommufdException failure(String what, long result) {
        for (Errno errno : Errno.values()) {
            if (errno.number() == -result) {
                return new IommufdException(errno, what);
            }
        }
        return new IommufdException(Errno.EIO, what + " (errno " + -result + ")");
    }

    /** @return {@code result} unless it is an error */
    public static int check(String what, long result) {
        if (result < 0) {
            throw failure(what, result);
        }
        return (int) result;
    }
}
