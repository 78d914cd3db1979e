package iommu.smmuv3.driver;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.format.StreamTableEntry;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.TableMemory;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The two-level stream table. An entry is invalid while its stream is blocked, so that requests leave an event: a valid entry
 * that aborts would drop them silently. Thread-safe.
 */
final class StreamTable {
    /** StreamID bits that index a leaf. */
    static final int SPLIT = EntryLeaf.ENTRIES_LG2;
    private static final long SPAN = SPLIT + 1;

    private final TableMemory memory;
    private final CommandProducer commands;
    private final long top;
    private final int streamIdBits;
    private final ReentrantLock lock = new ReentrantLock();
    /** Endpoints per leaf; guarded by {@link #lock}. */
    private final Map<Integer, Integer> users = new HashMap<>();

    /** @param top frame of {@link #topLg2} for the first level, all zero */
    StreamTable(TableMemory memory, CommandProducer commands, long top, int streamIdBits) {
        this.memory = memory;
        this.commands = commands;
        this.top = top;
        this.streamIdBits = streamIdBits;
    }

    /** log2 of the size of the first level. */
    static int topLg2(int streamIdBits) {
        return Math.max(TableMemory.MIN_FRAME_LG2, streamIdBits - SPLIT + 3);
    }

    /** Makes room for a stream, which is blocked. @throws IommufdException ENODEV if the table cannot hold it; ENOMEM */
    void add(int streamId) {
        if (streamIdBits < Integer.SIZE && streamId >>> streamIdBits != 0) {
            throw new IommufdException(Errno.ENODEV, "requester 0x%x is not behind this SMMU: it has StreamIDs of %d bits"
                    .formatted(streamId, streamIdBits));
        }
        lock.lock();
        try {
            int leaf = streamId >>> SPLIT;
            if (!users.containsKey(leaf)) {
                long frame = memory.allocate(EntryLeaf.FRAME_LG2);
                PhysicalWords.setRelease(slot(streamId), frame | SPAN);
            }
            users.merge(leaf, 1, Integer::sum);
            commands.invalidateStream(streamId);
        } finally {
            lock.unlock();
        }
    }

    /** Takes a stream's entry away. */
    void remove(int streamId) {
        lock.lock();
        try {
            EntryLeaf.write(entry(streamId), new long[StreamTableEntry.WORDS], 0);
            int leaf = streamId >>> SPLIT;
            long frame = leaf(streamId);
            if (users.merge(leaf, -1, Integer::sum) == 0) {
                users.remove(leaf);
                PhysicalWords.setRelease(slot(streamId), 0);
                commands.invalidateStream(streamId);
                memory.free(frame, EntryLeaf.FRAME_LG2);
            } else {
                commands.invalidateStream(streamId);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Blocks a stream. On return none of its requests is in flight. */
    void block(int streamId) {
        setWord(streamId, 0, 0);
    }

    /** Changes one word. On return no request uses what it was. */
    void setWord(int streamId, int word, long value) {
        lock.lock();
        try {
            PhysicalWords.setRelease(entry(streamId) + word * 8L, value);
            commands.invalidateStream(streamId);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Gives a stream another entry that lets requests pass. On return no request uses the old one.
     *
     * @throws IommufdException ENOMEM, before anything changed
     */
    void replace(int streamId, long[] words) {
        lock.lock();
        try {
            long entry = entry(streamId);
            if ((PhysicalWords.get(entry) & StreamTableEntry.VALID) == 0) {
                EntryLeaf.write(entry, words, 1);   // ignored until word 0 says otherwise
                commands.invalidateStream(streamId);
                PhysicalWords.setRelease(entry, words[0]);
                commands.invalidateStream(streamId);
                return;
            }
            int changed = 0;
            int changes = 0;
            for (int word = 0; word < words.length; word++) {
                if (PhysicalWords.get(entry + word * 8L) != words[word]) {
                    changed = word;
                    changes++;
                }
            }
            if (changes <= 1) {
                PhysicalWords.setRelease(entry + changed * 8L, words[changed]);
                commands.invalidateStream(streamId);
                return;
            }
            long old = leaf(streamId);
            long leaf = memory.allocate(EntryLeaf.FRAME_LG2);
            EntryLeaf.copy(old, leaf);
            EntryLeaf.write(EntryLeaf.entry(leaf, streamId), words, 0);
            PhysicalWords.setRelease(slot(streamId), leaf | SPAN);
            commands.invalidateStream(streamId);
            memory.free(old, EntryLeaf.FRAME_LG2);
        } finally {
            lock.unlock();
        }
    }

    private long slot(int streamId) {
        return top + ((streamId & 0xffff_ffffL) >>> SPLIT << 3);
    }

    private long leaf(int streamId) {
        return PhysicalWords.get(slot(streamId)) & StreamTableEntry.L1_POINTER;
    }

    private long entry(int streamId) {
        assert lock.isHeldByCurrentThread();
        return EntryLeaf.entry(leaf(streamId), streamId);
    }
}
