package iommu.smmuv3.driver;

import iommu.common.table.DirtyTableReader;
import iommu.common.table.RadixTable;
import iommu.common.table.TableFormat;
import iommu.smmuv3.format.ContextDescriptor;
import iommu.smmuv3.format.StreamTableEntry;
import iommufd.api.DmaAccess;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.hardware.DirtySink;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.IopteResizing;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.hardware.SharedDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.Optional;

/**
 * A page table of one stage: first with an ASID, or second with a VMID. Changes are serialized by the engine; everything else
 * may run beside them.
 */
final class SmmuPagingDomain implements SharedDomain {
    private static final long INPUT_SIZE_BITS = 64 - StageFormats.ADDRESS_BITS;
    private static final long ADDRESS_BITS_ENCODED = 5;

    private final SmmuDriver driver;
    private final boolean stage2;
    private final boolean tracksDirty;
    private final boolean nestParent;
    private final int granuleLg2;
    private final int id;
    private final RadixTable table;
    private final DomainGeometry geometry;

    /** @throws IommufdException ENOMEM */
    SmmuPagingDomain(SmmuDriver driver, boolean stage2, PagingOptions options, int granuleLg2) {
        this.driver = driver;
        this.stage2 = stage2;
        this.granuleLg2 = granuleLg2;
        tracksDirty = options.dirtyTracking();
        nestParent = options.nestParent();
        TableFormat format = stage2 ? StageFormats.stage2(granuleLg2, tracksDirty) : StageFormats.stage1(granuleLg2, tracksDirty);
        table = new RadixTable(format, driver.pool());
        geometry = new DomainGeometry(new IovaRange(0, format.inputLast()), format.pageSizes());
        try {
            id = ids().allocate();
        } catch (IommufdException exhausted) {
            table.close();
            throw exhausted;
        }
    }

    /** A hypervisor's stage 2. @throws IommufdException ENOMEM if there is no VMID left */
    SmmuPagingDomain(SmmuDriver driver, boolean nestParent, int granuleLg2, long root) {
        this.driver = driver;
        this.granuleLg2 = granuleLg2;
        this.nestParent = nestParent;
        stage2 = true;
        tracksDirty = false;
        TableFormat format = StageFormats.stage2(granuleLg2, false);
        table = RadixTable.foreign(format, driver.pool(), root);
        geometry = new DomainGeometry(new IovaRange(0, format.inputLast()), format.pageSizes());
        id = ids().allocate();
    }

    private IdSpace ids() {
        return stage2 ? driver.vmids() : driver.asids();
    }

    boolean belongsTo(SmmuDriver other) {
        return driver == other;
    }

    /** ASID or VMID. */
    int id() {
        return id;
    }

    boolean stage2() {
        return stage2;
    }

    /** The context descriptor of a first stage. */
    long[] contextDescriptor() {
        long[] words = new long[ContextDescriptor.WORDS];
        words[0] = INPUT_SIZE_BITS << ContextDescriptor.T0SZ_SHIFT
                | ContextDescriptor.tg0(granuleLg2) << ContextDescriptor.TG0_SHIFT
                | ContextDescriptor.TTB0_CACHEABLE | ContextDescriptor.EPD1 | ContextDescriptor.VALID
                | ADDRESS_BITS_ENCODED << ContextDescriptor.IPS_SHIFT | ContextDescriptor.AA64 | ContextDescriptor.R
                | ContextDescriptor.A | ContextDescriptor.ASET | (long) id << ContextDescriptor.ASID_SHIFT
                | (driver.stalls() ? ContextDescriptor.S : 0)
                | (tracksDirty ? ContextDescriptor.HA | ContextDescriptor.HD : 0);
        words[1] = table.root();
        words[3] = ContextDescriptor.MAIR;
        return words;
    }

    /** The stream table entry of a second stage. */
    long[] streamTableEntry() {
        long[] words = new long[StreamTableEntry.WORDS];
        words[0] = StreamTableEntry.VALID | (long) StreamTableEntry.CONFIG_STAGE2 << StreamTableEntry.CONFIG_SHIFT;
        words[2] = id | INPUT_SIZE_BITS << StreamTableEntry.S2T0SZ_SHIFT
                | StageFormats.stage2StartLevel(granuleLg2) << StreamTableEntry.S2SL0_SHIFT | StreamTableEntry.S2_CACHEABLE
                | ContextDescriptor.tg0(granuleLg2) << StreamTableEntry.S2TG_SHIFT
                | ADDRESS_BITS_ENCODED << StreamTableEntry.S2PS_SHIFT | StreamTableEntry.S2AA64 | StreamTableEntry.S2PTW
                | StreamTableEntry.S2R | (tracksDirty ? StreamTableEntry.S2HA | StreamTableEntry.S2HD : 0)
                // A hypervisor brings absent pages of its table.
                | (table.isForeign() && !nestParent && driver.stalls() ? StreamTableEntry.S2S : 0);
        words[3] = table.root();
        return words;
    }

