package vfio.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.IommufdException;
import iommufd.api.node.OpenNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.adapter.device.AdaptedDevice;
import vfio.device.VfioGroup;

/** Several threads of a client ask for anything at once, with any data; refusals are errors of the uAPI, and nothing stays behind. */
class RandomClientTest {
    private static final int THREADS = 4;
    private static final int OPERATIONS = 4_000;
    /** Device requests, their neighbours, and one of nobody. */
    private static final int[] REQUESTS = {0x3B6B, 0x3B6C, 0x3B6D, 0x3B6E, 0x3B6E, 0x3B6E, 0x3B6F, 0x3B70, 0x3B71, 0x3B74, 0x3B75, 0x3B75, 0x3B76, 0x3B77, 0x3B78, 0x3B79, 0x3B00};
    private static final int[] SIZES = {0, 4, 8, 12, 16, 20, 24, 32, 40, 64, 128, -1};
    /** Structs of threads lie apart. */
    private static final long STRUCT_STEP = 0x1000;

    /** A client that finds few descriptors, most of them good for something. */
    private static int number(Random random) {
        return switch (random.nextInt(6)) {
            case 0 -> random.nextInt();
            case 1 -> -1;
            case 2 -> 1 << random.nextInt(32);
            default -> random.nextInt(24);
        };
    }

    private static void operate(Rig rig, List<OpenNode> files, Random random, long struct) throws InterruptedException {
        OpenNode file = files.get(random.nextInt(files.size()));
        int kind = random.nextInt(10);
        if (kind < 7) {
            MemorySegment bytes = rig.client.at(struct, 128);
            for (int i = 0; i < 128; i += 4) {
                bytes.set(ValueLayout.JAVA_INT_UNALIGNED, i, number(random));
            }
            bytes.set(ValueLayout.JAVA_INT_UNALIGNED, 0, SIZES[random.nextInt(SIZES.length)]);
            file.ioctl(rig.client, REQUESTS[random.nextInt(REQUESTS.length)], random.nextInt(50) == 0 ? random.nextLong() : struct);
            return;
        }
        long region = random.nextInt(10);
        long offset = random.nextBoolean() ? random.nextInt(64) : random.nextLong(1L << 40) >>> random.nextInt(40);
        MemorySegment bytes = MemorySegment.ofArray(new byte[1 + random.nextInt(random.nextBoolean() ? 8 : 600)]);
        if (kind == 7) {
            file.read(rig.client, bytes, region << 40 | offset);
        } else {
            for (int i = 0; i < bytes.byteSize(); i++) {
                bytes.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
            }
            file.write(rig.client, bytes, region << 40 | offset);
        }
    }

    private static Callable<int[]> client(Rig rig, List<OpenNode> files, long seed, int thread) {
        return () -> {
            Random random = new Random(seed * 31 + thread);
            int[] outcomes = {0, 0};
            for (int i = 0; i < OPERATIONS; i++) {
                try {
                    operate(rig, files, random, TestClient.STRUCT + thread * STRUCT_STEP);
                    outcomes[0]++;
                } catch (IommufdException refused) {
                    outcomes[1]++;
                } catch (RuntimeException | AssertionError broken) {
                    throw new AssertionError("seed %d, thread %d, operation %d".formatted(seed, thread, i), broken);
                }
            }
            return outcomes;
        };
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void nothingBreaks(long seed) throws Exception {
        try (Rig rig = new Rig(); ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
            AdaptedDevice own = rig.add(TestDevice.at(1, 0));
            AdaptedDevice grouped = rig.add(TestDevice.at(1, 1));
            List<OpenNode> files = new ArrayList<>();
            int iommufd = rig.iommufd();   // descriptor 10, eventfds follow
            for (int i = 0; i < 8; i++) {
                rig.client.eventfd();
            }
            files.add(rig.open(own));
            rig.bind(files.getFirst(), iommufd);
            rig.attach(files.getFirst(), rig.ioas(iommufd).id());
            VfioGroup.Claim claim = rig.groups.get(grouped.group().number()).claim();
            claim.attach(rig.iommufd(iommufd).context(), rig.ioas(iommufd));
            files.add(claim.openDevice(grouped.name()));
            files.add(claim.openDevice(grouped.name()));
            List<Future<int[]>> outcomes = new ArrayList<>();
            for (int thread = 0; thread < THREADS; thread++) {
                outcomes.add(threads.submit(client(rig, files, seed, thread)));
            }
            for (Future<int[]> outcome : outcomes) {
                int[] counts = outcome.get(60, TimeUnit.SECONDS);
                assertThat(counts[0]).as("granted, seed %d", seed).isGreaterThan(OPERATIONS / 10);
                assertThat(counts[1]).as("refused, seed %d", seed).isGreaterThan(OPERATIONS / 10);
            }
            files.forEach(OpenNode::close);
            claim.close();
        }
    }
}
