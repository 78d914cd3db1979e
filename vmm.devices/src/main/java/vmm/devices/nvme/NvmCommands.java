package vmm.devices.nvme;

import static vmm.devices.nvme.NvmeStatus.SUCCESS;
import static vmm.devices.nvme.SubmissionEntry.LE_INT;
import static vmm.devices.nvme.SubmissionEntry.LE_LONG;
import static vmm.devices.nvme.SubmissionEntry.commandWord;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Executes I/O commands (NVM command set; NVMe 1.4, §6). One thread; reads and writes allocate nothing. */
final class NvmCommands {
    private static final int BLOCK_COUNT_MASK = 0xffff;
    private static final int FORCE_UNIT_ACCESS = 1 << 30;
    /** DEAC of write zeroes. */
    private static final int DEALLOCATE = 1 << 25;
    /** AD of dataset management. */
    private static final int ATTRIBUTE_DEALLOCATE = 1 << 2;
    private static final int RANGE_BYTES = 16;
    private static final int MAX_RANGES = 256;

    private final NamespaceSet namespaces;
    private final Features features;
    private final Health health;
    private final DataPointer pointer;
    private final DmaPort port;
    private final MemorySegment ranges;

    NvmCommands(NvmeSubsystem subsystem, Features features, DataPointer pointer, DmaPort port, Arena arena) {
        namespaces = subsystem.namespaces();
        health = subsystem.health();
        this.features = features;
        this.pointer = pointer;
        this.port = port;
        ranges = arena.allocate(MAX_RANGES * RANGE_BYTES, Long.BYTES);
    }

    /** Executes the command at {@code at} and returns its status. */
    int execute(MemorySegment commands, long at) {
        int opcode = SubmissionEntry.opcode(commands, at);
        int namespaceId = SubmissionEntry.namespaceId(commands, at);
        if (SubmissionEntry.fused(commands, at) != 0) {
            return NvmeStatus.INVALID_FIELD;
        }
        if (opcode == Opcode.FLUSH && namespaceId == NamespaceSet.ALL) {
            return namespaces.flush();
        }
        if (!namespaces.contains(namespaceId)) {
            return Opcode.ioEffects(opcode) == 0 ? NvmeStatus.INVALID_OPCODE : NvmeStatus.INVALID_NAMESPACE;
        }
        Namespace namespace = namespaces.get(namespaceId);
        return switch (opcode) {
            case Opcode.READ -> read(namespace, commands, at);
            case Opcode.WRITE -> write(namespace, commands, at);
            case Opcode.FLUSH -> namespace.flush();
            case Opcode.COMPARE -> compare(namespace, commands, at);
            case Opcode.WRITE_ZEROES -> writeZeroes(namespace, commands, at);
            case Opcode.DATASET_MANAGEMENT -> manage(namespace, commands, at);
            case Opcode.VERIFY -> verify(namespace, commands, at);
            default -> NvmeStatus.INVALID_OPCODE;
        };
    }

    private static long blockCount(MemorySegment commands, long at) {
        return (commandWord(commands, at, 12) & BLOCK_COUNT_MASK) + 1;
    }

    /** Checks where a command with data goes, and finds its data. @return status */
    private int prepare(Namespace namespace, MemorySegment commands, long at, boolean toHost) {
        long count = blockCount(commands, at);
        long lengthBytes = count << namespace.blockLg2();
        if (lengthBytes > IdentifyData.MAX_TRANSFER_BYTES) {
            return NvmeStatus.INVALID_FIELD;
        }
        if (!namespace.contains(SubmissionEntry.startBlock(commands, at), count)) {
            return NvmeStatus.LBA_OUT_OF_RANGE;
        }
        return pointer.find(commands, at, lengthBytes, toHost);
    }

    private int read(Namespace namespace, MemorySegment commands, long at) {
        int status = prepare(namespace, commands, at, true);
        if (status == SUCCESS) {
            long lengthBytes = blockCount(commands, at) << namespace.blockLg2();
            status = namespace.read(SubmissionEntry.startBlock(commands, at), lengthBytes, pointer.pieces(), port);
            health.read(lengthBytes);
        }
        return status;
    }

