package iommu.vtd.driver;

import iommu.vtd.format.Capability;
import iommu.vtd.format.ExtendedCapability;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.PasidTableEntry;
import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.uapi.IommuHwptVtdS1;
import iommufd.api.uapi.IommuHwptVtdS1Invalidate;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * A guest's first stage over a second stage of ours ({@code IOMMU_HWPT_DATA_VTD_S1}). It is tagged with the domain-id of that
 * second stage, as §9.6 allows: so what is unmapped there is gone from here by the same descriptors.
 */
final class VtdNestedDomain implements NestedDomain, AttachedDomain {
    /** {@code IOMMU_HWPT_DATA_VTD_S1}. */
    static final int TABLE_TYPE = 1;
    /** {@code IOMMU_HWPT_INVALIDATE_DATA_VTD_S1}. */
    private static final int INVALIDATION_TYPE = 0;
    private static final int KNOWN_FLAGS =
            IommuHwptVtdS1.IOMMU_VTD_S1_SRE | IommuHwptVtdS1.IOMMU_VTD_S1_EAFE | IommuHwptVtdS1.IOMMU_VTD_S1_WPE;
    private static final int PAGE_LG2 = 12;
    private static final long EVERYTHING = -1L;

    private final VtdDomain parent;
    private final CommandQueue queue;
    private final long word2;
    /** Changes are guarded by the parent. */
    private final AttachedPasids pasids = new AttachedPasids();

    private VtdNestedDomain(VtdDomain parent, CommandQueue queue, long word2) {
        this.parent = parent;
        this.queue = queue;
        this.word2 = word2;
    }

    /** @throws IommufdException {@link Errno#EOPNOTSUPP} for another type; {@link Errno#EINVAL} for what the unit cannot do */
    static VtdNestedDomain of(VtdDomain parent, NestedTable table, CommandQueue queue, long capability, long extendedCapability) {
        if (table.type() != TABLE_TYPE) {
            throw new IommufdException(Errno.EOPNOTSUPP, "VT-d knows no nested table of type " + table.type());
        }
        require(table.lengthBytes() >= IommuHwptVtdS1.SIZE_BYTES, "struct iommu_hwpt_vtd_s1 is longer than " + table.lengthBytes() + " bytes");
        MemorySegment struct = MemorySegment.ofArray(table.bytes());
        for (long at = IommuHwptVtdS1.SIZE_BYTES; at < struct.byteSize(); at++) {
            if (struct.get(ValueLayout.JAVA_BYTE, at) != 0) {
                throw new IommufdException(Errno.E2BIG, "struct iommu_hwpt_vtd_s1 has fields that are not known here");
            }
        }
        long flags = IommuHwptVtdS1.flags(struct);
        long root = IommuHwptVtdS1.pgtblAddr(struct);
        int width = IommuHwptVtdS1.addrWidth(struct);
        require((flags & ~KNOWN_FLAGS) == 0, "flags 0x%x are not known".formatted(flags));
        require(IommuHwptVtdS1.reserved(struct) == 0, "__reserved is not 0");
        require(width == 48 || width == 57 && (capability & Capability.FIRST_STAGE_5_LEVELS) != 0,
                "the unit has no first stage of %d bits".formatted(width));
        require((flags & IommuHwptVtdS1.IOMMU_VTD_S1_SRE) == 0 || (extendedCapability & ExtendedCapability.SUPERVISOR) != 0,
                "the unit has no supervisor requests (ECAP.SRS is 0)");
        require((flags & IommuHwptVtdS1.IOMMU_VTD_S1_EAFE) == 0 || (extendedCapability & ExtendedCapability.EXTENDED_ACCESSED) != 0,
                "the unit has no extended accessed flag (ECAP.EAFS is 0)");
        require((root & ~HostAddress.PAGE) == 0 && Long.compareUnsigned(root, parent.geometry().aperture().last()) <= 0,
                "0x%x is no page that the second stage can describe".formatted(root));
        return new VtdNestedDomain(parent, queue, PasidTableEntry.firstStageTable(root, width == 57 ? 5 : 4)
                | ((flags & IommuHwptVtdS1.IOMMU_VTD_S1_SRE) != 0 ? PasidTableEntry.SUPERVISOR : 0)
                | ((flags & IommuHwptVtdS1.IOMMU_VTD_S1_WPE) != 0 ? PasidTableEntry.WRITE_PROTECT : 0)
                | ((flags & IommuHwptVtdS1.IOMMU_VTD_S1_EAFE) != 0 ? PasidTableEntry.EXTENDED_ACCESSED : 0));
    }

