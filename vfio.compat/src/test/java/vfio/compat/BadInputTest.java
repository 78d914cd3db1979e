package vfio.compat;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.node.OpenNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Programs that make no sense get errors that do, and leave nothing behind. */
class BadInputTest {
    private static final int[] REQUESTS = {0x3B64, 0x3B65, 0x3B66, 0x3B67, 0x3B68, 0x3B69, 0x3B6A, 0x3B70, 0x3B71, 0x3B72, 0x3B73, 0x3B75, 0x3B85, 0};
    private static final Set<String> ERRNOS = Set.of("EINVAL", "EFAULT", "EOVERFLOW", "ENOTTY", "ENODEV", "EEXIST", "ENOENT", "EBUSY", "EBADF", "EBADFD",
            "EACCES", "ENOSPC");
    private static final long[] NUMBERS = {0, 1, 4095, 4096, 8192, 1 << 16, 1L << 32, (1L << 48) - 4096, 1L << 63, -4096, -1, TestClient.BUFFER, TestClient.BITMAP,
            TestClient.STRUCT, 0xFEE0_0000L};

    static LongStream seeds() {
        return LongStream.range(0, 4);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void randomStructsAreGrantedOrRefused(long seed) {
        Random random = new Random(seed);
        try (Rig rig = new Rig()) {
            int container = rig.container();
            int group = rig.open(rig.group(1));
            for (int i = 0; i < 8_000; i++) {
                MemorySegment struct = rig.client.at(TestClient.STRUCT, 64);
                struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, random.nextInt(8) == 0 ? random.nextInt() : random.nextInt(64));
                struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4, random.nextInt(20) == 0 ? random.nextInt() : random.nextInt(8));
                for (int offset = 8; offset < 64; offset += 8) {
                    struct.set(ValueLayout.JAVA_LONG_UNALIGNED, offset, NUMBERS[random.nextInt(NUMBERS.length)]);
                }
                int request = REQUESTS[random.nextInt(REQUESTS.length)];
                boolean direct = request == 0x3B65 || request == 0x3B66;
                long wild = NUMBERS[random.nextInt(NUMBERS.length)];
                long argument = direct ? random.nextInt(12) : random.nextInt(20) == 0 ? wild : TestClient.STRUCT + random.nextInt(2) * 4;
                OpenNode node = rig.file(random.nextInt(4) == 0 ? group : container);
                String result = rig.client.ioctl(node, request, argument);
                boolean number = result.chars().allMatch(Character::isDigit);
                assertThat(number || ERRNOS.contains(result)).as("seed %d, request %d: %x = %s", seed, i, request, result).isTrue();
                if (i % 100 == 0) {
                    rig.setContainer(group, container);
                }
            }
        }
    }

    /** Each struct at the very end of what can be read, and one byte further. */
    @Test
    void structsMayEndWhereMemoryEnds() {
        try (Rig rig = new Rig()) {
            OpenNode container = rig.container(Rig.TYPE1V2, rig.group(1));
            long end = TestClient.STRUCT + 2 * Rig.PAGE;
            rig.client.hole(end);
            assertThat(at(rig, container, 0x3B70, end - 16, 16)).isEqualTo("0");
            assertThat(at(rig, container, 0x3B70, end - 15, 16)).isEqualTo("EFAULT");
            assertThat(at(rig, container, 0x3B70, end - 16, 17)).as("where the answer goes").isEqualTo("EFAULT");
            assertThat(at(rig, container, 0x3B71, end - 32, 32)).as("size 0").isEqualTo("EINVAL");
            assertThat(at(rig, container, 0x3B71, end - 31, 32)).isEqualTo("EFAULT");
            assertThat(at(rig, container, 0x3B71, end - 32, 31)).isEqualTo("EINVAL");
            assertThat(at(rig, container, 0x3B72, end - 24, 24)).isEqualTo("EINVAL");
            assertThat(at(rig, container, 0x3B72, end - 23, 24)).isEqualTo("EFAULT");
            assertThat(at(rig, container, 0x3B75, end - 8, 8)).as("no flag").isEqualTo("EINVAL");
            assertThat(at(rig, container, 0x3B75, end - 7, 8)).isEqualTo("EFAULT");
        }
    }

    private static String at(Rig rig, OpenNode container, int request, long address, int argsz) {
        rig.client.at(TestClient.STRUCT, 4 * Rig.PAGE).fill((byte) 0);
        rig.client.at(address, 4).set(ValueLayout.JAVA_INT_UNALIGNED, 0, argsz);
        return rig.client.ioctl(container, request, address);
    }
}
