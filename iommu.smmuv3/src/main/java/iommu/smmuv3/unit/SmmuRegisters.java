package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.unit.RegisterFile;

/** What software may change of a unit's registers, and when (IHI 0070, §6.3). */
final class SmmuRegisters {
    private static final int MSI_ATTRIBUTES = 0x3f;
    private static final int[] MESSAGES = {GERROR_IRQ_CFG0, EVENTQ_IRQ_CFG0, PRIQ_IRQ_CFG0};
    private static final int[] MESSAGE_ENABLES = {IRQ_CTRL_GERROR, IRQ_CTRL_EVENTQ, IRQ_CTRL_PRIQ};
    private static final int MESSAGE_BYTES = 16;

    private final RegisterFile registers;
    private final SmmuFeatures features;
    private final int enables;

    SmmuRegisters(RegisterFile registers, SmmuFeatures features) {
        this.registers = registers;
        this.features = features;
        enables = CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN | (features.has(SmmuFeature.PRI) ? CR0_PRIQEN : 0)
                | (features.has(SmmuFeature.ATS) ? CR0_ATSCHK : 0)
                | (features.has(SmmuFeature.VMID_WILDCARD) ? CR0_VMW_MASK << CR0_VMW_SHIFT : 0);
    }

    /** Bits of CR0 that the unit has. */
    int enables() {
        return enables;
    }

    /** Gives every register its value after reset. */
    void reset() {
        registers.define32(IDR0, features.idr0(), 0, 0);
        registers.define32(IDR1, features.idr1(), 0, 0);
        registers.define32(IDR3, features.idr3(), 0, 0);
        registers.define32(IDR5, features.idr5(), 0, 0);
        registers.define32(AIDR, AIDR_V3_1, 0, 0);
        registers.define32(CR0, 0, enables, 0);
        registers.define32(CR0ACK, 0, 0, 0);
        registers.define32(CR1, 0, CR1_TABLE | CR1_QUEUE, 0);
        registers.define32(CR2, 0, CR2_RECINVSID | CR2_PTM | (features.has(SmmuFeature.HYPERVISOR) ? CR2_E2H : 0)
                | (features.has(SmmuFeature.ATS_RECORDS) ? CR2_REC_CFG_ATS : 0), 0);
        int passing = features.has(SmmuFeature.ABORT_AFTER_RESET) ? GBPA_ABORT : GBPA_SHCFG_INCOMING;
        registers.define32(GBPA, passing, GBPA_ABORT | GBPA_ATTRIBUTES, 0);
        registers.define32(IRQ_CTRL, 0, IRQ_CTRL_GERROR | IRQ_CTRL_EVENTQ | (features.has(SmmuFeature.PRI) ? IRQ_CTRL_PRIQ : 0), 0);
        registers.define32(IRQ_CTRLACK, 0, 0, 0);
        registers.define32(GERROR, 0, 0, 0);
        registers.define32(GERRORN, 0, GERROR_ALL, 0);
        defineMessage(GERROR_IRQ_CFG0, 0);
        registers.define64(STRTAB_BASE, 0, STRTAB_BASE_ADDRESS | BASE_HINT, 0);
        registers.define32(STRTAB_BASE_CFG, 0, STRTAB_FMT | 0x1f << STRTAB_SPLIT_SHIFT | STRTAB_LOG2SIZE, 0);
        registers.define64(CMDQ_BASE, 0, QUEUE_BASE_ADDRESS | BASE_HINT | QUEUE_LOG2SIZE, 0);
        registers.define32(CMDQ_PROD, 0, QUEUE_INDEX, 0);
        registers.define32(CMDQ_CONS, 0, QUEUE_INDEX | CMDQ_CONS_ERR, 0);
        defineOutput(EVENTQ_BASE, EVENTQ_PROD, EVENTQ_CONS, true);
        defineMessage(EVENTQ_IRQ_CFG0, 0);
        defineOutput(PRIQ_BASE, PRIQ_PROD, PRIQ_CONS, features.has(SmmuFeature.PRI));
        defineMessage(PRIQ_IRQ_CFG0, PRIQ_IRQ_LAST_ONLY);
        boolean translates = features.has(SmmuFeature.ATOS);
        registers.define32(GATOS_CTRL, 0, 0, 0);
        registers.define64(GATOS_SID, 0, translates ? atosStream() : 0, 0);
        registers.define64(GATOS_ADDR, 0, translates ? GATOS_ADDR_FIELDS : 0, 0);
        registers.define64(GATOS_PAR, 0, 0, 0);
    }

    private long atosStream() {
        long substreams = features.substreamIdBits() == 0 ? 0 : (1L << features.substreamIdBits()) - 1 << 32 | GATOS_SID_SSV;
        return (1L << features.streamIdBits()) - 1 | substreams;
    }

    private void defineOutput(int base, int producer, int consumer, boolean there) {
        registers.define64(base, 0, there ? QUEUE_BASE_ADDRESS | BASE_HINT | QUEUE_LOG2SIZE : 0, 0);
        registers.define32(SmmuUnit.internal(producer), 0, there ? QUEUE_INDEX | EVENTQ_OVERFLOW : 0, 0);
        registers.define32(SmmuUnit.internal(consumer), 0, there ? QUEUE_INDEX | EVENTQ_OVERFLOW : 0, 0);
    }

    /** The attributes of messages cannot be seen here; what else a register has, can. */
    private void defineMessage(int cfg0, int else2) {
        boolean there = cfg0 != PRIQ_IRQ_CFG0 || features.has(SmmuFeature.PRI);
        boolean messages = there && features.has(SmmuFeature.MSI);
        registers.define64(cfg0, 0, messages ? IRQ_CFG0_ADDRESS : 0, 0);
        registers.define32(cfg0 + IRQ_CFG1, 0, messages ? -1 : 0, 0);
        registers.define32(cfg0 + IRQ_CFG2, 0, (messages ? MSI_ATTRIBUTES : 0) | (there ? else2 : 0), 0);
    }

    /** Whether a register is read-only in the present state. */
    boolean locked(int offset) {
        int inForce = registers.get32(CR0ACK);
        for (int i = 0; i < MESSAGES.length; i++) {
            if (offset >= MESSAGES[i] && offset < MESSAGES[i] + MESSAGE_BYTES) {
                return (registers.get32(IRQ_CTRLACK) & MESSAGE_ENABLES[i]) != 0;
            }
        }
        return switch (offset) {
            case CR2, STRTAB_BASE, STRTAB_BASE + 4, STRTAB_BASE_CFG -> (inForce & CR0_SMMUEN) != 0;
            case CMDQ_BASE, CMDQ_BASE + 4, CMDQ_CONS -> (inForce & CR0_CMDQEN) != 0;
            case EVENTQ_BASE, EVENTQ_BASE + 4, EVENTQ_PROD -> (inForce & CR0_EVENTQEN) != 0;
            case PRIQ_BASE, PRIQ_BASE + 4, PRIQ_PROD -> (inForce & CR0_PRIQEN) != 0;
            default -> false;
        };
    }
}
