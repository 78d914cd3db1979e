package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.List;
import org.osgi.annotation.versioning.ProviderType;

/** Runs programs that find every {@link DeviceNode} at its path: an OSGi service. Thread-safe. */
@ProviderType
public interface ClientLauncher {
    /** Exit code by convention: the program was found but could not be executed. */
    int NOT_EXECUTABLE = 126;
    /** Exit code by convention: there is no such program. */
    int NOT_FOUND = 127;

    /**
     * Runs a program with the terminal, the environment and the working directory of this process, and waits for its end.
     * Signals that ask this process to end are passed on to it meanwhile.
     *
     * @param command program, looked up in {@code PATH}, and its arguments
     * @param characterDevices whether stat(2) and the like tell the program that nodes are character devices, with numbers; which it
     *        pays for at each such call. Else it sees regular files, which most programs do not look at
     * @return its exit code; 128 + n if signal n ended it; {@link #NOT_FOUND} or {@link #NOT_EXECUTABLE}
     * @throws IommufdException {@link Errno#EPERM}, {@link Errno#ENODEV} and others if it cannot be started here: the message
     *         names what is missing
     */
    int run(List<String> command, boolean characterDevices) throws InterruptedException;

    /** As {@link #run(List, boolean)}, with nodes as regular files. */
    default int run(List<String> command) throws InterruptedException {
        return run(command, false);
    }
}
