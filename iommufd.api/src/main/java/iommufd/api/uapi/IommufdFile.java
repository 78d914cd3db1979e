package iommufd.api.uapi;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.Viommu;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
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

    /**
     * As {@link Ioas#mapAt}, at the expense of the client that asks.
     *
     * @throws IommufdException as {@link Ioas#mapAt}
     */
    void mapAt(Caller caller, Ioas ioas, long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access);

    /**
     * Unmaps mapping by mapping; those before the first that cannot go are gone even if it fails.
     *
     * @return bytes unmapped; nothing mapped there is no error
     * @throws IommufdException as {@link Ioas#unmap}
     */
    long unmap(Ioas ioas, long iova, long lengthBytes);

    /**
     * Cuts the mapping that contains {@code lastIova} behind it, so that either part can be unmapped alone; none, or an end that is
     * there already, is no error. Only where large entries are forbidden ({@link Ioas#setHugePages}), or no page table shows it.
     *
     * @throws IommufdException {@link Errno#EINVAL} if the cut is misaligned, page tables may show it with large entries, or an
     *         access has pinned it; {@link Errno#EBUSY} if it is being mapped or unmapped; {@link Errno#EOPNOTSUPP} for exported memory
     */
    void cutBehind(Ioas ioas, long lastIova);

    /** Sizes of entries that every page table of the address space has: bit n is set for 2^n bytes. All bits without page tables. */
    long pageSizes(Ioas ioas);

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
