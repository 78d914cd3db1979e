package iommufd.core.space;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** Real RAM whose pages lie in runs of a few, out of order; counts pins per page and refuses on demand. */
final class ScatteredMemory implements UserMemory {
    private static final int RUN_PAGES = 3;

    private final GuestRam ram;
    private final Kind kind;
    private final int pages;
    private final Map<Long, Integer> pins = new HashMap<>();
    private RevocationListener listener = (address, length) -> { };
    /** Pins until one is refused; counts down, negative for never. */
    int pinsUntilRefusal = -1;
    int pinCalls;
    /** How often it is retained now. */
    int retained;

    ScatteredMemory(GuestRam ram, Kind kind) {
        this.ram = ram;
        this.kind = kind;
        this.pages = (int) (ram.lengthBytes() / PAGE_BYTES);
    }

    @Override
    public Kind kind() {
        return kind;
    }

    @Override
    public void retain() {
        retained++;
    }

    @Override
    public void release() {
        assertThat(retained).as("how often what is released was retained").isPositive();
        retained--;
    }

    /** Runs of pages in reverse order. */
    long physicalAddress(long address) {
        long page = address / PAGE_BYTES;
        long run = page / RUN_PAGES;
        long runs = pages / RUN_PAGES;
        long placed = run < runs ? (runs - 1 - run) * RUN_PAGES + page % RUN_PAGES : page;
        return ram.physicalAddress() + placed * PAGE_BYTES + address % PAGE_BYTES;
    }

    @Override
    public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
        pinCalls++;
        assertThat(retained).as("what is pinned is retained").isPositive();
        assertThat((address | lengthBytes) & PAGE_BYTES - 1).as("whole pages").isZero();
        if (pinsUntilRefusal >= 0 && pinsUntilRefusal-- == 0) {
            throw new IommufdException(Errno.EFAULT, "injected");
        }
        if (address < 0 || lengthBytes <= 0 || address > ram.lengthBytes() - lengthBytes) {
            throw new IommufdException(Errno.EFAULT, "no memory there");
        }
        for (long offset = 0; offset < lengthBytes; offset += PAGE_BYTES) {
            long physical = physicalAddress(address + offset);
            pins.merge(physical, 1, Integer::sum);
            runs.add(physical, PAGE_BYTES);
        }
    }

    @Override
    public void unpin(long physicalAddress, long lengthBytes) {
        for (long offset = 0; offset < lengthBytes; offset += PAGE_BYTES) {
            Integer count = pins.get(physicalAddress + offset);
            assertThat(count).as("pins of the page that is unpinned").isNotNull().isPositive();
            if (count == 1) {
                pins.remove(physicalAddress + offset);
            } else {
                pins.put(physicalAddress + offset, count - 1);
            }
        }
    }

    @Override
    public Subscription onRevocation(RevocationListener newListener) {
        RevocationListener before = listener;
        listener = (address, length) -> {
            before.revoked(address, length);
            newListener.revoked(address, length);
        };
        return () -> { };
    }

    void revoke(long address, long lengthBytes) {
        listener.revoked(address, lengthBytes);
    }

    /** Pins by page of the memory. */
    int[] pinsByPage() {
        int[] byPage = new int[pages];
        Arrays.setAll(byPage, page -> pins.getOrDefault(physicalAddress(page * PAGE_BYTES), 0));
        return byPage;
    }

    int pinnedPages() {
        return pins.values().stream().mapToInt(Integer::intValue).sum();
    }
}
