package vfio.compat;

import static iommufd.api.uapi.VfioRequest.VFIO_SET_IOMMU;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.memory.GuestRam;
import iommufd.api.node.OpenNode;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.compat.group.GroupNode;

/** Several threads map, unmap, track and change groups of one container: no deadlock, no error that makes no sense, nothing left. */
class ManyThreadsTest {
    private static final long RUN_NANOS = TimeUnit.MILLISECONDS.toNanos(1500);
    private static final Set<String> EXPECTED = Set.of("EINVAL", "EEXIST", "ENODEV", "EBUSY");

    /** One thread's view of the program: memory of its own for structs. */
    private static TestClient thread(HostPhysicalMemory memory, List<GuestRam> rams) {
        GuestRam ram = memory.allocateGuestRam(4 << 20, false);
        rams.add(ram);
        return new TestClient(ram);
    }

    @Test
    @Timeout(60)
    void oneContainerServesThemAll() throws Exception {
        try (Rig rig = new Rig(); HostPhysicalMemory memory = new HostPhysicalMemory(64L << 20); ExecutorService threads = Executors.newFixedThreadPool(5)) {
            TestGroup stays = rig.group(1);
            OpenNode container = rig.container(Rig.TYPE1V2, stays);
            List<GuestRam> rams = new ArrayList<>();
            List<Future<Long>> done = new ArrayList<>();
            AtomicBoolean stop = new AtomicBoolean();
            for (int i = 0; i < 2; i++) {
                TestClient client = thread(memory, rams);
                Random random = new Random(i);
                done.add(threads.submit(() -> mapAndUnmap(client, container, random, stop)));
            }
            TestClient tracker = thread(memory, rams);
            done.add(threads.submit(() -> track(tracker, container, stop)));
            TestClient changer = thread(memory, rams);
            TestGroup comes = rig.group(2);
            done.add(threads.submit(() -> changeGroups(changer, container, comes, stop)));
            TestClient asker = thread(memory, rams);
            done.add(threads.submit(() -> ask(asker, container, stop)));
            Thread.sleep(TimeUnit.NANOSECONDS.toMillis(RUN_NANOS));
            stop.set(true);
            for (Future<Long> each : done) {
                assertThat(each.get(20, TimeUnit.SECONDS)).isGreaterThan(10L);
            }
            assertThat(rig.unmap(container, 2, 0, 0)).matches("\\d+");
            assertThat(rig.client.pinnedPages).hasValue(0);
            rams.forEach(GuestRam::close);
        }
    }

    private static void check(String result) {
        assertThat(EXPECTED.contains(result) || result.chars().allMatch(Character::isDigit)).as(result).isTrue();
    }

    private static String request(TestClient client, OpenNode container, int request, int bytes, int flags, long a, long b, long c) {
        client.struct(bytes, struct -> {
            struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4, flags);
            struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, a);
            struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 16, b);
            if (bytes > 24) {
                struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 24, c);
            }
        });
        return client.ioctl(container, request, TestClient.STRUCT);
    }

    private static long mapAndUnmap(TestClient client, OpenNode container, Random random, AtomicBoolean stop) {
        long count = 0;
        for (; !stop.get(); count++) {
            long iova = random.nextInt(64) * Rig.PAGE;
            if (random.nextBoolean()) {
                check(request(client, container, 0x3B71, 32, 3, TestClient.BUFFER, iova, (1 + random.nextInt(4)) * Rig.PAGE));
            } else {
                check(request(client, container, 0x3B72, 24, 0, iova, 64 * Rig.PAGE - iova, 0));
            }
        }
        return count;
    }

    private static long track(TestClient client, OpenNode container, AtomicBoolean stop) {
        long count = 0;
        for (; !stop.get(); count++) {
            client.struct(8, struct -> struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4, 1));
            check(client.ioctl(container, 0x3B75, TestClient.STRUCT));
            client.struct(48, struct -> {
                struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4, 4);
                struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 16, 128 * Rig.PAGE);
                struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 24, Rig.PAGE);
                struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 32, 64);
                struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 40, TestClient.BITMAP);
            });
            check(client.ioctl(container, 0x3B75, TestClient.STRUCT));
            client.struct(8, struct -> struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4, 2));
            check(client.ioctl(container, 0x3B75, TestClient.STRUCT));
        }
        return count;
    }

    private static long changeGroups(TestClient client, OpenNode container, TestGroup group, AtomicBoolean stop) {
        int number = client.openNode(container);
        long count = 0;
        for (; !stop.get(); count++) {
            OpenNode file = new GroupNode(group).open(client);
            client.at(TestClient.STRUCT, 4).set(ValueLayout.JAVA_INT_UNALIGNED, 0, number);
            check(client.ioctl(file, 0x3B68, TestClient.STRUCT));
            check(client.ioctl(file, 0x3B69, 0));
            file.close();
        }
        return count;
    }

    private static long ask(TestClient client, OpenNode container, AtomicBoolean stop) {
        long count = 0;
        for (; !stop.get(); count++) {
            assertThat(client.ioctl(container, VFIO_SET_IOMMU, 3)).isEqualTo("EINVAL");
            assertThat(client.ioctl(container, 0x3B65, 10)).isEqualTo("1");
            client.struct(16, struct -> { });
            check(client.ioctl(container, 0x3B70, TestClient.STRUCT));
        }
        return count;
    }

    /** Linux waits there without listening to signals, and a program gives up when it is told EINTR. */
    @Test
    @Timeout(20)
    void aPassingSignalInterruptsNoRequest() throws Exception {
        try (Rig rig = new Rig()) {
            OpenNode container = rig.container(Rig.TYPE1V2, rig.group(1));
            Thread.currentThread().interrupt();
            String answer = rig.client.ioctl(container, 0x3B65, 10);
            assertThat(Thread.interrupted()).as("what came is kept for who waits next").isTrue();
            assertThat(answer).isEqualTo("1");
        }
    }
}
