package iommu.vtd.unit;

import iommu.common.dma.InvalidationLog;
import iommu.vtd.format.InvalidationDescriptor;
import iommu.vtd.format.PasidTableEntry;

/**
 * Carries invalidations out: publishes them to the ports, each of which drops what is covered before its next request. The
 * methods answer false for a granularity or mask that does not exist. Guarded by the unit's lock.
 */
final class Invalidator {
    private static final int PAGE_LG2 = 12;

    private final InvalidationLog log;
    private final VtdFeatures features;
    private final InterruptRemapper interrupts;
    private final long drainNanos;

    /** @param drainNanos how long requests inside may take before an invalidation counts as timed out */
    Invalidator(InvalidationLog log, VtdFeatures features, InterruptRemapper interrupts, long drainNanos) {
        this.log = log;
        this.features = features;
        this.interrupts = interrupts;
        this.drainNanos = drainNanos;
    }

    boolean contextCache(int granularity, int domainId, int sourceId, int functionMask) {
        switch (granularity) {
            case InvalidationDescriptor.GLOBAL -> log.publish(Invalidation.CONTEXT_ALL, 0, 0, -1L);
            case InvalidationDescriptor.DOMAIN ->
                log.publish(Invalidation.CONTEXT_DOMAIN, Invalidation.tag(domainId, 0), 0, -1L);
            case InvalidationDescriptor.DEVICE ->
                log.publish(Invalidation.CONTEXT_DEVICE, Invalidation.deviceTag(domainId, sourceId, functionMask), 0, -1L);
            default -> {
                return false;
            }
        }
        return true;
    }

    boolean pasidCache(int granularity, int domainId, int pasid) {
        switch (granularity) {
            case InvalidationDescriptor.PASID_CACHE_DOMAIN ->
                log.publish(Invalidation.PASID_DOMAIN, Invalidation.tag(domainId, 0), 0, -1L);
            case InvalidationDescriptor.PASID_CACHE_PASID ->
                log.publish(Invalidation.PASID_SELECTIVE, Invalidation.tag(domainId, pasid), 0, -1L);
            case InvalidationDescriptor.PASID_CACHE_GLOBAL -> log.publish(Invalidation.PASID_ALL, 0, 0, -1L);
            default -> {
                return false;
            }
        }
        return true;
    }

    boolean iotlb(int granularity, int domainId, long address, int addressMask) {
        switch (granularity) {
            case InvalidationDescriptor.GLOBAL -> log.publish(Invalidation.IOTLB_ALL, 0, 0, -1L);
            case InvalidationDescriptor.DOMAIN ->
                log.publish(Invalidation.IOTLB_DOMAIN, Invalidation.tag(domainId, 0), 0, -1L);
            case InvalidationDescriptor.PAGES -> {
                if (!features.has(VtdFeature.PAGE_SELECTIVE) || addressMask > features.maxAddressMask()) {
                    return false;
                }
                long inside = inside(addressMask);
                log.publish(Invalidation.IOTLB_PAGES, Invalidation.tag(domainId, 0), address & ~inside, address | inside);
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    boolean pasidIotlb(int granularity, int domainId, int pasid, long address, int addressMask) {
        switch (granularity) {
            case InvalidationDescriptor.PASID ->
                log.publish(Invalidation.FIRST_STAGE_PASID, Invalidation.tag(domainId, pasid), 0, -1L);
            case InvalidationDescriptor.PASID_PAGES -> {
                long inside = inside(addressMask);
                log.publish(Invalidation.FIRST_STAGE_PAGES, Invalidation.tag(domainId, pasid), address & ~inside, address | inside);
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    /** All caches, and every request that may still use what was in them. */
    boolean everything() {
        log.publish(Invalidation.EVERYTHING, 0, 0, -1L);
        return log.awaitQuiescence(drainNanos);
    }

    /** What a page request drops by itself (Table 27). */
    void pageRequested(RequesterContext context, long address) {
        long first = address & -1L << PAGE_LG2;
        long last = first | inside(0);
        switch (context.type) {
            case PasidTableEntry.FIRST_STAGE -> log.publish(Invalidation.FIRST_STAGE_PAGES,
                    Invalidation.tag(context.domainId, context.pasid), first, last);
            case PasidTableEntry.NESTED -> log.publish(Invalidation.IOTLB_DOMAIN, Invalidation.tag(context.domainId, 0), 0, -1L);
            default -> log.publish(Invalidation.IOTLB_PAGES, Invalidation.tag(context.domainId, 0), first, last);
        }
    }

    /** Waits for DMA and interrupts that may have started before what was published. @return false if one did not end */
    boolean drain() {
        return log.awaitQuiescence(drainNanos) && interrupts.drain(drainNanos);
    }

    private static long inside(int addressMask) {
        return PAGE_LG2 + addressMask >= Long.SIZE ? -1L : (1L << PAGE_LG2 + addressMask) - 1;
    }
}
