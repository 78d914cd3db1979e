package iommufd.core.node;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.uapi.IommuDestroy;
import iommufd.api.uapi.IommuIoasAlloc;
import iommufd.api.uapi.IommuOption;
import iommufd.api.uapi.IommuVfioIoas;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What Linux's own selftests expect of a context without devices ({@code tools/testing/selftests/iommu/iommufd.c}). */
class SelftestTest {
    private final Client client = new Client();

    @AfterEach
    void close() {
        client.close();
    }

    private void destroy(Errno errno, int size, int id) {
        client.refused(errno, IommuDestroy.IOMMU_DESTROY, size, struct -> IommuDestroy.id(struct, id));
    }

    private int allocateIoas() {
        return IommuIoasAlloc.outIoasId(client.granted(IommuIoasAlloc.IOMMU_IOAS_ALLOC, IommuIoasAlloc.SIZE_BYTES, struct -> { }));
    }

    @Test
    void cmdFail() {
        destroy(Errno.ENOENT, IommuDestroy.SIZE_BYTES, 0);
        assertThat(Client.name(client.raw(IommuDestroy.IOMMU_DESTROY, 0))).isEqualTo("EFAULT");
        assertThat(Client.name(client.raw(IommuDestroy.IOMMU_DESTROY - 1, Client.STRUCT))).isEqualTo("ENOTTY");
    }

    @Test
    void cmdExFail() {
        destroy(Errno.ENOENT, 16, 0);
        client.refused(Errno.E2BIG, IommuDestroy.IOMMU_DESTROY, 16, struct -> struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, 1));
        destroy(Errno.ENOENT, IommuDestroy.SIZE_BYTES, 0);
        client.refused(Errno.EINVAL, IommuDestroy.IOMMU_DESTROY, 8, struct -> IommuDestroy.size(struct, 7));
    }

    private MemorySegment option(int option, int operation, long value) {
        return client.struct(IommuOption.SIZE_BYTES, struct -> {
            IommuOption.optionId(struct, option);
            IommuOption.op(struct, (short) operation);
            IommuOption.val64(struct, value);
        });
    }

    private String rlimitMode(int operation, long value) {
        option(IommuOption.IOMMU_OPTION_RLIMIT_MODE, operation, value);
        return Client.name(client.raw(IommuOption.IOMMU_OPTION, Client.STRUCT));
    }

    private long rlimitModeNow() {
        MemorySegment struct = option(IommuOption.IOMMU_OPTION_RLIMIT_MODE, IommuOption.IOMMU_OPTION_OP_GET, 9);
        assertThat(client.raw(IommuOption.IOMMU_OPTION, Client.STRUCT)).isZero();
        return IommuOption.val64(struct);
    }

    @Test
    void globalOptions() {
        assertThat(rlimitModeNow()).isZero();
        assertThat(rlimitMode(IommuOption.IOMMU_OPTION_OP_SET, 1)).isEqualTo("0");
        assertThat(rlimitMode(IommuOption.IOMMU_OPTION_OP_SET, 2)).isEqualTo("EINVAL");
        assertThat(rlimitModeNow()).isEqualTo(1);
        assertThat(rlimitMode(IommuOption.IOMMU_OPTION_OP_SET, 0)).isEqualTo("0");
        assertThat(rlimitModeNow()).isZero();
        for (int operation : new int[] {IommuOption.IOMMU_OPTION_OP_GET, IommuOption.IOMMU_OPTION_OP_SET}) {
            option(IommuOption.IOMMU_OPTION_HUGE_PAGES, operation, 0);
            assertThat(Client.name(client.raw(IommuOption.IOMMU_OPTION, Client.STRUCT))).isEqualTo("ENOENT");
        }
    }

    @Test
    void theAccountingModeIsForPrivilegedClientsBeforeTheFirstObject() {
        allocateIoas();
        assertThat(rlimitMode(IommuOption.IOMMU_OPTION_OP_SET, 1)).isEqualTo("EBUSY");
        assertThat(rlimitMode(IommuOption.IOMMU_OPTION_OP_SET, 2)).as("busy comes first").isEqualTo("EBUSY");
        client.caller.owner = new ContextOwner(77, 1000, ContextOwner.UNLIMITED, false, false);
        assertThat(rlimitMode(IommuOption.IOMMU_OPTION_OP_SET, 1)).as("rights come first").isEqualTo("EPERM");
        assertThat(rlimitModeNow()).isZero();
        assertThat(rlimitMode(2, 0)).isEqualTo("EOPNOTSUPP");
        option(7, IommuOption.IOMMU_OPTION_OP_GET, 0);
        assertThat(Client.name(client.raw(IommuOption.IOMMU_OPTION, Client.STRUCT))).isEqualTo("EOPNOTSUPP");
    }

    private String vfioIoas(int operation, int ioas) {
        client.struct(IommuVfioIoas.SIZE_BYTES, struct -> {
            IommuVfioIoas.op(struct, (short) operation);
            IommuVfioIoas.ioasId(struct, ioas);
        });
        return Client.name(client.raw(IommuVfioIoas.IOMMU_VFIO_IOAS, Client.STRUCT));
    }

    @Test
    void vfioIoas() {
        assertThat(vfioIoas(IommuVfioIoas.IOMMU_VFIO_IOAS_GET, 0)).isEqualTo("ENODEV");
        assertThat(vfioIoas(IommuVfioIoas.IOMMU_VFIO_IOAS_SET, 0)).isEqualTo("ENOENT");
        int ioas = allocateIoas();
        assertThat(vfioIoas(IommuVfioIoas.IOMMU_VFIO_IOAS_SET, ioas)).isEqualTo("0");
        assertThat(vfioIoas(IommuVfioIoas.IOMMU_VFIO_IOAS_GET, 0)).isEqualTo("0");
        assertThat(IommuVfioIoas.ioasId(client.caller.at(Client.STRUCT, 16))).isEqualTo(ioas);
        assertThat(vfioIoas(IommuVfioIoas.IOMMU_VFIO_IOAS_CLEAR, 0)).isEqualTo("0");
        assertThat(vfioIoas(IommuVfioIoas.IOMMU_VFIO_IOAS_GET, 0)).isEqualTo("ENODEV");
        assertThat(vfioIoas(3, 0)).isEqualTo("EOPNOTSUPP");
    }

    @Test
    void theVfioIoasGoesWithItsObject() {
        int ioas = allocateIoas();
        vfioIoas(IommuVfioIoas.IOMMU_VFIO_IOAS_SET, ioas);
        client.granted(IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, struct -> IommuDestroy.id(struct, ioas));
        assertThat(vfioIoas(IommuVfioIoas.IOMMU_VFIO_IOAS_GET, 0)).isEqualTo("ENODEV");
    }
}
