package vfio.compat.container;

import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.PagingHwpt;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vfio.device.VfioGroup;

/**
 * The record of dirty pages. While it is kept, devices are attached to page tables that track, of the same address space. Where
 * there is none (the hardware cannot, or the device is software), every page counts as dirty each time, as type 1 in Linux has it
 * for every device that an IOMMU translates. Under the lock of {@link Type1}.
 */
final class DirtyLog {
    private static final Logger LOG = LoggerFactory.getLogger(DirtyLog.class);

    private final IommufdContext context;
    private final Ioas ioas;
    private final DmaMappings mappings;
    private final List<PagingHwpt> tables = new ArrayList<>();
    private List<VfioGroup.Claim> groups = List.of();
    /** Those whose writes have been recorded since the record was last read. */
    private Set<BoundDevice> recorded = Set.of();
    private boolean running;

    DirtyLog(IommufdContext context, Ioas ioas, DmaMappings mappings) {
        this.context = context;
        this.ioas = ioas;
        this.mappings = mappings;
    }

    boolean running() {
        return running;
    }

    static boolean fits(long sizeBytes) {
        return Long.compareUnsigned(sizeBytes / Type1.PAGE_BYTES, ClientBitmap.MAX_PAGES) <= 0;
    }

    static IommufdException tooLarge(long sizeBytes) {
        return new IommufdException(Errno.EINVAL, "no bitmap shows a mapping of 0x%x bytes".formatted(sizeBytes));
    }

    /** These groups are attached now. */
    void follow(List<VfioGroup.Claim> attached) {
        Set<BoundDevice> before = devices();
        groups = List.copyOf(attached);
        if (running) {
            track();
            Set<BoundDevice> known = new HashSet<>(recorded);
            devices().stream().filter(device -> !before.contains(device)).forEach(known::add);
            recorded = known;
        }
    }

    /** A group is about to be detached: only these will be left. What its devices wrote is known no more. */
    void lose(List<VfioGroup.Claim> left) {
        groups = List.copyOf(left);
        if (running) {
            setAllMaybeWritten(true);
            recorded = devices();
        }
    }

    /** Lets page tables go that no device uses any more. */
    void dropUnused() {
        tables.removeIf(table -> {
            try {
                table.destroy();
                return true;
            } catch (IommufdException inUse) {
                LOG.debug("a page table stays: {}", inUse.getMessage());
                return false;
            }
        });
    }

    /** Starts, unless it runs: then it goes on, and forgets nothing. */
    void start() {
        if (running) {
            return;
        }
        for (int i = 0; i < mappings.count(); i++) {
            long size = mappings.last(i) - mappings.start(i) + 1;
            if (!fits(size)) {
                throw tooLarge(size);
            }
        }
        running = true;
        setAllMaybeWritten(false);
        tables.forEach(table -> table.setDirtyTracking(true));
        track();
        recorded = devices();
    }

    void stop() {
        if (running) {
            running = false;
            tables.forEach(table -> quietly(() -> table.setDirtyTracking(false)));
            devices().forEach(device -> quietly(() -> device.replace(ioas)));
            dropUnused();
            recorded = Set.of();
        }
    }

    private void setAllMaybeWritten(boolean written) {
        for (int i = 0; i < mappings.count(); i++) {
            mappings.setMaybeWritten(i, written);
        }
    }

    private Set<BoundDevice> devices() {
        return groups.stream().flatMap(group -> group.boundDevices().stream()).collect(Collectors.toUnmodifiableSet());
    }

    /** Moves devices to tables that track, as far as there are such. */
    private void track() {
        for (BoundDevice device : devices()) {
            if (!isTracked(device)) {
                quietly(() -> track(device));
            }
        }
    }

    private void track(BoundDevice device) {
        for (PagingHwpt table : tables) {
            try {
                device.replace(table);
                return;
            } catch (IommufdException refused) {
                if (refused.errno() != Errno.EINVAL) {
                    throw refused;   // EINVAL: a table of other hardware
                }
            }
        }
        PagingHwpt table = context.allocateHwpt(device, ioas, HwptOptions.withDirtyTracking());
        try {
            table.setDirtyTracking(true);
            device.replace(table);
        } catch (RuntimeException | Error refused) {
            table.destroy();
            throw refused;
        }
        tables.add(table);
    }

    private boolean isTracked(BoundDevice device) {
        return device.attached().filter(tables::contains).isPresent();
    }

    /** Whether every write since the record was last read is in the tables. Asked once for each request. */
    boolean complete() {
        boolean emulated = groups.stream().anyMatch(group -> group.boundDevices().isEmpty());
        Set<BoundDevice> present = devices();
        return !emulated && recorded.equals(present) && present.stream().allMatch(this::isTracked);
    }

    /**
     * Writes the bits of one mapping, and forgets them if {@code clear}.
     *
     * @param firstIova what the bitmap's first bit stands for
     * @param complete as {@link #complete()} said
     */
    void tell(int index, long firstIova, ClientBitmap bitmap, boolean clear, boolean complete) {
        assert running;
        long start = mappings.start(index);
        boolean every = mappings.maybeWritten(index) || !complete;
        if (clear) {
            mappings.setMaybeWritten(index, true);   // until the client has all the bits
        }
        bitmap.write((start - firstIova) / Type1.PAGE_BYTES, start, mappings.last(index) - start + 1,
                (iova, lengthBytes, bits) -> read(iova, lengthBytes, bits, every, clear));
        if (clear) {
            mappings.setMaybeWritten(index, false);
        }
    }

    private void read(long iova, long lengthBytes, MemorySegment bits, boolean every, boolean clear) {
        boolean read = true;
        for (PagingHwpt table : tables) {
            read &= quietly(() -> table.readDirty(iova, lengthBytes, Type1.PAGE_BYTES, bits, clear));
        }
        if (every || !read) {
            long pages = lengthBytes / Type1.PAGE_BYTES;
            bits.asSlice(0, pages / Byte.SIZE).fill((byte) -1);
            if (pages % Byte.SIZE != 0) {
                bits.set(ValueLayout.JAVA_BYTE, pages / Byte.SIZE, (byte) ((1 << pages % Byte.SIZE) - 1));
            }
        }
    }

    /** What hardware refuses only makes the record less exact. @return whether it was done */
    private static boolean quietly(Runnable change) {
        try {
            change.run();
            return true;
        } catch (IommufdException refused) {
            LOG.debug("all pages count as dirty: {}", refused.getMessage());
            return false;
        }
    }
}
