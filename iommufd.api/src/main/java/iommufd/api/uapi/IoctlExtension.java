package iommufd.api.uapi;

import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Serves further requests of an open {@code /dev/iommu}: a whiteboard service. The engine serves those of
 * {@code linux/iommufd.h} itself; any other goes to the extension that names it, else it is {@code ENOTTY}. When the service
 * goes, its sessions are closed.
 */
@ConsumerType
public interface IoctlExtension {
    /** Service property, an {@code int[]}: the request numbers served, such as 0x3BA0 for {@code IOMMU_TEST_CMD}. */
    String REQUESTS = "iommufd.ioctl.requests";

    /** Service property, a {@code boolean}: files opened while the service is there count pins for {@link IommufdFile#pins}. */
    String COUNTS_PINS = "iommufd.pins.counted";

    /** The first request on a file: what this extension keeps for it. Called once per file. */
    Session open(IommufdFile file);

    /** An extension's part of one open file. Calls may come from several threads at once. */
    @ConsumerType
    interface Session extends AutoCloseable {
        /**
         * A request. Nothing of the argument has been looked at: {@link UserStruct} reads structs that begin with their size.
         *
         * @return what the client's call returns, not negative
         * @throws IommufdException the errno the client gets
         */
        long ioctl(Caller caller, int request, long argument) throws InterruptedException;

        /**
         * The file was closed, or the extension goes. The context is still open: what the session made in it, it destroys.
         * No call is under way, or will come. Never fails.
         */
        @Override
        void close();
    }
}
