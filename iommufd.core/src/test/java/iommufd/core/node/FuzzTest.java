package iommufd.core.node;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Requests nobody would make, many: only errnos that are documented for them, and nothing left at the end. */
class FuzzTest {
    private static final int REQUESTS = 100_000;
    private static final int THREADS = 4;
    private static final int REQUESTS_OF_A_THREAD = 15_000;
    private static final int DEVICES = 3;

    /** One who asserts about requests with a seed. */
    private interface Run {
        void with(Client client, List<BoundDevice> devices, long seed) throws Exception;
    }

    private static void seeded(Run run) throws Exception {
        long seed = Long.getLong("iommufd.seed", System.nanoTime());
        try (Client client = new Client()) {
            List<BoundDevice> devices = new ArrayList<>();
            for (int i = 1; i <= DEVICES; i++) {
                devices.add(client.bind(i));
            }
            run.with(client, devices, seed);
        } catch (AssertionError | RuntimeException | ExecutionException failed) {
            throw new AssertionError("seed %d: run again with -Diommufd.seed=%d".formatted(seed, seed), failed);
        }
    }

    @Test
    void everyRequestIsGrantedOrRefusedAsDocumentedAndNothingIsLeft() throws Exception {
        seeded((client, devices, seed) -> {
            RandomClient random = new RandomClient(client.file, client.caller, devices, seed, Client.STRUCT);
            int granted = 0;
            for (int i = 0; i < REQUESTS; i++) {
                granted += random.step() ? 1 : 0;
            }
            assertThat(granted).as("the requests are not all nonsense").isGreaterThan(REQUESTS / 10);
        });
    }

    @Test
    void processesThatShareAFileDoNotBreakIt() throws Exception {
        seeded((client, devices, seed) -> {
            List<MemoryCaller> processes = new ArrayList<>();
            List<Callable<Void>> work = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                MemoryCaller process = new MemoryCaller(client.rig.ram);
                processes.add(process);
                RandomClient random = new RandomClient(client.file, process, devices, seed + i, Client.STRUCT + i * 512L);
                work.add(() -> {
                    for (int request = 0; request < REQUESTS_OF_A_THREAD; request++) {
                        random.step();
                    }
                    return null;
                });
            }
            try (ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
                for (Future<Void> done : threads.invokeAll(work, 60, TimeUnit.SECONDS)) {
                    assertThat(done.isCancelled()).as("it hangs").isFalse();
                    done.get();
                }
            }
            client.exit();
            processes.forEach(MemoryCaller::closeAll);
            assertThat(processes.stream().mapToLong(process -> process.pinnedPages.get())).as("pages left pinned").containsOnly(0L);
        });
    }
}
