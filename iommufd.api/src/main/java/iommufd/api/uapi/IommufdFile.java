package iommufd.api.uapi;

import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.Viommu;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.node.ClientFiles;
import iommufd.api.node.OpenNode;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/**
 * An open {@code /dev/iommu}. Whoever is given its descriptor by a client, such as a VFIO device to be bound, finds it by
 * {@link ClientFiles#node}. Thread-safe.
 */
@ProviderType
public interface IommufdFile extends OpenNode {
    /** Its context. Objects are found there by number. */
    IommufdContext context();

    /**
     * Keeps the context open when the client closes the file, until {@link Hold#close()}.
     *
     * @throws IommufdException {@link Errno#EBADF} if the context is closed
     */
    Hold hold();

    /** A reason for the context to stay. */
    @ProviderType
    interface Hold extends AutoCloseable {
        /** Ends it; the last one closes the context. Idempotent. */
        @Override
        void close();
    }

    /**
     * Gives an extension's object a number of the context, the lowest that is free. {@code IOMMU_DESTROY} of the number calls
     * {@link ExtensionObject#destroyed()}.
     */
    int add(ExtensionObject object);

    /** The extension's object under that number; what the engine made is found by {@link IommufdContext#object}. */
    Optional<ExtensionObject> extensionObject(int id);

    /** Frees an extension's number without telling the object. No such number is no error. */
    void remove(int id);

    /**
     * Excludes a range from mapping for as long as the address space lives, as a reserved region of a device would.
     *
     * @throws IommufdException {@link Errno#EADDRINUSE} if something is mapped or allowed there
     */
    void reserve(Ioas ioas, IovaRange range);

    /** What the hardware made for a page table. @throws IommufdException {@link Errno#ENODEV} while none serves it */
    HardwareDomain hardwareDomain(Hwpt hwpt);

    /** What the hardware made for a vIOMMU. @throws IommufdException {@link Errno#ENODEV} while none serves it */
    HardwareViommu hardwareViommu(Viommu viommu);

    /**
     * How often a physical page is pinned by all contexts whose files were opened while an extension with
     * {@link IoctlExtension#COUNTS_PINS} was there. Pins by {@link iommufd.api.node.ClientMemory#mappable()} itself do not count.
     */
    long pins(long physicalAddress);

    /** An object of an extension. */
    @FunctionalInterface
    interface ExtensionObject {
        /** {@code IOMMU_DESTROY} took its number away. Called under the context's lock, which the API takes again. Never fails. */
        void destroyed();
    }
}
