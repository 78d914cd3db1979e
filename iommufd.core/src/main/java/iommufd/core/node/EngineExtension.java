package iommufd.core.node;

import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.IommufdObject;
import iommufd.api.PagingHwpt;
import iommufd.api.node.Caller;
import iommufd.api.uapi.IoctlExtension;
import iommufd.api.uapi.IommufdFile;
import iommufd.api.uapi.UserStruct;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;

/**
 * What this engine can and Linux's uAPI has no request for, as requests of {@code /dev/iommu}: {@code _IO(';', 0xb0)} and following.
 * Only there if configured (PID {@code iommufd.core.extension}, no properties), so that by default unknown requests are
 * {@code ENOTTY} as in Linux.
 */
@Component(service = IoctlExtension.class, configurationPid = "iommufd.core.extension", configurationPolicy = ConfigurationPolicy.REQUIRE,
        property = {IoctlExtension.REQUESTS + ":Integer=15280", IoctlExtension.REQUESTS + ":Integer=15281", IoctlExtension.REQUESTS + ":Integer=15282"})
public final class EngineExtension implements IoctlExtension {
    /** Splits entries of a paging table; argument {@link EntrySizes}. */
    static final int HWPT_SPLIT = 0x3BB0;
    /** Puts entries of a paging table together; argument {@link EntrySizes}, {@code page_size} 0. */
    static final int HWPT_MERGE = 0x3BB1;
    /** Whether tables that attaching an address space makes are for PASIDs; argument {@link IoasPasids}. */
    static final int IOAS_PASIDS = 0x3BB2;

    /** Offsets of {@code struct { u32 size, flags, hwpt_id, reserved; u64 iova, length, page_size, out_entries; }}, native byte order. */
    static final class EntrySizes {
        static final int FLAGS = 4;
        static final int HWPT_ID = 8;
        static final int RESERVED = 12;
        static final int IOVA = 16;
        static final int LENGTH = 24;
        static final int PAGE_SIZE = 32;
        static final int OUT_ENTRIES = 40;
        static final int BYTES = 48;

        private EntrySizes() {}
    }

    /** Offsets of {@code struct { u32 size, flags, ioas_id, reserved; }}. */
    static final class IoasPasids {
        static final int FLAGS = 4;
        static final int IOAS_ID = 8;
        static final int RESERVED = 12;
        static final int BYTES = 16;
        /** In {@code flags}: they are. */
        static final int ENABLE = 1;

        private IoasPasids() {}
    }

    @Override
    public Session open(IommufdFile file) {
        return new Requests(file.context());
    }

    private record Requests(IommufdContext context) implements Session {
        @Override
        public long ioctl(Caller caller, int request, long argument) {
            if (request == IOAS_PASIDS) {
                ioasPasids(caller, argument);
            } else {
                entrySizes(caller, argument, request == HWPT_MERGE);
            }
            return 0;
        }

        private void entrySizes(Caller caller, long argument, boolean merge) {
            MemorySegment struct = MemorySegment.ofArray(new byte[EntrySizes.BYTES]);
            int userBytes = UserStruct.read(caller.memory(), argument, struct, EntrySizes.BYTES);
            refuseUnknown(int32(struct, EntrySizes.FLAGS) | int32(struct, EntrySizes.RESERVED));
            PagingHwpt table = object(int32(struct, EntrySizes.HWPT_ID), PagingHwpt.class);
            long pageBytes = int64(struct, EntrySizes.PAGE_SIZE);
            if (merge && pageBytes != 0) {
                throw new IommufdException(Errno.EINVAL, "entries are put together as far as they can: page_size is 0, not 0x%x".formatted(pageBytes));
            }
            long iova = int64(struct, EntrySizes.IOVA);
            long length = int64(struct, EntrySizes.LENGTH);
            long entries = merge ? table.merge(iova, length) : table.split(iova, length, pageBytes);
            struct.set(ValueLayout.JAVA_LONG_UNALIGNED, EntrySizes.OUT_ENTRIES, entries);
            UserStruct.respond(caller.memory(), argument, struct, userBytes);
        }

        private void ioasPasids(Caller caller, long argument) {
            MemorySegment struct = MemorySegment.ofArray(new byte[IoasPasids.BYTES]);
            UserStruct.read(caller.memory(), argument, struct, IoasPasids.BYTES);
            int flags = int32(struct, IoasPasids.FLAGS);
            refuseUnknown(flags & ~IoasPasids.ENABLE | int32(struct, IoasPasids.RESERVED));
            object(int32(struct, IoasPasids.IOAS_ID), Ioas.class).setForPasids(flags != 0);
        }

        private static void refuseUnknown(int bits) {
            if (bits != 0) {
                throw new IommufdException(Errno.EOPNOTSUPP, "bits 0x%x are not known".formatted(bits));
            }
        }

        private <T extends IommufdObject> T object(int id, Class<T> type) {
            IommufdObject found = context.object(id);
            if (!type.isInstance(found)) {
                throw new IommufdException(Errno.ENOENT, "object %s is no %s".formatted(found, type.getSimpleName()));
            }
            return type.cast(found);
        }

        private static int int32(MemorySegment struct, int offset) {
            return struct.get(ValueLayout.JAVA_INT_UNALIGNED, offset);
        }

        private static long int64(MemorySegment struct, int offset) {
            return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, offset);
        }

        @Override
        public void close() {
            // Nothing is kept.
        }
    }
}
