package vfio.adapter.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.SharedFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import vfio.device.Bar;

/**
 * The memory behind the BARs that clients map: one sparse file, in which each BAR lies where VFIO's region offsets say. It lives as
 * long as the device's node. Thread-safe.
 *
 * <p>Where nothing is shared a client that maps it all the same finds memory of the file, which nobody looks at.
 */
public final class BarMemory implements AutoCloseable {
    /** A region's index in the file offset. */
    public static final int REGION_SHIFT = 40;

    private final Optional<SharedFile> file;
    private final long lengthBytes;
    private final List<Mapped> mapped = new ArrayList<>();

    private record Mapped(Bar bar, MemorySegment memory) {}

    /** @throws IommufdException {@link Errno#ENOMEM} */
    public BarMemory(String name, List<Bar> bars) {
        List<Bar> shared = bars.stream().filter(bar -> !bar.shared().isEmpty()).toList();
        if (shared.isEmpty()) {
            file = Optional.empty();
            lengthBytes = 0;
            return;
        }
        Bar last = shared.getLast();
        lengthBytes = start(last) + last.sizeBytes();
        SharedFile created = new SharedFile(name, lengthBytes);
        file = Optional.of(created);
        try {
            for (Bar bar : shared) {
                mapped.add(new Mapped(bar, created.map(start(bar), bar.sizeBytes())));
            }
        } catch (IommufdException failure) {
            close();
            throw failure;
        }
    }

    private static long start(Bar bar) {
        return (long) bar.index() << REGION_SHIFT;
    }

    /** The file that clients map; empty if no BAR shares anything. */
    public OptionalInt file() {
        return file.map(shared -> OptionalInt.of(shared.descriptor())).orElse(OptionalInt.empty());
    }

    /**
     * A BAR's bytes.
     *
     * @param user as long as it lives they can be reached
     * @throws IommufdException {@link Errno#EINVAL} if it shares nothing
     */
    public MemorySegment of(int index, Arena user) {
        for (Mapped part : mapped) {
            if (part.bar.index() == index) {
                return part.memory.reinterpret(user, bytes -> { });
            }
        }
        throw new IommufdException(Errno.EINVAL, "BAR %d is trapped, it has no memory".formatted(index));
    }

    /** Makes all of it zero, and gives back what clients wrote between BARs. */
    public void clear() {
        file.ifPresent(shared -> shared.clear(0, lengthBytes));
    }

    /** Clients' mappings stay; nobody of this runtime may touch the memory any more. */
    @Override
    public void close() {
        mapped.forEach(part -> SharedFile.unmap(part.memory));
        mapped.clear();
        file.ifPresent(SharedFile::close);
    }
}
