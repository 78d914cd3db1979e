package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/** A client's file descriptors, by their numbers. */
@ProviderType
public interface ClientFiles {
    /**
     * What this runtime published behind a descriptor. The node may be closed at any time, by the client; who keeps it longer than
     * for the call {@linkplain #take takes} it.
     *
     * @return empty if the descriptor is something else, or the node has vanished
     * @throws IommufdException {@link Errno#EBADF} if it is not open
     */
    Optional<OpenNode> node(int number);

    /**
     * Takes up a file that the client passes, such as an eventfd, a memfd or an open node. The caller closes it; it stays open when the
     * client closes its own descriptor or ends.
     *
     * @throws IommufdException {@link Errno#EBADF} if it is not open
     */
    ClientFile take(int number);

    /**
     * Opens a new file in the client. From now on its {@link OpenNode#close} is called when the client has closed it, or at once
     * if this fails.
     *
     * <p>It cannot be taken back, so whatever else may fail comes before, such as copying the other results to the client. It
     * works inside {@link OpenNode#ioctl} only, for requests named in {@link DeviceNode#DESCRIPTOR_REQUESTS}.
     *
     * @return the number of the new descriptor
     * @throws IommufdException {@link Errno#EMFILE} if the client may not open more files; {@link Errno#EOPNOTSUPP} if the
     *         client was not started by {@link ClientLauncher}, without which nothing can be opened in it
     */
    int install(OpenNode node, boolean closeOnExec);
}
