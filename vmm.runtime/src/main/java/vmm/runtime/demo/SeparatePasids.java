package vmm.runtime.demo;

import iommufd.api.DmaAccess;
import iommufd.api.Ioas;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.Pasid;
import java.util.List;

/** One IOVA, one device, an address space behind each PASID. */
final class SeparatePasids implements Promise {
    /** Space 0 is that of requests without PASID, the others have their number as PASID. */
    private static final int SPACES = 4;
    private static final int WORDS = Guest.PAGE_BYTES / Long.BYTES;

    @Override
    public String title() {
        return "PASID / SSID";
    }

    @Override
    public List<String> vendors() {
        return List.of(PromiseHardware.VTD, PromiseHardware.SMMUV3);
    }

    @Override
    public String show(Guest guest) {
        Ioas[] spaces = new Ioas[SPACES];
        DmaPort[] ports = new DmaPort[SPACES];
        for (int space = 0; space < SPACES; space++) {
            spaces[space] = guest.context().allocateIoas();
            spaces[space].setForPasids(true);
            spaces[space].mapAt(Guest.IOVA, guest.ram(), (long) space * Guest.PAGE_BYTES, Guest.PAGE_BYTES, DmaAccess.READ_WRITE);
            if (space == 0) {
                guest.device().attach(spaces[space]);
                ports[space] = guest.endpoint().openPort();
            } else {
                guest.device().attach(new Pasid(space), spaces[space]);
                ports[space] = guest.endpoint().openPort(new Pasid(space));
            }
        }
        for (int word = 0; word < WORDS; word++) {
            for (int space = 0; space < SPACES; space++) {
                Guest.writeThrough(ports[space], Guest.IOVA + (long) word * Long.BYTES, tag(space, word));
            }
        }
        for (int space = 0; space < SPACES; space++) {
            for (int word = 0; word < WORDS; word++) {
                long found = guest.word((long) space * Guest.PAGE_BYTES + (long) word * Long.BYTES);
                Promise.require(found == tag(space, word), "word %d of space %d is 0x%x", word, space, found);
            }
        }
        refuseOne(guest, spaces, ports);
        return "%d address spaces at one IOVA, %d writes each in its own; detached and unmapped alone".formatted(SPACES, SPACES * WORDS);
    }

    /** What happens to one address space happens to no other. */
    private static void refuseOne(Guest guest, Ioas[] spaces, DmaPort[] ports) {
        guest.device().detach(new Pasid(1));
        Guest.writeRefused(ports[1], Guest.IOVA, "PASID 1 is detached");
        int recorded = ports[1].lastFault().orElseThrow().pasid().orElse(Pasid.NONE);
        Promise.require(recorded == 1, "the fault of PASID 1 is recorded with %d", recorded);
        spaces[2].unmap(Guest.IOVA, Guest.PAGE_BYTES);
        Guest.writeRefused(ports[2], Guest.IOVA, "its address space is empty");
        for (int space : new int[] {0, 3}) {
            Guest.writeThrough(ports[space], Guest.IOVA, tag(space, WORDS));
            Promise.require(guest.word((long) space * Guest.PAGE_BYTES) == tag(space, WORDS), "space %d has not got its write", space);
        }
    }

    /** No word of guest memory is 0 afterwards. */
    private static long tag(int space, int word) {
        return (long) (space + 1) << 32 | word;
    }
}
