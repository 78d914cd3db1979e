package iommu.smmuv3.unit;

import static iommu.smmuv3.format.VirtualQueueRegister.*;

import java.util.ArrayList;
import java.util.List;

/**
 * Command queues beside the unit's own, given to interfaces: a hypervisor gives an interface to a guest, which then rings the unit
 * itself. Registers are those of NVIDIA's Tegra241 CMDQV, with {@value #INTERFACES} interfaces and {@value #QUEUES} queues.
 * Registers are guarded by the unit's lock; rings are without.
 */
final class VirtualQueues {
    static final int INTERFACES_LG2 = 2;
    static final int INTERFACES = 1 << INTERFACES_LG2;
    static final int QUEUES_LG2 = 3;
    static final int QUEUES = 1 << QUEUES_LG2;
    static final int QUEUES_EACH = QUEUES / INTERFACES;
    static final int SIDS_LG2 = 4;
    static final int SIDS = 1 << SIDS_LG2;
    /** Size of the register space. */
    static final int SPACE_BYTES = INTERFACE_PAGES + INTERFACES * 2 * PAGE_BYTES;
    private static final int VERSION = 1;
    private static final int PARAMETERS = SIDS_LG2 << PARAM_SIDS_SHIFT | INTERFACES_LG2 << PARAM_INTERFACES_SHIFT
            | QUEUES_LG2 << PARAM_QUEUES_SHIFT | VERSION;
    private static final int ALLOCATION_FIELDS = ALLOCATION_INTERFACE << ALLOCATION_INTERFACE_SHIFT
            | ALLOCATION_NUMBER << ALLOCATION_NUMBER_SHIFT | ENABLE;

    private final SmmuUnit unit;
    private final boolean present;
    private final List<VirtualCommandQueue> queues = new ArrayList<>();
    private final Interface[] interfaces = new Interface[INTERFACES];
    private boolean enabled;
    private int mask;
    private volatile boolean closed;

    /** Whose queues: a VMID, and its streams. */
    private static final class Interface {
        private int config;
        private final int[] guestStreams = new int[SIDS];
        private final int[] streams = new int[SIDS];
    }

    VirtualQueues(SmmuUnit unit, CommandExecutor executor) {
        this.unit = unit;
        present = unit.features().has(SmmuFeature.VIRTUAL_QUEUES);
        for (int number = 0; present && number < QUEUES; number++) {
            queues.add(new VirtualCommandQueue(unit, executor, this, number));
        }
        for (int number = 0; number < INTERFACES; number++) {
            interfaces[number] = new Interface();
        }
    }

    void reset() {
        enabled = false;
        mask = 0;
        queues.forEach(VirtualCommandQueue::reset);
        for (int number = 0; number < INTERFACES; number++) {
            interfaces[number] = new Interface();
        }
    }

    void close() {
        closed = true;
        queues.forEach(VirtualCommandQueue::close);
    }

    boolean closed() {
        return closed;
    }

    private boolean implemented(int offset, int bytes) {
        return present && offset < SPACE_BYTES && (bytes == 4 || bytes == 8) && (offset & 3) == 0;
    }

    /** A register read; 64-bit registers are two words, which need not be aligned to 8. */
    long read(int offset, int bytes) {
        if (!implemented(offset, bytes)) {
            return 0;
        }
        unit.lock().lock();
        try {
            long low = get(offset) & 0xffff_ffffL;
            return bytes == 4 ? low : low | (long) get(offset + 4) << 32;
        } finally {
            unit.lock().unlock();
        }
    }

    /** A register write; commands are carried out before it returns, as for the unit's own queue. */
    void write(int offset, int bytes, long value) {
        if (!implemented(offset, bytes)) {
            return;
        }
        List<VirtualCommandQueue> rung = new ArrayList<>();
        unit.lock().lock();
        try {
            put(offset, (int) value, rung);
            if (bytes == 8) {
                put(offset + 4, (int) (value >>> 32), rung);
            }
        } finally {
            unit.lock().unlock();
        }
        rung.forEach(VirtualCommandQueue::ring);
    }

    private int get(int offset) {
        if (offset >= QUEUE_PAGE0) {
            List<VirtualCommandQueue> queue = queueAt(offset);
            return queue.isEmpty() ? 0 : queue.getFirst().get(isPage1(offset), offset & (1 << QUEUE_LG2) - 1);
        }
        if (offset >= INTERFACE && offset < INTERFACE + (INTERFACES << INTERFACE_LG2)) {
            return getOfInterface(offset - INTERFACE >>> INTERFACE_LG2, offset & (1 << INTERFACE_LG2) - 1);
        }
        if (offset >= ALLOCATION && offset < ALLOCATION + 4 * QUEUES) {
            return queues.get(offset - ALLOCATION >>> 2).allocation();
        }
        return switch (offset) {
            case CONFIG, STATUS -> enabled ? ENABLE : 0;
            case PARAM -> PARAMETERS;
            case INTERFACE_ERRORS -> interfaceErrors();
            case INTERFACE_MASK -> mask;
            case QUEUE_ERRORS -> queueErrors();
            default -> 0;
        };
    }

