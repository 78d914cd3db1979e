package iommu.mock.command;

import static iommu.mock.command.Client.APERTURE;
import static iommu.mock.command.Client.BUFFER;
import static iommu.mock.command.Client.DATA;
import static iommu.mock.command.Client.PAGE;
import static iommu.mock.command.Client.int32;
import static iommu.mock.command.Client.int64;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Errno;
import iommufd.api.Ioas;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Accesses in the hands of a client. */
class AccessCommandsTest {
    private static final int CREATE = TestOperation.CREATE_ACCESS;
    private static final int UNPIN = TestOperation.DESTROY_ACCESS_PAGES;
    private static final int PIN = TestOperation.ACCESS_PAGES;
    private static final int COPY = TestOperation.ACCESS_RW;
    private static final int REPLACE_IOAS = TestOperation.ACCESS_REPLACE_IOAS;

    private final Client client = new Client();
    private final Ioas ioas = client.context().allocateIoas();

    @AfterEach
    void close() {
        client.close();
    }

    private int access(int flags) {
        client.granted(CREATE, ioas.id(), int32(TestCommand.ACCESS_FLAGS, flags));
        return client.out(TestCommand.ACCESS_OUT_FD);
    }

    private static Consumer<MemorySegment> pages(long iova, long length, long address) {
        return int64(TestCommand.PAGES_IOVA, iova).andThen(int64(TestCommand.PAGES_LENGTH, length)).andThen(int64(TestCommand.PAGES_UPTR, address))
                .andThen(int32(TestCommand.PAGES_FLAGS, 1));
    }

    private static Consumer<MemorySegment> copy(long iova, long length, long address, int flags) {
        return int64(TestCommand.RW_IOVA, iova).andThen(int64(TestCommand.RW_LENGTH, length)).andThen(int64(TestCommand.RW_UPTR, address))
                .andThen(int32(TestCommand.RW_FLAGS, flags));
    }

    @Test
    void shouldPinTheClientsPagesUntilToldOtherwise() {
        int access = access(1);
        client.map(ioas, APERTURE, BUFFER, 4 * PAGE);
        client.granted(PIN, access, pages(APERTURE + PAGE, 2 * PAGE, BUFFER + PAGE));
        int first = client.out(TestCommand.PAGES_OUT_ID);
        client.refused(Errno.EINVAL, PIN, access, pages(APERTURE + PAGE + 100, 8, BUFFER + PAGE + 100));
        client.granted(PIN, access, pages(APERTURE + PAGE, PAGE, BUFFER + PAGE));
        int second = client.out(TestCommand.PAGES_OUT_ID);
        assertThat(client.pins(client.file, BUFFER, PAGE, 0)).isEqualTo("0");
        assertThat(client.pins(client.file, BUFFER + PAGE, 2 * PAGE, 1)).isEqualTo("0");
        client.refused(Errno.EBADE, PIN, access, pages(APERTURE, PAGE, BUFFER + PAGE));
        client.refused(Errno.ENOENT, PIN, access, pages(APERTURE, 5 * PAGE, BUFFER));
        client.refused(Errno.ENOMEM, PIN, access, pages(APERTURE, (16L << 20) + 1, BUFFER));
        client.granted(UNPIN, access, int32(TestCommand.DESTROY_PAGES_ID, first));
        client.refused(Errno.ENOENT, UNPIN, access, int32(TestCommand.DESTROY_PAGES_ID, first));
        assertThat(client.pins(client.file, BUFFER + PAGE, PAGE, 1)).isEqualTo("0");
        client.granted(UNPIN, access, int32(TestCommand.DESTROY_PAGES_ID, second));
        assertThat(client.pins(client.file, BUFFER, 4 * PAGE, 0)).isEqualTo("0");
    }

    @Test
    void anUnmapTakesThePinsAway() {
        int access = access(1);
        client.map(ioas, APERTURE, BUFFER, PAGE);
        client.map(ioas, APERTURE + PAGE, BUFFER + PAGE, PAGE);
        client.granted(PIN, access, pages(APERTURE, 2 * PAGE, BUFFER));
        int pinned = client.out(TestCommand.PAGES_OUT_ID);
        assertThat(ioas.unmap(APERTURE + PAGE, PAGE)).isEqualTo(PAGE);
        client.refused(Errno.ENOENT, UNPIN, access, int32(TestCommand.DESTROY_PAGES_ID, pinned));
        assertThat(client.pins(client.file, BUFFER, 2 * PAGE, 0)).isEqualTo("0");
    }

    @Test
    void shouldCopyBothWays() {
        int access = access(0);
        client.map(ioas, APERTURE, BUFFER, 2 * PAGE);
        client.at(DATA, 9000).asSlice(0, 5000).fill((byte) 7);
        client.granted(COPY, access, copy(APERTURE + 1, 5000, DATA, 1));
        assertThat(client.at(BUFFER + 1, 5000).mismatch(client.at(DATA, 5000))).isEqualTo(-1);
        client.at(BUFFER, 2 * PAGE).fill((byte) 9);
        client.granted(COPY, access, copy(APERTURE + 3, 8000, DATA, 1 << 2));
        assertThat(client.at(DATA, 8000).mismatch(client.at(BUFFER, 8000))).isEqualTo(-1);
        client.refused(Errno.ENOENT, COPY, access, copy(APERTURE, 2 * PAGE + 1, DATA, 0));
        client.refused(Errno.EFAULT, COPY, access, copy(APERTURE, 8, 0, 0));
        client.refused(Errno.EOPNOTSUPP, COPY, access, copy(APERTURE, 8, DATA, 1 << 5));
        client.refused(Errno.EOPNOTSUPP, PIN, access, pages(APERTURE, PAGE, BUFFER));
    }

    @Test
    void shouldMoveToAnotherIoasWithoutItsPins() {
        int access = access(1);
        Ioas other = client.context().allocateIoas();
        client.map(ioas, APERTURE, BUFFER, PAGE);
        client.map(other, APERTURE, BUFFER + PAGE, PAGE);
        client.granted(PIN, access, pages(APERTURE, PAGE, BUFFER));
        client.refused(Errno.ENOENT, REPLACE_IOAS, access, int32(TestCommand.ACCESS_IOAS_ID, 99));
        client.granted(REPLACE_IOAS, access, int32(TestCommand.ACCESS_IOAS_ID, other.id()));
        assertThat(client.pins(client.file, BUFFER, PAGE, 0)).isEqualTo("0");
        client.granted(PIN, access, pages(APERTURE, PAGE, BUFFER + PAGE));
    }

    @Test
    void shouldKeepTheContextOpenUntilTheDescriptorIsClosed() {
        int access = access(1);
        client.map(ioas, APERTURE, BUFFER, PAGE);
        client.granted(PIN, access, pages(APERTURE, PAGE, BUFFER));
        client.file.close();
        assertThat(ioas.mappedBytes()).isEqualTo(PAGE);
        var fresh = client.open();
        assertThat(client.pins(fresh, BUFFER, PAGE, 1)).isEqualTo("0");
        client.close(access);
        assertThat(client.pins(fresh, BUFFER, PAGE, 0)).isEqualTo("0");
        fresh.close();
    }

    @Test
    void shouldTellWhatIsNoAccess() {
        client.refused(Errno.EBADFD, UNPIN, 3, int32(TestCommand.DESTROY_PAGES_ID, 0));
        client.refused(Errno.ENOENT, CREATE, 99, struct -> { });
        client.refused(Errno.EOPNOTSUPP, CREATE, ioas.id(), int32(TestCommand.ACCESS_FLAGS, 2));
    }
}
