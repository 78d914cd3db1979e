package vdpa.adapter.device;

import iommufd.api.BoundDevice;
import iommufd.api.ContextOwner;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.IommufdService;
import iommufd.api.IovaRange;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.Pasid;
import iommufd.api.memory.UserMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The address spaces that a client fills by messages: each is an IOAS of a context that only this open device has. Address space 0 is
 * attached without PASID, address space n with PASID n. Guarded by the session's lock.
 */
public final class AddressSpaces implements AutoCloseable {
    private static final long PAGE_MASK = UserMemory.PAGE_BYTES - 1;

    private final IommufdContext context;
    private final BoundDevice bound;
    private final int limit;
    private final IovaRange range;
    private final List<Optional<Space>> spaces = new ArrayList<>();
    /** The first address space is there from the start; for messages it is from the first one that may create it. */
    private boolean firstNamed;

    /** @param mappings last IOVAs by first ones, in unsigned order */
    private record Space(Ioas ioas, TreeMap<Long, Long> mappings) {}

    /**
     * Binds the endpoint and attaches its first address space, which the client cannot name until it has filled it.
     *
     * @throws IommufdException {@link Errno#ENODEV} without hardware, and what attaching says
     */
    AddressSpaces(IommufdService engine, ContextOwner owner, DmaEndpoint endpoint, int limit, IovaRange deviceRange) {
        this.limit = limit;
        context = engine.open(owner);
        try {
            bound = context.bind(endpoint);
            Space first = create(0);
            range = narrowed(deviceRange, first.ioas.iovaRanges().usable());
            spaces.add(Optional.of(first));
            for (int asid = 1; asid < limit; asid++) {
                spaces.add(Optional.empty());
            }
        } catch (RuntimeException | Error refused) {
            context.close();
            throw refused;
        }
    }

    private static IovaRange narrowed(IovaRange device, List<IovaRange> usable) {
        long first = usable.getFirst().start();
        long last = usable.getLast().last();
        return new IovaRange(Long.compareUnsigned(first, device.start()) < 0 ? device.start() : first,
                Long.compareUnsigned(last, device.last()) > 0 ? device.last() : last);
    }

    private Space create(int asid) {
        Ioas ioas = context.allocateIoas();
        try {
            if (limit == 1) {
                bound.attach(ioas);
            } else if (asid == 0) {
                attachFirst(ioas);
            } else {
                bound.attach(new Pasid(asid), context.allocateHwpt(bound, ioas, HwptOptions.forPasid()));
            }
        } catch (RuntimeException | Error refused) {
            ioas.destroy();
            throw refused;
        }
        return new Space(ioas, new TreeMap<>(Long::compareUnsigned));
    }

    /** Requests with and without PASID need tables made for it; hardware without PASIDs has one address space then. */
    private void attachFirst(Ioas ioas) {
        try {
            bound.attach(context.allocateHwpt(bound, ioas, HwptOptions.forPasid()));
        } catch (IommufdException refused) {
            if (refused.errno() != Errno.EOPNOTSUPP) {
                throw refused;
            }
            bound.attach(ioas);
        }
    }

    /** IOVAs that can be mapped. */
    IovaRange range() {
        return range;
    }

    /** Whether anything is mapped. */
    boolean filled() {
        return spaces.stream().flatMap(Optional::stream).anyMatch(space -> !space.mappings.isEmpty());
    }

    /** Makes sure there is such an address space. @throws IommufdException {@link Errno#EINVAL} if the device has not as many */
    public void require(int asid) {
        if (Integer.compareUnsigned(asid, limit) >= 0) {
            throw new IommufdException(Errno.EINVAL, "no address space is number %s, there are %d".formatted(Integer.toUnsignedString(asid), limit));
        }
        firstNamed |= asid == 0;
        if (spaces.get(asid).isEmpty()) {
            spaces.set(asid, Optional.of(create(asid)));
        }
    }

    private Space existing(int asid) {
        if (Integer.compareUnsigned(asid, limit) >= 0) {
            throw new IommufdException(Errno.EINVAL, "no address space is number " + Integer.toUnsignedString(asid));
        }
        return spaces.get(asid).filter(_ -> asid != 0 || firstNamed).orElseThrow(() -> new IommufdException(Errno.EINVAL, "nothing was ever mapped in address space " + asid));
    }

    /** @throws IommufdException {@link Errno#EINVAL} if there is no such address space yet */
    public void checkExists(int asid) {
        existing(asid);
    }

    /**
     * Maps the pages that a range touches, as Linux does: offsets inside a page do not count.
     *
     * @throws IommufdException {@link Errno#EINVAL} outside of {@link #range}; {@link Errno#EEXIST}; and what mapping says
     */
    public void map(int asid, long iova, long lengthBytes, UserMemory memory, long address, DmaAccess access, ContextOwner payer) {
        long last = iova + lengthBytes - 1;
        if (lengthBytes == 0 || Long.compareUnsigned(last, iova) < 0 || !range.contains(iova) || !range.contains(last)) {
            throw new IommufdException(Errno.EINVAL, "0x%x bytes at 0x%x are outside of %s".formatted(lengthBytes, iova, range));
        }
        long first = iova & ~PAGE_MASK;
        long lastOfPage = last | PAGE_MASK;
        if (lastOfPage - first == -1L) {
            throw new IommufdException(Errno.EINVAL, "all addresses at once");
        }
        Space space = existing(asid);
        Map.Entry<Long, Long> before = space.mappings.floorEntry(lastOfPage);
        if (before != null && Long.compareUnsigned(before.getValue(), first) >= 0) {
            throw new IommufdException(Errno.EEXIST, "0x%x..0x%x is mapped, at least a part".formatted(first, lastOfPage));
        }
        space.ioas.mapAt(first, memory, address & ~PAGE_MASK, lastOfPage - first + 1, access, payer);
        space.mappings.put(first, lastOfPage);
    }

    /** Unmaps every mapping that the range touches, whole; nothing there is no error. A length of 0 at 0 means everything. */
    public void unmap(int asid, long iova, long lengthBytes) {
        Space space = existing(asid);
        long last = iova + lengthBytes - 1;
        Map.Entry<Long, Long> mapping = space.mappings.floorEntry(last);
        while (mapping != null && Long.compareUnsigned(mapping.getValue(), iova) >= 0) {
            space.ioas.unmap(mapping.getKey(), mapping.getValue() - mapping.getKey() + 1);
            space.mappings.remove(mapping.getKey());
            mapping = space.mappings.floorEntry(last);
        }
    }

    @Override
    public void close() {
        context.close();
    }
}
