package vmm.devices.nvme;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.List;
import vfio.device.Bar;

/** How clients reach the controller's registers and doorbells. */
public enum BarAccess {
    /** Each access is a call. Exact. */
    TRAPPED("trap"),
    /** Clients map the doorbells, which are polled; registers are trapped. */
    DOORBELLS_POLLED("poll"),
    /**
     * Clients map the registers too, as drivers in user space like to. What polling cannot see is not there: INTMS and INTMC, a
     * reset that is undone before it was answered, and doorbells of queues that do not exist.
     */
    ALL_POLLED("poll-all");

    private final String text;

    BarAccess(String text) {
        this.text = text;
    }

    /** What configurations call it. @throws IommufdException {@link Errno#EINVAL} if it is none */
    static BarAccess parse(String text) {
        for (BarAccess access : values()) {
            if (access.text.equals(text)) {
                return access;
            }
        }
        throw new IommufdException(Errno.EINVAL, "doorbells are \"%s\", neither trap nor poll nor poll-all".formatted(text));
    }

    /** What clients map of the BAR. */
    List<Bar.Area> mapped() {
        return switch (this) {
            case TRAPPED -> List.of();
            case DOORBELLS_POLLED -> List.of(new Bar.Area(NvmeController.DOORBELLS_OFFSET, NvmeController.DOORBELLS_BYTES));
            case ALL_POLLED -> List.of(new Bar.Area(0, NvmeController.BAR_BYTES));
        };
    }

    @Override
    public String toString() {
        return text;
    }
}
