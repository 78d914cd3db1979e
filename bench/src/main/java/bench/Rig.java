package bench;

import iommu.common.dma.InvalidationLog;
import iommu.common.dma.TranslatingPort;
import iommu.common.table.RadixTable;
import iommu.common.table.TablePool;
import iommu.common.unit.PhysicalWords;
import iommufd.api.DmaAccess;
import iommufd.api.IovaRange;
import iommufd.api.dma.DmaFault;
import iommufd.api.hardware.DirtySink;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.TableMemory;
import java.util.Optional;

/** The least IOMMU that can be made of the kit: one page table, and ports that go through it. */
final class Rig {
    /** Where a benchmark may put its devices' memory. */
    static final long MEMORY_BASE = 1L << 40;
    private static final long FRAMES_BASE = 1L << 32;

    private final InvalidationLog log = new InvalidationLog();
    private final TablePool pool;
    private final RadixTable table;
    private final PagingDomain domain = new Domain();

    Rig(long tableBytes) {
        pool = new TablePool(new Frames(FRAMES_BASE, tableBytes));
        table = new RadixTable(SecondStage.FORMAT, pool);
    }

    PagingDomain domain() {
        return domain;
    }

    TableMemory tables() {
        return pool.memory();
    }

    HardwarePort openPort() {
        Port port = new Port();
        port.open();
        return port;
    }

    private final class Domain implements PagingDomain {
        @Override
        public DomainGeometry geometry() {
            return new DomainGeometry(new IovaRange(0, SecondStage.FORMAT.inputLast()), SecondStage.FORMAT.pageSizes());
        }

        @Override
        public void map(long iova, PinnedRuns runs, DmaAccess access) {
            table.map(iova, runs, access, false);
        }

        @Override
        public void mapSmallest(long iova, PinnedRuns runs, DmaAccess access) {
            table.map(iova, runs, access, true);
        }

        @Override
        public long unmap(long iova, long lastIova) {
            long bytes = table.unmap(iova, lastIova);
            forget(iova, lastIova);
            table.recycle();
            return bytes;
        }

        private void forget(long iova, long lastIova) {
            log.publish(0, 0, iova, lastIova);
            if (!log.awaitQuiescence(Long.MAX_VALUE >> 1)) {
                throw new AssertionError("unreachable");
            }
        }

        @Override
        public long translate(long iova) {
            return table.translate(iova);
        }

        @Override
        public void close() {
            table.close();
        }

        @Override
        public Optional<DirtyTracking> dirtyTracking() {
            return Optional.of(new DirtyTracking() {
                @Override
                public void setEnabled(boolean enabled) {
                    table.dirtyReader().forget(0, SecondStage.FORMAT.inputLast());
                }

                @Override
                public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
                    if (table.dirtyReader().read(iova, lastIova, clear, sink) && clear) {
                        forget(iova, lastIova);
                    }
                }
            });
        }
    }

    private final class Port extends TranslatingPort {
        private static final int LEVELS = 4;
        private static final long LARGE = 1L << 7;
        private static final long DIRTY = 1L << 9;
        private static final long ADDRESS = 0x000F_FFFF_FFFF_F000L;

        Port() {
            super(log);
        }

        @Override
        protected long walk(long iova, int accessBit) {
            long at = table.root();
            for (int level = LEVELS - 1; ; level--) {
                int shift = 12 + 9 * level;
                long slot = at + (iova >>> shift & 511) * 8;
                long entry = PhysicalWords.get(slot);
                if ((entry & accessBit) == 0) {
                    return REFUSED;
                }
                at = entry & ADDRESS;
                if (level == 0 || (entry & LARGE) != 0) {
                    if (accessBit == DmaAccess.WRITE_BIT && (entry & DIRTY) == 0) {
                        PhysicalWords.compareAndSet(slot, entry, entry | DIRTY);
                        pool.markDirty(slot);
                    }
                    long physicalAddress = at | iova & (1L << shift) - 1;
                    iotlb.remember(iova, physicalAddress, shift, accessBit);
                    return physicalAddress;
                }
            }
        }

        @Override
        protected DmaFault fault(long iova, int accessBit) {
            throw new AssertionError("no DMA here may fault, but one at 0x%x did".formatted(iova));
        }

        @Override
        protected DmaFault abort(long iova, int accessBit) {
            return fault(iova, accessBit);
        }

        @Override
        protected void forget(int kind, long tag, long first, long last) {
            iotlb.forget(first, last);
        }

        @Override
        protected void forgetEverything() {
            iotlb.forgetEverything();
        }
    }
}