    private int write(Namespace namespace, MemorySegment commands, long at) {
        if (namespace.readOnly()) {
            return NvmeStatus.WRITE_PROTECTED;
        }
        int status = prepare(namespace, commands, at, false);
        if (status == SUCCESS) {
            long lengthBytes = blockCount(commands, at) << namespace.blockLg2();
            status = namespace.write(SubmissionEntry.startBlock(commands, at), lengthBytes, pointer.pieces(), port);
            health.wrote(lengthBytes);
            status = status == SUCCESS ? harden(namespace, commands, at) : status;
        }
        return status;
    }

    /** Waits for the medium if the command wants that, or if there is no write cache. */
    private int harden(Namespace namespace, MemorySegment commands, long at) {
        boolean asked = (commandWord(commands, at, 12) & FORCE_UNIT_ACCESS) != 0;
        return asked || !features.writeCache() ? namespace.flush() : SUCCESS;
    }

    private int compare(Namespace namespace, MemorySegment commands, long at) {
        int status = prepare(namespace, commands, at, false);
        if (status == SUCCESS) {
            long lengthBytes = blockCount(commands, at) << namespace.blockLg2();
            status = namespace.compare(SubmissionEntry.startBlock(commands, at), lengthBytes, pointer.pieces(), port);
            health.read(lengthBytes);
        }
        return status;
    }

    private int writeZeroes(Namespace namespace, MemorySegment commands, long at) {
        long start = SubmissionEntry.startBlock(commands, at);
        long count = blockCount(commands, at);
        if (namespace.readOnly()) {
            return NvmeStatus.WRITE_PROTECTED;
        }
        if (!namespace.contains(start, count)) {
            return NvmeStatus.LBA_OUT_OF_RANGE;
        }
        boolean deallocate = (commandWord(commands, at, 12) & DEALLOCATE) != 0;
        int status = deallocate ? namespace.deallocate(start, count) : namespace.zero(start, count);
        health.wrote(0);
        return status == SUCCESS ? harden(namespace, commands, at) : status;
    }

    private int verify(Namespace namespace, MemorySegment commands, long at) {
        long start = SubmissionEntry.startBlock(commands, at);
        long count = blockCount(commands, at);
        return namespace.contains(start, count) ? namespace.verify(start, count) : NvmeStatus.LBA_OUT_OF_RANGE;
    }

    /** All ranges are checked before the first is touched. */
    private int manage(Namespace namespace, MemorySegment commands, long at) {
        int count = (commandWord(commands, at, 10) & 0xff) + 1;
        if (namespace.readOnly()) {
            return NvmeStatus.WRITE_PROTECTED;
        }
        int status = pointer.find(commands, at, (long) count * RANGE_BYTES, false);
        if (status != SUCCESS) {
            return status;
        }
        if (pointer.pieces().readFrom(port, ranges, 0) != DmaStatus.DONE) {
            return NvmeStatus.DATA_TRANSFER_ERROR;
        }
        for (int i = 0; i < count; i++) {
            if (!namespace.contains(rangeStart(i), rangeBlocks(i))) {
                return NvmeStatus.LBA_OUT_OF_RANGE;
            }
        }
        boolean deallocate = (commandWord(commands, at, 11) & ATTRIBUTE_DEALLOCATE) != 0;
        for (int i = 0; i < count && deallocate && status == SUCCESS; i++) {
            status = namespace.deallocate(rangeStart(i), rangeBlocks(i));
        }
        return status;
    }

    private long rangeBlocks(int index) {
        return Integer.toUnsignedLong(ranges.get(LE_INT, (long) index * RANGE_BYTES + 4));
    }

    private long rangeStart(int index) {
        return ranges.get(LE_LONG, (long) index * RANGE_BYTES + 8);
    }
}
