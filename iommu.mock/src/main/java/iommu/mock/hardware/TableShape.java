package iommu.mock.hardware;

import iommu.common.table.TableFormat;
import iommufd.api.IovaRange;
import iommufd.api.hardware.DomainGeometry;

/** The two shapes of paging tables a client can ask for ({@code MOCK_IOMMUPT_…}). */
enum TableShape {
    /** 2 KiB and 1 MiB pages in an aperture of 16 MiB to 2 GiB. */
    DEFAULT(31, 1L << 24, 1L << 11 | 1L << 20),
    /** 1 MiB pages, and 4 KiB ones so that whole pages can be mapped, in 38 bits. */
    HUGE(38, 0, 1L << 12 | 1L << 20);

    private final TableFormat format;
    private final DomainGeometry geometry;

    TableShape(int inputBits, long apertureStart, long pageSizes) {
        format = MockEntry.format(inputBits);
        geometry = new DomainGeometry(new IovaRange(apertureStart, format.inputLast()), pageSizes);
    }

    TableFormat format() {
        return format;
    }

    DomainGeometry geometry() {
        return geometry;
    }
}
