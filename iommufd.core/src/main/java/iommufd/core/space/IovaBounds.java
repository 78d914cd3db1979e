package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/** Arithmetic of unsigned addresses, and the bounds that every request has to keep. */
final class IovaBounds {
    private IovaBounds() { }

    /** @throws IommufdException {@link Errno#EOVERFLOW}, {@link Errno#EINVAL} for no length at all */
    static void checkRange(long iova, long lengthBytes) {
        if (iova == -1L || lengthBytes == -1L) {
            throw new IommufdException(Errno.EOVERFLOW, "IOVA and length must be below 2^64 - 1");
        }
        checkLength(lengthBytes);
    }

    /** @throws IommufdException {@link Errno#EINVAL} */
    static void checkLength(long lengthBytes) {
        if (lengthBytes == 0) {
            throw new IommufdException(Errno.EINVAL, "the length is 0");
        }
    }

    /** @throws IommufdException {@link Errno#EOVERFLOW} */
    static long lastOf(long iova, long lengthBytes) {
        long last = iova + (lengthBytes - 1);
        if (Long.compareUnsigned(last, iova) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x bytes from IOVA 0x%x on reach beyond 64 bits".formatted(lengthBytes, iova));
        }
        return last;
    }

    static long minUnsigned(long a, long b) {
        return Long.compareUnsigned(a, b) <= 0 ? a : b;
    }

    static long maxUnsigned(long a, long b) {
        return Long.compareUnsigned(a, b) >= 0 ? a : b;
    }
}