    @Override
    public DomainGeometry geometry() {
        return geometry;
    }

    @Override
    public void map(long iova, PinnedRuns runs, DmaAccess access) {
        map(iova, runs, access, false);
    }

    @Override
    public void mapSmallest(long iova, PinnedRuns runs, DmaAccess access) {
        map(iova, runs, access, true);
    }

    private void map(long iova, PinnedRuns runs, DmaAccess access, boolean smallestOnly) {
        try {
            table.map(iova, runs, access, smallestOnly);
        } catch (RuntimeException | Error failure) {
            // A part was visible for a moment.
            invalidateAll();
            table.recycle();
            throw failure;
        }
        if (table.hasUnlinked()) {
            // Leaves took the place of empty tables, which hardware may still hold.
            invalidateEntries(iova, iova + runs.totalBytes() - 1, false);
            table.recycle();
        }
    }

    @Override
    public long unmap(long iova, long lastIova) {
        if (Long.compareUnsigned(iova, geometry.aperture().last()) > 0) {
            return 0;
        }
        long last = clamped(lastIova);
        long bytes = table.unmap(iova, last);
        boolean tables = table.hasUnlinked();
        if (bytes != 0 || tables) {
            invalidateEntries(iova, last, !tables);
            table.recycle();
        }
        return bytes;
    }

    private long clamped(long lastIova) {
        long last = geometry.aperture().last();
        return Long.compareUnsigned(lastIova, last) > 0 ? last : lastIova;
    }

    @Override
    public void invalidate(long first, long last, boolean tables) {
        if (Long.compareUnsigned(first, geometry.aperture().last()) <= 0) {
            invalidateEntries(first, clamped(last), !tables);
        }
    }

    private void invalidateEntries(long first, long last, boolean leafOnly) {
        if (stage2) {
            driver.commands().invalidateStage2(id, first, last, granuleLg2, leafOnly, nestParent);
        } else {
            driver.commands().invalidateStage1(id, first, last, granuleLg2, leafOnly);
        }
    }

    private void invalidateAll() {
        if (stage2) {
            driver.commands().invalidateVmid(id);
        } else {
            driver.commands().invalidateAsid(id);
        }
    }

    @Override
    public long translate(long iova) {
        return table.translate(iova);
    }

    @Override
    public Optional<DirtyTracking> dirtyTracking() {
        return tracksDirty ? Optional.of(new DirtyDescriptors()) : Optional.empty();
    }

    /** Level 2 of break-before-make: the size of a valid entry may change in place. */
    @Override
    public Optional<IopteResizing> resizing() {
        return driver.resizesInPlace() && !table.isForeign() ? Optional.of(new Resizing()) : Optional.empty();
    }

    @Override
    public void close() {
        invalidateAll();
        ids().free(id);
        table.close();
    }

    /** The dirty state lies in the descriptors: the unit makes a clean one dirty before the first write through it. */
    private final class DirtyDescriptors implements DirtyTracking {
        private final DirtyTableReader reader = table.dirtyReader();

        @Override
        public void setEnabled(boolean enabled) {
            if (enabled) {
                reader.forget(0, geometry.aperture().last());
                invalidateAll();
            }
        }

        @Override
        public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
            long last = clamped(lastIova);
            if (Long.compareUnsigned(iova, last) <= 0 && reader.read(iova, last, clear, sink) && clear) {
                invalidateEntries(iova, last, true);   // cached as writable: the next write must walk again
            }
        }
    }

    private final class Resizing implements IopteResizing {
        @Override
        public long split(long iova, long lastIova, long pageBytes) {
            try {
                return table.split(iova, lastIova, pageBytes);
            } finally {
                invalidateAround(iova, lastIova);
            }
        }

        @Override
        public long merge(long iova, long lastIova) {
            long merged = table.merge(iova, lastIova);
            if (table.hasMerged()) {
                invalidateAround(iova, lastIova);
                table.finishMerge();
                table.recycle();
            }
            return merged;
        }

        /** An entry that was split may reach beyond the range. */
        private void invalidateAround(long iova, long lastIova) {
            if (Long.compareUnsigned(iova, geometry.aperture().last()) <= 0) {
                long inside = Long.highestOneBit(geometry.pageSizes()) - 1;
                invalidateEntries(iova & ~inside, clamped(lastIova | inside), false);
            }
        }

        @Override
        public long entryBytes(long iova) {
            return table.leafBytes(iova);
        }
    }
}
