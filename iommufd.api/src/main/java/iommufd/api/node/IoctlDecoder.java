package iommufd.api.node;

import iommufd.api.Errno;
import org.osgi.annotation.versioning.ConsumerType;

/** Tells people what the ioctls of a node say. Thread-safe. */
@ConsumerType
public interface IoctlDecoder {
    /** What every ioctl looks like to somebody who knows none: {@code ioctl 0x3b80 0x7ffe1000 = 0}. */
    IoctlDecoder NONE = (caller, request, argument) ->
            result -> "ioctl 0x%x 0x%x = %s".formatted(request, argument, result < 0 ? "-1 " + Errno.text((int) -result) : Long.toString(result));

    /** Looks at what the client passes, right before {@link OpenNode#ioctl} is called with the same arguments. Never fails. */
    Call begin(Caller caller, int request, long argument);

    /** An ioctl under way. */
    @FunctionalInterface
    interface Call {
        /**
         * Looks at what the client got, before it goes on. Never fails.
         *
         * @param result what the call returns, or the negative number of an errno
         * @return the whole call on one line, as strace would print it
         */
        String end(long result);
    }
}
