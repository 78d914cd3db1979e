package vfio.adapter.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
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

    private final OptionalInt file;
    private final long lengthBytes;
    private final List<Mapped> mapped = new ArrayList<>();

    private record Mapped(Bar bar, long address) {}

    /** @throws IommufdException {@link Errno#ENOMEM} */
    public BarMemory(String name, List<Bar> bars) {
        List<Bar> shared = bars.stream().filter(bar -> !bar.shared().isEmpty()).toList();
        if (shared.isEmpty()) {
            file = OptionalInt.empty();
            lengthBytes = 0;
            return;
        }
        Bar last = shared.getLast();
        lengthBytes = start(last) + last.sizeBytes();
        int created = SystemCalls.createFile(name, lengthBytes);
        file = OptionalInt.of(created);
        try {
            for (Bar bar : shared) {
                mapped.add(new Mapped(bar, SystemCalls.map(created, start(bar), bar.sizeBytes())));
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
        return file;
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
                return MemorySegment.ofAddress(part.address).reinterpret(part.bar.sizeBytes(), user, bytes -> { });
            }
        }
        throw new IommufdException(Errno.EINVAL, "BAR %d is trapped, it has no memory".formatted(index));
    }

    /** Makes all of it zero, and gives back what clients wrote between BARs. */
    public void clear() {
        if (lengthBytes > 0) {
            SystemCalls.clear(file.orElseThrow(), 0, lengthBytes);
        }
    }

    /** Clients' mappings stay; nobody of this runtime may touch the memory any more. */
    @Override
    public void close() {
        mapped.forEach(part -> SystemCalls.unmap(part.address, part.bar.sizeBytes()));
        mapped.clear();
        file.ifPresent(SystemCalls::close);
    }
}
