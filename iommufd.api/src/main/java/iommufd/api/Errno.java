package iommufd.api;

/** Error numbers of Linux ({@code asm-generic/errno.h}) that iommufd's uAPI and the SPIs behind it use. */
public enum Errno {
    EPERM(1),
    ENOENT(2),
    EINTR(4),
    EIO(5),
    ENXIO(6),
    E2BIG(7),
    EBADF(9),
    EAGAIN(11),
    ENOMEM(12),
    EACCES(13),
    EFAULT(14),
    EBUSY(16),
    EEXIST(17),
    ENODEV(19),
    EINVAL(22),
    EMFILE(24),
    ENOTTY(25),
    ENOSPC(28),
    ESPIPE(29),
    ERANGE(34),
    EDEADLOCK(35),
    ENOMSG(42),
    EBADE(52),
    EOVERFLOW(75),
    EBADFD(77),
    EMSGSIZE(90),
    EOPNOTSUPP(95),
    EADDRINUSE(98),
    ENOBUFS(105),
    ETIMEDOUT(110);

    private final int number;

    Errno(int number) {
        this.number = number;
    }

    /** What people call an error number: {@code EFAULT}, or {@code errno 103} for one that is not here. */
    public static String text(int number) {
        for (Errno errno : values()) {
            if (errno.number == number) {
                return errno.name();
            }
        }
        return "errno " + number;
    }

    /** The positive number as user space sees it in {@code errno}. */
    public int number() {
        return number;
    }
}
