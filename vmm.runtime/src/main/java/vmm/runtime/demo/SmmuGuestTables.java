package vmm.runtime.demo;

import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.NestedHwpt;
import iommufd.api.NestedTable;
import iommufd.api.PagingHwpt;
import iommufd.api.Viommu;
import iommufd.api.ViommuTable;
import iommufd.api.uapi.IommuHwptArmSmmuv3;
import iommufd.api.uapi.IommuViommuAlloc;
import iommufd.api.uapi.IommuViommuArmSmmuv3Invalidate;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** A guest's stream table entry, as its monitor hands it on (a vSTE), with the {@link SmmuStageOne} that it names. */
final class SmmuGuestTables implements GuestTables {
    /** {@code IOMMU_HWPT_DATA_ARM_SMMUV3}. */
    private static final int DATA_TYPE = 2;
    /** {@code IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3}. */
    private static final int INVALIDATE_TYPE = 1;
    /** What the guest calls its device. */
    private static final long STREAM = 0x42;
    /** Word 0 of the entry: valid. */
    private static final long VALID = 1;
    /** Word 0: Config, stage 1. */
    private static final long CONFIG_STAGE_1 = 5L << 1;
    /** Opcode of CMD_TLBI_NH_VA (IHI 0070, §4.4). */
    private static final long INVALIDATE_ADDRESS = 0x12;
    private static final int ASID_SHIFT = 48;
    /** Word 1: only leaves have changed. */
    private static final long LEAF = 1;

    private final SmmuStageOne stage;
    private final Viommu viommu;
    private final NestedHwpt hwpt;

    SmmuGuestTables(Guest guest, PagingHwpt parent) {
        stage = new SmmuStageOne(guest.ram().segment());
        viommu = guest.context().allocateViommu(guest.device(), parent,
                new ViommuTable(IommuViommuAlloc.IOMMU_VIOMMU_TYPE_ARM_SMMUV3, new byte[0]));
        viommu.allocateVdevice(guest.device(), STREAM);
        byte[] bytes = new byte[IommuHwptArmSmmuv3.SIZE_BYTES];
        IommuHwptArmSmmuv3.ste(MemorySegment.ofArray(bytes), 0, VALID | CONFIG_STAGE_1 | SmmuStageOne.CONTEXT);
        hwpt = viommu.allocateNestedHwpt(guest.device(), new NestedTable(DATA_TYPE, bytes), Optional.empty());
    }

    @Override
    public NestedHwpt hwpt() {
        return hwpt;
    }

    @Override
    public void map(long guestAddress) {
        stage.map(guestAddress);
    }

    @Override
    public void unmap() {
        stage.unmap();
    }

    @Override
    public InvalidationResult invalidate() {
        MemorySegment command = MemorySegment.ofArray(new byte[IommuViommuArmSmmuv3Invalidate.SIZE_BYTES]);
        IommuViommuArmSmmuv3Invalidate.cmd(command, 0, INVALIDATE_ADDRESS | SmmuStageOne.ASID << ASID_SHIFT);
        IommuViommuArmSmmuv3Invalidate.cmd(command, 1, IOVA | LEAF);
        return viommu.invalidate(new InvalidationEntries(INVALIDATE_TYPE, IommuViommuArmSmmuv3Invalidate.SIZE_BYTES, 1, command));
    }
}