    private static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new IommufdException(Errno.EINVAL, otherwise);
        }
    }

    @Override
    public VtdDomain stage() {
        return parent;
    }

    @Override
    public boolean firstStage() {
        return true;
    }

    @Override
    public boolean endsInSecondStage() {
        return true;
    }

    @Override
    public long pasidWord0() {
        return parent.nestedWord0();
    }

    @Override
    public long pasidWord2() {
        return word2;
    }

    @Override
    public void join(VtdEndpoint endpoint, int pasid) {
        pasids.add(pasid);
        parent.attach(endpoint, pasid, this);
    }

    @Override
    public void left(int pasid) {
        synchronized (parent) {
            pasids.remove(pasid);
        }
        parent.left(pasid);
    }

    @Override
    public InvalidationResult invalidate(InvalidationEntries entries) {
        if (entries.dataType() != INVALIDATION_TYPE) {
            throw new IommufdException(Errno.EINVAL, "VT-d knows no invalidation of type " + entries.dataType());
        }
        if (entries.entryBytes() < IommuHwptVtdS1Invalidate.SIZE_BYTES) {
            return new InvalidationResult(0, Optional.of(Errno.EINVAL));
        }
        for (int i = 0; i < entries.count(); i++) {
            Optional<Errno> refusal = invalidate(entries.bytes().asSlice((long) i * entries.entryBytes(), entries.entryBytes()));
            if (refusal.isPresent()) {
                return new InvalidationResult(i, refusal);
            }
        }
        return InvalidationResult.complete(entries.count());
    }

    private Optional<Errno> invalidate(MemorySegment entry) {
        for (long at = IommuHwptVtdS1Invalidate.SIZE_BYTES; at < entry.byteSize(); at++) {
            if (entry.get(ValueLayout.JAVA_BYTE, at) != 0) {
                return Optional.of(Errno.E2BIG);
            }
        }
        long first = IommuHwptVtdS1Invalidate.addr(entry);
        long pages = IommuHwptVtdS1Invalidate.npages(entry);
        int flags = IommuHwptVtdS1Invalidate.flags(entry);
        if ((flags & ~IommuHwptVtdS1Invalidate.IOMMU_VTD_INV_FLAGS_LEAF) != 0 || IommuHwptVtdS1Invalidate.reserved(entry) != 0) {
            return Optional.of(Errno.EOPNOTSUPP);
        }
        if ((first & (1L << PAGE_LG2) - 1) != 0 || pages == EVERYTHING && first != 0) {
            return Optional.of(Errno.EINVAL);
        }
        if (pages != 0) {
            // A range that wraps around can only mean everything from its start on.
            boolean open = pages < 0 || pages > (-1L >>> PAGE_LG2) - (first >>> PAGE_LG2);
            long last = open ? -1L : first + (pages << PAGE_LG2) - 1;
            queue.firstStagePages(parent.domainId(), pasids, first, last, (flags & IommuHwptVtdS1Invalidate.IOMMU_VTD_INV_FLAGS_LEAF) != 0,
                    parent.deviceTlbs());
        }
        return Optional.empty();
    }

    @Override
    public void close() {
        assert pasids.distinct().length == 0 : "a nested domain is closed while attached";
    }
}
