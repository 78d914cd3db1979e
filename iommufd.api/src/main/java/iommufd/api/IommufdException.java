package iommufd.api;

import java.util.Objects;

/** A request that was refused or failed: the errno of the uAPI, and a message that says what happened and why. */
public final class IommufdException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final Errno errno;

    /** @param message what was asked, what was wrong with it and, where it helps, what to do next */
    public IommufdException(Errno errno, String message) {
        super(Objects.requireNonNull(message));
        this.errno = Objects.requireNonNull(errno);
    }

    /** As {@link #IommufdException(Errno, String)}, with the failure of a plugin or of the system behind it. */
    public IommufdException(Errno errno, String message, Throwable cause) {
        super(Objects.requireNonNull(message), cause);
        this.errno = Objects.requireNonNull(errno);
    }

    /** The error number the binary uAPI returns for this failure. */
    public Errno errno() {
        return errno;
    }

    @Override
    public String getMessage() {
        return errno + ": " + super.getMessage();
    }
}
