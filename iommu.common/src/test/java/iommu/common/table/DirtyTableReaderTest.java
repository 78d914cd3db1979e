package iommu.common.table;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.DmaAccess;
import iommufd.api.memory.PinnedRuns;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Dirty leaves, set as hardware would set them, are found exactly. */
class DirtyTableReaderTest {
    private static final int PAGES = 3000;

    private final ScratchTableMemory memory = new ScratchTableMemory();
    private final TablePool pool = new TablePool(memory);

    @ParameterizedTest
    @EnumSource(TestFormats.class)
    void findsExactlyTheWrittenPagesAndForgetsThemOnce(TestFormats formats) {
        TableFormat format = formats.format;
        long page = Long.lowestOneBit(format.pageSizes());
        Random random = new Random(11);
        try (RadixTable table = new RadixTable(format, pool)) {
            PinnedRuns runs = new PinnedRuns(1);
            runs.add(page * 8, PAGES * page);
            table.map(page * 16, runs, DmaAccess.READ_WRITE, true);
            TreeSet<Long> written = new TreeSet<>();
            for (int i = 0; i < 200; i++) {
                long iova = (16 + random.nextInt(PAGES)) * page;
                markDirty(table, format, iova);
                written.add(iova);
            }
            assertThat(read(table, 0, -1, false)).containsExactlyElementsOf(written);
            long middle = (16 + PAGES / 2) * page;
            assertThat(read(table, 0, middle - 1, true)).containsExactlyElementsOf(written.headSet(middle));
            assertThat(read(table, 0, -1, true)).containsExactlyElementsOf(written.tailSet(middle));
            assertThat(read(table, 0, -1, true)).isEmpty();
            markDirty(table, format, middle);
            assertThat(read(table, 0, -1, true)).containsExactly(middle);
        }
    }

    private List<Long> read(RadixTable table, long first, long last, boolean clear) {
        List<Long> found = new ArrayList<>();
        table.dirtyReader().read(first, last, clear, (iova, lengthBytes) -> found.add(iova));
        return found;
    }

    /** Finds the leaf by its own walk and flips the mark, as a unit does with a compare-and-set. */
    private void markDirty(RadixTable table, TableFormat format, long iova) {
        long at = table.root();
        for (int level = format.levels - 1; ; level--) {
            int indexMask = (1 << format.shift[level + 1] - format.shift[level]) - 1;
            long slot = at + ((iova >>> format.shift[level]) & indexMask) * 8;
            long word = PhysicalWords.get(slot);
            long entry = format.bigEndian ? Long.reverseBytes(word) ^ format.inverted : word;
            if (format.leaf(entry, level)) {
                if (!format.dirty(entry)) {
                    long dirty = entry ^ format.dirtyToggle;
                    PhysicalWords.set(slot, format.bigEndian ? Long.reverseBytes(dirty ^ format.inverted) : dirty);
                }
                pool.markDirty(slot);
                return;
            }
            at = entry & format.addressMask;
        }
    }
}
