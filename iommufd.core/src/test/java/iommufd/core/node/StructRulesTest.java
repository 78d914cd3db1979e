package iommufd.core.node;

import static iommufd.core.node.Client.STRUCT;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Errno;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What holds for the struct of every request: sizes, tails, bad pointers. */
class StructRulesTest {
    private static final long PAGE = 4096;
    private final Client client = new Client();

    @AfterEach
    void close() {
        client.close();
    }

    static Stream<IoctlRow> rows() {
        return IntStream.rangeClosed(0x80, 0x95).mapToObj(number -> IoctlTable.row(0x3B00 | number));
    }

    /** Zeros but for the size: every request refuses or grants that in its own way, but the size is looked at before. */
    private long withSize(IoctlRow row, int size, byte tail) {
        MemorySegment struct = client.caller.at(STRUCT, 256);
        struct.fill((byte) 0);
        struct.asSlice(row.sizeBytes()).fill(tail);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, size);
        return client.raw(row.request(), STRUCT);
    }

    @ParameterizedTest
    @MethodSource("rows")
    void sizesBelowTheLastMandatoryFieldAreInvalid(IoctlRow row) {
        for (int size = 0; size < row.minBytes(); size++) {
            assertThat(Client.name(withSize(row, size, (byte) 0))).as("size %d", size).isEqualTo("EINVAL");
        }
    }

    @ParameterizedTest
    @MethodSource("rows")
    void sizesFromTheLastMandatoryFieldOnAllMeanTheSame(IoctlRow row) {
        String whole = Client.name(withSize(row, row.sizeBytes(), (byte) 0));
        for (int size = row.minBytes(); size <= row.sizeBytes() + 8; size++) {
            assertThat(Client.name(withSize(row, size, (byte) 0))).as("size %d", size).isEqualTo(whole);
        }
    }

    @ParameterizedTest
    @MethodSource("rows")
    void whatIsNotKnownMustBeZero(IoctlRow row) {
        for (int size = row.sizeBytes() + 1; size <= row.sizeBytes() + 8; size++) {
            assertThat(Client.name(withSize(row, size, (byte) -1))).as("size %d", size).isEqualTo("E2BIG");
        }
        assertThat(Client.name(withSize(row, -1, (byte) -1))).as("size 0xffffffff").isEqualTo("E2BIG");
    }

    @ParameterizedTest
    @MethodSource("rows")
    void badPointersAreFaults(IoctlRow row) {
        assertThat(Client.name(client.raw(row.request(), 0))).isEqualTo("EFAULT");
        assertThat(Client.name(client.raw(row.request(), -1))).isEqualTo("EFAULT");
        long end = MemoryCaller.BASE + client.caller.lengthBytes();
        for (int readable = 0; readable < 4; readable++) {
            assertThat(Client.name(client.raw(row.request(), end - readable))).as("only %d bytes", readable).isEqualTo("EFAULT");
        }
    }

    @ParameterizedTest
    @MethodSource("rows")
    void theSizeIsLookedAtBeforeTheRestIsRead(IoctlRow row) {
        long end = MemoryCaller.BASE + client.caller.lengthBytes();
        client.caller.at(end - 4, 4).set(ValueLayout.JAVA_INT_UNALIGNED, 0, row.minBytes() - 1);
        assertThat(Client.name(client.raw(row.request(), end - 4))).isEqualTo("EINVAL");
        client.caller.at(end - 4, 4).set(ValueLayout.JAVA_INT_UNALIGNED, 0, row.minBytes());
        assertThat(Client.name(client.raw(row.request(), end - 4))).isEqualTo("EFAULT");
    }

    @ParameterizedTest
    @MethodSource("rows")
    void aStructMayEndWhereMemoryEnds(IoctlRow row) {
        String inside = Client.name(withSize(row, row.minBytes(), (byte) 0));
        long address = MemoryCaller.BASE + client.caller.lengthBytes() - row.minBytes();
        MemorySegment struct = client.caller.at(address, row.minBytes());
        struct.fill((byte) 0);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, row.minBytes());
        assertThat(Client.name(client.raw(row.request(), address))).isEqualTo(inside);
    }

    @ParameterizedTest
    @MethodSource("rows")
    void aTailThatCannotBeReadIsAFaultUnlessSomethingElseComesFirst(IoctlRow row) {
        long page = STRUCT + 8 * PAGE;
        client.caller.hole(page + PAGE);
        long address = page + PAGE - row.sizeBytes() - 16;
        MemorySegment struct = client.caller.at(address, row.sizeBytes() + 16);
        struct.fill((byte) 0);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, row.sizeBytes() + 100);
        assertThat(Client.name(client.raw(row.request(), address))).isEqualTo("EFAULT");
        struct.set(ValueLayout.JAVA_BYTE, row.sizeBytes() + 3, (byte) 1);
        assertThat(Client.name(client.raw(row.request(), address))).isEqualTo("E2BIG");
    }

    @Test
    void otherNumbersAreUnknown() {
        client.struct(64, struct -> { });
        for (int number = 0; number < 256; number++) {
            if ((number < 0x64 || number > 0x72) && number < 0x80 || number > 0x95) {
                assertThat(client.raw(0x3B00 | number, STRUCT)).as("number 0x%x", number).isEqualTo(-Errno.ENOTTY.number());
            }
        }
        assertThat(Client.name(client.raw(0x4008_3B81, STRUCT))).as("the right number of another request").isEqualTo("ENOTTY");
        assertThat(Client.name(client.raw(0x4008_3B81, 0))).as("whose size is read first").isEqualTo("EFAULT");
    }
}
