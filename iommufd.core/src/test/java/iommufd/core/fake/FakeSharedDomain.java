package iommufd.core.fake;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.IopteResizing;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.hardware.SharedDomain;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/** A hypervisor's EPT, walked in memory: leaves of 4 KiB. */
final class FakeSharedDomain extends FakePagingDomain implements SharedDomain {
    private static final long ADDRESS = 0x000F_FFFF_FFFF_F000L;
    private static final int ACCESS = 3;

    private final long root;

    FakeSharedDomain(FakeHardware hardware, PagingOptions options, long root) {
        super(hardware, options);
        this.root = root;
    }

    @Override
    Entry entry(long iova) {
        long entry = root | ACCESS;
        for (int shift = 39; shift >= 12; shift -= 9) {
            if ((entry & ACCESS) == 0) {
                return null;
            }
            entry = HostMemory.WINDOW.get(ValueLayout.JAVA_LONG, (entry & ADDRESS) + (iova >>> shift & 511) * 8);
        }
        return switch ((int) entry & ACCESS) {
            case 0, 2 -> null;
            case 1 -> new Entry(entry & ADDRESS, DmaAccess.READ, new Leaf(iova & -PAGE, PAGE));
            default -> new Entry(entry & ADDRESS, DmaAccess.READ_WRITE, new Leaf(iova & -PAGE, PAGE));
        };
    }

    @Override
    public void map(long iova, PinnedRuns runs, DmaAccess access) {
        throw new IommufdException(Errno.EOPNOTSUPP, "the table is another's");
    }

    @Override
    public long unmap(long iova, long lastIova) {
        return 0;
    }

    @Override
    public Optional<IopteResizing> resizing() {
        return Optional.empty();
    }

    @Override
    public void invalidate(long first, long last, boolean tables) {
        hardware.sabotage.step("invalidateShared");
        hardware.drain();
    }
}
