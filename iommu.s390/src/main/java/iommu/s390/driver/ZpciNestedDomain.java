package iommu.s390.driver;

import iommu.s390.format.TranslationAnchor;
import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.uapi.IommuHwptS390Zpci;
import iommufd.api.uapi.IommuHwptS390ZpciInvalidate;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * A guest's tables, which the unit walks where they are: in the guest's memory, which the host's tables lead to. Only the guest writes
 * them; whatever it writes, only its own functions fail.
 */
final class ZpciNestedDomain implements NestedDomain, TranslationTable {
    private static final long INSIDE_PAGE = 0xFFF;

    private final ZpciDomain host;
    private final long anchor;
    private final long base;
    private final long limit;
    private final TableUsers users = new TableUsers();

    /** @throws IommufdException as {@link iommufd.api.hardware.HardwareEndpoint#allocateNested} */
    ZpciNestedDomain(ZpciDomain host, ZpciDriverOptions options, NestedTable table) {
        this.host = host;
        if (table.type() != IommuHwptS390Zpci.IOMMU_HWPT_DATA_S390_ZPCI) {
            throw new IommufdException(Errno.EOPNOTSUPP, "%s nests tables of type 0x%x, not 0x%x"
                    .formatted(options.name(), IommuHwptS390Zpci.IOMMU_HWPT_DATA_S390_ZPCI, table.type()));
        }
        if (table.lengthBytes() != IommuHwptS390Zpci.SIZE_BYTES) {
            throw new IommufdException(Errno.EINVAL, "a description of %d bytes; it has %d".formatted(table.lengthBytes(),
                    IommuHwptS390Zpci.SIZE_BYTES));
        }
        MemorySegment struct = MemorySegment.ofArray(table.bytes());
        anchor = IommuHwptS390Zpci.iota(struct);
        base = IommuHwptS390Zpci.pba(struct) & ~INSIDE_PAGE;
        limit = IommuHwptS390Zpci.pal(struct) | INSIDE_PAGE;
        boolean inRange = Long.compareUnsigned(base, limit) <= 0 && Long.compareUnsigned(base, options.firstDma()) >= 0
                && Long.compareUnsigned(limit, options.lastDma()) <= 0;
        boolean designates = (anchor & TranslationAnchor.TRANSLATE) != 0 && TranslationAnchor.addressBits(TranslationAnchor.type(anchor)) != 0;
        if (!inRange || !designates || IommuHwptS390Zpci.flags(struct) != 0 || IommuHwptS390Zpci.reserved(struct) != 0) {
            throw new IommufdException(Errno.EINVAL, "no function can be registered with IOTA 0x%x for 0x%x..0x%x, flags 0x%x"
                    .formatted(anchor, base, limit, IommuHwptS390Zpci.flags(struct)));
        }
    }

    @Override
    public ZpciDriver driver() {
        return host.driver();
    }

    @Override
    public long anchor() {
        return anchor;
    }

    @Override
    public long base() {
        return base;
    }

    @Override
    public long limit() {
        return limit;
    }

    @Override
    public ZpciDomain host() {
        return host;
    }

    /** A guest's RPCITs. A range that lies outside is none of the guest's: its own RPCIT was to be refused. */
    @Override
    public InvalidationResult invalidate(InvalidationEntries entries) {
        if (entries.dataType() != IommuHwptS390ZpciInvalidate.IOMMU_HWPT_INVALIDATE_DATA_S390_ZPCI
                || entries.entryBytes() != IommuHwptS390ZpciInvalidate.SIZE_BYTES) {
            throw new IommufdException(Errno.EINVAL, "invalidations of type 0x%x with %d bytes each; those of zPCI are of type 0x%x and have %d"
                    .formatted(entries.dataType(), entries.entryBytes(), IommuHwptS390ZpciInvalidate.IOMMU_HWPT_INVALIDATE_DATA_S390_ZPCI,
                            IommuHwptS390ZpciInvalidate.SIZE_BYTES));
        }
        MemorySegment bytes = entries.bytes();
        for (int i = 0; i < entries.count(); i++) {
            MemorySegment entry = bytes.asSlice((long) i * entries.entryBytes(), entries.entryBytes());
            Optional<Errno> failure = refresh(IommuHwptS390ZpciInvalidate.addr(entry), IommuHwptS390ZpciInvalidate.length(entry),
                    IommuHwptS390ZpciInvalidate.flags(entry) != 0 || IommuHwptS390ZpciInvalidate.reserved(entry) != 0);
            if (failure.isPresent()) {
                return new InvalidationResult(i, failure);
            }
        }
        return InvalidationResult.complete(entries.count());
    }

    private Optional<Errno> refresh(long address, long lengthBytes, boolean reserved) {
        if (reserved) {
            return Optional.of(Errno.EOPNOTSUPP);
        }
        if (lengthBytes == 0) {
            return Optional.empty();
        }
        long toEnd = -1L - address;
        long last = Long.compareUnsigned(lengthBytes - 1, toEnd) > 0 ? -1L : address + lengthBytes - 1;
        if (Long.compareUnsigned(last, base) < 0 || Long.compareUnsigned(address, limit) > 0) {
            return Optional.of(Errno.EINVAL);
        }
        for (TableUsers.User user : users.now()) {
            user.endpoint().refresh(this, address, last);
        }
        return Optional.empty();
    }

    @Override
    public void join(ZpciEndpoint endpoint) {
        users.add(endpoint, this);
        host.join(endpoint, this);
    }

    @Override
    public void leave(ZpciEndpoint endpoint) {
        users.remove(endpoint, this);
        host.leave(endpoint, this);
    }

    @Override
    public void close() {
        assert users.now().length == 0 : "a guest's table is closed while functions are registered with it";
    }
}
