package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static vmm.devices.nvme.SubmissionEntry.LE_INT;

import java.lang.foreign.MemorySegment;

/** Builds log pages (NVMe 1.4, §5.14). One thread. */
final class LogPages {
    static final int ERRORS = 1;
    static final int HEALTH = 2;
    static final int FIRMWARE = 3;
    static final int CHANGED_NAMESPACES = 4;
    static final int COMMANDS = 5;
    /** What {@link #write} answers for a page there is not. */
    static final int NONE = -1;

    private static final int MAX_BYTES = 4096;
    private static final int OPCODES = 256;

    private final ErrorLog errors;
    private final Health health;
    private final Features features;
    private final ChangedNamespaces changed;

    LogPages(NvmeSubsystem subsystem, Features features) {
        errors = subsystem.errors();
        health = subsystem.health();
        changed = subsystem.changed();
        this.features = features;
    }

    /** Whether the page is one of each namespace or the whole controller: only the whole is there. */
    static boolean acceptsNamespace(int page, int namespaceId) {
        return page != HEALTH || namespaceId == 0 || namespaceId == NamespaceSet.ALL;
    }

    /**
     * Fills a log page.
     *
     * @param target {@value #MAX_BYTES} bytes
     * @return its length, or {@link #NONE}
     */
    int write(int page, MemorySegment target) {
        target.fill((byte) 0);
        switch (page) {
            case ERRORS -> {
                errors.write(target);
                return MAX_BYTES;
            }
            case HEALTH -> {
                health.write(target, features.tooHot(), errors.count());
                return Health.LOG_BYTES;
            }
            case FIRMWARE -> {
                target.set(JAVA_BYTE, 0, (byte) 1);   // slot 1 is active
                IdentifyData.text(target, 8, IdentifyData.FIRMWARE, 8);
                return Health.LOG_BYTES;
            }
            case CHANGED_NAMESPACES -> {
                changed.write(target);
                return MAX_BYTES;
            }
            case COMMANDS -> {
                for (int opcode = 0; opcode < OPCODES; opcode++) {
                    target.set(LE_INT, opcode * Integer.BYTES, Opcode.adminEffects(opcode));
                    target.set(LE_INT, (OPCODES + opcode) * Integer.BYTES, Opcode.ioEffects(opcode));
                }
                return MAX_BYTES;
            }
            default -> {
                return NONE;
            }
        }
    }
}
