package iommu.vtd.driver;

import iommu.common.table.RadixTable;
import iommu.vtd.format.PasidTableEntry;
import iommufd.api.DmaAccess;
import iommufd.api.IovaRange;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.IopteResizing;
import iommufd.api.hardware.SharedDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A page table with a domain-id of its own: a second stage, which may be a hypervisor's, or in scalable mode a first stage. */
final class VtdDomain implements SharedDomain, AttachedDomain {
    /** Where the domain is attached, and what to. Compared by hand: the JDK keeps generated comparisons, and with them this bundle's classes. */
    private record Attachment(VtdEndpoint endpoint, int pasid, AttachedDomain what) {
        @Override
        public boolean equals(Object other) {
            return other instanceof Attachment that && endpoint == that.endpoint && pasid == that.pasid;
        }

        @Override
        public int hashCode() {
            return System.identityHashCode(endpoint) * 31 + pasid;
        }
    }

    private final VtdDriver driver;
    private final CommandQueue queue;
    private final RadixTable table;
    private final boolean firstStage;
    private final int domainId;
    private final DomainGeometry geometry;
    private final Optional<DirtyTracking> dirtyTracking;
    private final IopteResizing resizing = new Resizing();
    private final AttachedPasids pasids = new AttachedPasids();
    /** Guarded by this. */
    private final List<Attachment> attachments = new ArrayList<>();
    /** Guarded by this. */
    private boolean tracking;
    /** Of attachments, nested ones included. Changes are guarded by this. */
    private volatile DeviceTlbUsers deviceTlbs = DeviceTlbUsers.NONE;

    VtdDomain(VtdDriver driver, RadixTable table, boolean firstStage, int domainId, boolean dirtyTracking) {
        this.driver = driver;
        this.table = table;
        this.firstStage = firstStage;
        this.domainId = domainId;
        queue = driver.queue();
        geometry = new DomainGeometry(new IovaRange(0, table.format().inputLast()), table.format().pageSizes());
        this.dirtyTracking = dirtyTracking ? Optional.of(new SecondStageDirty(this, table)) : Optional.empty();
    }

    boolean belongsTo(VtdDriver other) {
        return driver == other;
    }

    @Override
    public VtdDomain stage() {
        return this;
    }

    @Override
    public boolean endsInSecondStage() {
        return !firstStage;
    }

    @Override
    public boolean firstStage() {
        return firstStage;
    }

    int domainId() {
        return domainId;
    }

    long root() {
        return table.root();
    }

    int levels() {
        return table.format().levels();
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
            // A part was visible, and may be cached, until it was rolled back.
            flush(iova, iova + Math.max(runs.totalBytes(), 1) - 1);
            throw failure;
        }
        if (table.hasUnlinked()) {
            flush(iova, iova + runs.totalBytes() - 1);   // an empty table made way for a large leaf
        }
    }

    @Override
    public long unmap(long iova, long lastIova) {
        long last = geometry.aperture().last();
        if (Long.compareUnsigned(iova, last) > 0) {
            return 0;
        }
        if (Long.compareUnsigned(lastIova, last) < 0) {
            last = lastIova;
        }
        long bytes = table.unmap(iova, last);
        if (bytes != 0 || table.hasUnlinked()) {
            flush(iova, last);
        }
        return bytes;
    }

    /** Makes the unit forget a range, and takes tables back that it can no longer be walking. */
    private void flush(long first, long last) {
        invalidateEntries(first, last, !table.hasUnlinked());
        table.recycle();
    }

    @Override
    public void invalidate(long first, long last, boolean tables) {
        long end = geometry.aperture().last();
        if (Long.compareUnsigned(first, end) <= 0) {
            invalidateEntries(first, Long.compareUnsigned(last, end) < 0 ? last : end, !tables);
        }
    }

    /** Returns when no request uses a former translation of the range. */
    void invalidateEntries(long first, long last, boolean leavesOnly) {
        if (firstStage) {
            queue.firstStagePages(domainId, pasids, first, last, leavesOnly, deviceTlbs);
        } else {
            queue.secondStagePages(domainId, first, last, leavesOnly, deviceTlbs);
        }
    }

    @Override
    public long translate(long iova) {
        return table.translate(iova);
    }

    @Override
    public Optional<DirtyTracking> dirtyTracking() {
        return dirtyTracking;
    }

    @Override
    public Optional<IopteResizing> resizing() {
        return table.isForeign() ? Optional.empty() : Optional.of(resizing);
    }

    @Override
    public void join(VtdEndpoint endpoint, int pasid) {
        attach(endpoint, pasid, this);
    }

    /** An entry is about to refer to {@code what}: this, or what is nested in it. */
    synchronized void attach(VtdEndpoint endpoint, int pasid, AttachedDomain what) {
        attachments.add(new Attachment(endpoint, pasid, what));
        pasids.add(pasid);
        collectDeviceTlbs();
    }

    /** Undoes {@link #attach}. */
    synchronized void detach(VtdEndpoint endpoint, int pasid) {
        attachments.remove(new Attachment(endpoint, pasid, this));
        collectDeviceTlbs();
    }

    private void collectDeviceTlbs() {
        deviceTlbs = DeviceTlbUsers.of(attachments.stream().filter(attachment -> attachment.endpoint().mayHaveDeviceTlb())
                .map(attachment -> attachment.endpoint().deviceTlbUser(attachment.pasid())).toList());
    }

    /** Device-TLBs that may hold something of the table. */
    DeviceTlbUsers deviceTlbs() {
        return deviceTlbs;
    }

    @Override
    public synchronized void left(int pasid) {
        pasids.remove(pasid);
    }

    @Override
    public long pasidWord0() {
        assert Thread.holdsLock(this);
        return firstStage ? PasidTableEntry.firstStage() : PasidTableEntry.secondStage(root(), levels(), tracking);
    }

    /** As {@link #pasidWord0}, for a first stage nested in this second stage. */
    long nestedWord0() {
        assert Thread.holdsLock(this);
        return PasidTableEntry.nested(root(), levels(), tracking);
    }

    @Override
    public long pasidWord2() {
        return firstStage ? PasidTableEntry.firstStageTable(root(), levels()) : 0;
    }

    /** Switches accessed and dirty bits in every entry that refers to the table. */
    synchronized void track(boolean on) {
        tracking = on;
        for (Attachment attachment : attachments) {
            attachment.endpoint().rewrite(attachment.pasid(), attachment.what());
            queue.pasidRemoved(attachment.pasid(), domainId, true, deviceTlbs);
        }
    }

    @Override
    public void close() {
        assert pasids.distinct().length == 0 : "domain " + domainId + " is closed while attached";
        queue.domain(domainId);
        table.close();
        driver.domainIds().free(domainId);
    }

    /** Only the size changes, so caches may hold the old entry until they are invalidated (§4.5.2, §6.5.2.5). */
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
            long last = geometry.aperture().last();
            if (Long.compareUnsigned(iova, last) <= 0) {
                long inside = Long.highestOneBit(geometry.pageSizes()) - 1;
                long around = lastIova | inside;
                invalidateEntries(iova & ~inside, Long.compareUnsigned(around, last) < 0 ? around : last, false);
            }
        }

        @Override
        public long entryBytes(long iova) {
            return table.leafBytes(iova);
        }
    }
}
