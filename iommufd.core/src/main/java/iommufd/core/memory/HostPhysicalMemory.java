package iommufd.core.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.memory.TableMemory;
import iommufd.api.memory.UserMemory;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;

/**
 * The physical memory of this process, out of {@link HostMemory}: tables of hardware at low addresses, guest RAM from 128 GiB
 * on. Several may exist side by side (tests); they share the physical space and nothing else.
 */
@Component(service = PhysicalMemory.class, immediate = true)
public final class HostPhysicalMemory implements PhysicalMemory, AutoCloseable {
    /** Address space for tables; memory is taken as it is used. */
    public static final long DEFAULT_TABLE_BYTES = 64L << 30;
    private static final long TABLE_ALIGNMENT_BYTES = 1L << 25;

    private final TableFrames tables;

    /** With the default address space for tables. */
    @Activate
    public HostPhysicalMemory() {
        this(DEFAULT_TABLE_BYTES);
    }

    /**
     * @param tableBytes address space for tables, a multiple of 32 MiB
     * @throws IommufdException {@link Errno#ENOMEM} if the physical space is used up; {@link Errno#EINVAL} for a bad size
     */
    public HostPhysicalMemory(long tableBytes) {
        if (tableBytes <= 0 || (tableBytes & TABLE_ALIGNMENT_BYTES - 1) != 0 || tableBytes > HostMemory.SIZE_BYTES) {
            throw new IommufdException(Errno.EINVAL, "0x%x bytes for tables are no multiple of 32 MiB".formatted(tableBytes));
        }
        tables = new TableFrames(PhysicalRanges.take(tableBytes, TABLE_ALIGNMENT_BYTES, 0), tableBytes);
    }

    @Override
    public GuestRam allocateGuestRam(long lengthBytes, boolean hugePages) {
        if (lengthBytes <= 0 || (lengthBytes & UserMemory.PAGE_BYTES - 1) != 0 || lengthBytes > HostMemory.SIZE_BYTES) {
            throw new IommufdException(Errno.EINVAL, "guest RAM of 0x%x bytes is not made of pages of 4 KiB".formatted(lengthBytes));
        }
        return new HostGuestRam(lengthBytes, hugePages);
    }

    @Override
    public TableMemory tables() {
        return tables;
    }

    /** Takes the tables' memory away; hardware that reads them must have stopped. Guest RAM lives until it is closed. Idempotent. */
    @Deactivate
    @Override
    public void close() {
        if (tables.close()) {
            PhysicalRanges.give(tables.baseAddress());
        }
    }
}
