package iommu.common.table;

import iommu.common.unit.PhysicalWords;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.TableMemory;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** Hardware marks a leaf dirty while a clearing read runs. Results: pages the read beside it found, pages a later read found. */
@JCStressTest
@Outcome(id = "1, 0", expect = Expect.ACCEPTABLE, desc = "found at once")
@Outcome(id = "0, 1", expect = Expect.ACCEPTABLE, desc = "found by the next read")
@Outcome(id = "0, 0", expect = Expect.FORBIDDEN, desc = "a written page was lost")
@Outcome(id = "1, 1", expect = Expect.FORBIDDEN, desc = "one write was reported twice")
@State
public class DirtyMarkLitmus {
    private static final long DIRTY = 1 << 9;
    private static final TableFormat FORMAT = TableFormat.builder().geometry(12, 9, 1, 21, 52).present(1)
            .dirty(DIRTY, DIRTY, DIRTY).tableBits(level -> 1).leafBits((level, access) -> 1).build();
    private static final TablePool POOL = new TablePool(new RecycledFrames());

    private final RadixTable table = new RadixTable(FORMAT, POOL);

    /** One page, mapped and clean. */
    public DirtyMarkLitmus() {
        PinnedRuns page = new PinnedRuns(1);
        page.add(4096, 4096);
        table.map(0, page, DmaAccess.READ_WRITE, true);
    }

    /** The unit: first the mark in the entry, then the mark of the table. */
    @Actor
    public void hardware() {
        long entry = PhysicalWords.get(table.root());
        if (!PhysicalWords.compareAndSet(table.root(), entry, entry | DIRTY)) {
            throw new IllegalStateException("nobody else changes a clean entry");
        }
        POOL.markDirty(table.root());
    }

    /** The reader. */
    @Actor
    public void read(II_Result result) {
        result.r1 = count();
    }

    /** The next read. */
    @Arbiter
    public void readAgain(II_Result result) {
        result.r2 = count();
    }

    private int count() {
        int[] pages = new int[1];
        table.dirtyReader().read(0, FORMAT.inputLast(), true, (iova, lengthBytes) -> pages[0]++);
        return pages[0];
    }

    /** Frames in turn, each zeroed when it is handed out: far more than are in use at a time. */
    private static final class RecycledFrames implements TableMemory {
        private static final long BASE = 1L << 39;
        private static final long LENGTH = 256L << 20;
        private long next = BASE;

        RecycledFrames() {
            HostMemory.backAnonymous(BASE, LENGTH, false);
        }

        @Override
        public long baseAddress() {
            return BASE;
        }

        @Override
        public long lengthBytes() {
            return LENGTH;
        }

        @Override
        public synchronized long allocate(int sizeLg2) {
            if (sizeLg2 != MIN_FRAME_LG2) {
                throw new IommufdException(Errno.ENOMEM, "this test hands out 4 KiB frames");
            }
            long frame = next;
            next = frame + 4096 == BASE + LENGTH ? BASE : frame + 4096;
            HostMemory.WINDOW.asSlice(frame, 4096).fill((byte) 0);
            return frame;
        }

        @Override
        public void free(long physicalAddress, int sizeLg2) {}

        @Override
        public long bytesInUse() {
            return 0;
        }
    }
}
