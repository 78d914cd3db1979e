package iommufd.core.node;

import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import java.util.Map;
import java.util.WeakHashMap;
import java.util.concurrent.ConcurrentHashMap;

/** Counts pins per physical page, for conformance tests that look for leaks. Thread-safe. */
final class PinLedger {
    private final Map<Long, Long> pinsByPage = new ConcurrentHashMap<>();
    /** One per memory while it is in use. */
    private final Map<UserMemory, WeakReference<Counted>> counted = new WeakHashMap<>();

    UserMemory counted(UserMemory memory) {
        synchronized (counted) {
            WeakReference<Counted> known = counted.get(memory);
            Counted present = known == null ? null : known.get();
            if (present == null) {
                present = new Counted(memory, this);
                counted.put(memory, new WeakReference<>(present));
            }
            return present;
        }
    }

    long pins(long physicalAddress) {
        return pinsByPage.getOrDefault(physicalAddress / UserMemory.PAGE_BYTES, 0L);
    }

    private void count(long physicalAddress, long lengthBytes, long change) {
        long first = physicalAddress / UserMemory.PAGE_BYTES;
        for (long page = first; page < first + lengthBytes / UserMemory.PAGE_BYTES; page++) {
            pinsByPage.merge(page, change, (a, b) -> a + b == 0 ? null : a + b);
        }
    }

    /** Memory whose pins are counted. */
    private static final class Counted implements UserMemory {
        private final UserMemory memory;
        private final PinLedger ledger;

        Counted(UserMemory memory, PinLedger ledger) {
            this.memory = memory;
            this.ledger = ledger;
        }

        @Override
        public Kind kind() {
            return memory.kind();
        }

        @Override
        public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
            PinnedRuns fresh = new PinnedRuns(1);
            memory.pin(address, lengthBytes, writable, fresh);
            for (int i = 0; i < fresh.count(); i++) {
                ledger.count(fresh.physicalAddress(i), fresh.lengthBytes(i), 1);
            }
            runs.addSlice(fresh, 0, fresh.totalBytes());
        }

        @Override
        public void unpin(long physicalAddress, long lengthBytes) {
            ledger.count(physicalAddress, lengthBytes, -1);
            memory.unpin(physicalAddress, lengthBytes);
        }

        @Override
        public void retain() {
            memory.retain();
        }

        @Override
        public void release() {
            memory.release();
        }

        @Override
        public boolean readAsOwner(long address, MemorySegment target) {
            return memory.readAsOwner(address, target);
        }

        @Override
        public boolean writeAsOwner(long address, MemorySegment source) {
            return memory.writeAsOwner(address, source);
        }

        @Override
        public Subscription onRevocation(RevocationListener listener) {
            return memory.onRevocation(listener);
        }
    }
}