    private int interfaceErrors() {
        int map = 0;
        for (VirtualCommandQueue queue : queues) {
            map |= queue.allocated() && queue.hasError() ? 1 << queue.interfaceNumber() : 0;
        }
        return map;
    }

    private int queueErrors() {
        int map = 0;
        for (VirtualCommandQueue queue : queues) {
            map |= queue.hasError() ? 1 << queue.number() : 0;
        }
        return map;
    }

    private int getOfInterface(int number, int offset) {
        Interface one = interfaces[number];
        if (offset >= SID_MATCH && offset < SID_MATCH + 4 * SIDS) {
            return one.guestStreams[offset - SID_MATCH >>> 2];
        }
        if (offset >= SID_REPLACE && offset < SID_REPLACE + 4 * SIDS) {
            return one.streams[offset - SID_REPLACE >>> 2];
        }
        return switch (offset) {
            case INTERFACE_CONFIG -> one.config;
            case INTERFACE_STATUS -> one.config & ENABLE;
            case INTERFACE_QUEUE_ERRORS -> {
                int map = 0;
                for (VirtualCommandQueue queue : queues) {
                    map |= queue.allocated() && queue.interfaceNumber() == number && queue.hasError() ? 1 << queue.localNumber() : 0;
                }
                yield map;
            }
            default -> 0;
        };
    }

    private void put(int offset, int value, List<VirtualCommandQueue> rung) {
        if (offset >= QUEUE_PAGE0) {
            for (VirtualCommandQueue queue : queueAt(offset)) {
                if (queue.put(isPage1(offset), offset & (1 << QUEUE_LG2) - 1, value)) {
                    rung.add(queue);
                }
            }
        } else if (offset >= INTERFACE && offset < INTERFACE + (INTERFACES << INTERFACE_LG2)) {
            putOfInterface(interfaces[offset - INTERFACE >>> INTERFACE_LG2], offset & (1 << INTERFACE_LG2) - 1, value);
        } else if (offset >= ALLOCATION && offset < ALLOCATION + 4 * QUEUES) {
            queues.get(offset - ALLOCATION >>> 2).allocate(value & ALLOCATION_FIELDS);
        } else if (offset == CONFIG) {
            enabled = (value & ENABLE) != 0;
        } else if (offset == INTERFACE_MASK) {
            mask = value;
        }
    }

    private static void putOfInterface(Interface one, int offset, int value) {
        if (offset >= SID_MATCH && offset < SID_MATCH + 4 * SIDS) {
            one.guestStreams[offset - SID_MATCH >>> 2] = value & (SID_MATCH_MASK << SID_MATCH_SHIFT | ENABLE);
        } else if (offset >= SID_REPLACE && offset < SID_REPLACE + 4 * SIDS) {
            one.streams[offset - SID_REPLACE >>> 2] = value;
        } else if (offset == INTERFACE_CONFIG) {
            one.config = value & INTERFACE_CONFIG_FIELDS;
        }
    }

    private static boolean isPage1(int offset) {
        return offset < INTERFACE_PAGES ? offset >= QUEUE_PAGE1 : (offset - INTERFACE_PAGES & PAGE_BYTES) != 0;
    }

    /** The queue whose registers lie there: by its own number, or by its number in an interface. Empty if there is none. */
    private List<VirtualCommandQueue> queueAt(int offset) {
        int number = (offset & PAGE_BYTES - 1) >>> QUEUE_LG2;
        if (offset < INTERFACE_PAGES) {
            return number < QUEUES ? List.of(queues.get(number)) : List.of();
        }
        int owner = (offset - INTERFACE_PAGES) / (2 * PAGE_BYTES);
        for (VirtualCommandQueue queue : queues) {
            if (queue.allocated() && queue.interfaceNumber() == owner && queue.localNumber() == number) {
                return List.of(queue);
            }
        }
        return List.of();
    }

    /** Whether a queue may run, if it is enabled itself. The unit's lock is held, as by the following. */
    boolean serves(VirtualCommandQueue queue) {
        int owner = queue.interfaceNumber();
        return enabled && queue.allocated() && owner < INTERFACES && queue.localNumber() < QUEUES_EACH
                && (interfaces[owner].config & ENABLE) != 0;
    }

    boolean masked(int number) {
        return (mask >>> number & 1) != 0;
    }

    int config(int number) {
        return interfaces[number].config;
    }

    /** The StreamID that a guest's StreamID stands for, or negative. */
    long stream(int number, int guestStream) {
        Interface one = interfaces[number];
        for (int i = 0; i < SIDS; i++) {
            if (one.guestStreams[i] == (guestStream << SID_MATCH_SHIFT | ENABLE) && guestStream >>> 20 == 0) {
                return one.streams[i] & 0xffff_ffffL;
            }
        }
        return -1;
    }
}
