package devnode.fuse.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import devnode.fuse.memory.ClientPins;
import iommufd.api.ContextOwner;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.Test;

class ClientProcessTest {
    @Test
    void theLimitIsTheProcessesOwnAtTheMoment() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/setpriv")) && Files.isWritable(Path.of("/proc/1/oom_score_adj")), "needs root and setpriv");
        Process sleeper = new ProcessBuilder("setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock",
                "prlimit", "--memlock=8192:65536", "sleep", "60").inheritIO().start();
        try {
            awaitProgram(sleeper, "sleep");
            ClientProcess client = new ClientProcess((int) sleeper.pid(), new ClientPins());
            try {
                LongSupplier limit = client.lockedMemoryLimit((int) sleeper.pid());
                assertThat(limit.getAsLong()).isEqualTo(8192);
                assertThat(client.owner((int) sleeper.pid()).lockedMemoryLimitBytes()).isEqualTo(8192);
                raise(sleeper, "16384:65536");
                assertThat(limit.getAsLong()).isEqualTo(16384);
                sleeper.destroyForcibly().waitFor();
                assertThat(limit.getAsLong()).as("the last one known").isEqualTo(16384);
            } finally {
                client.close();
            }
        } finally {
            sleeper.destroyForcibly();
        }
    }

    @Test
    void whoMayLockMemoryHasNoLimit() {
        int self = (int) ProcessHandle.current().pid();
        ClientProcess client = new ClientProcess(self, new ClientPins());
        try {
            assumeTrue(client.owner(self).lockedMemoryLimitBytes() == ContextOwner.UNLIMITED, "needs CAP_IPC_LOCK");
            assertThat(client.lockedMemoryLimit(self).getAsLong()).isEqualTo(ContextOwner.UNLIMITED);
        } finally {
            client.close();
        }
    }

    private static void raise(Process process, String limits) throws Exception {
        assertThat(new ProcessBuilder("prlimit", "--pid", Long.toString(process.pid()), "--memlock=" + limits).inheritIO().start().waitFor()).isZero();
    }

    private static void awaitProgram(Process process, String name) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (!Files.readString(Path.of("/proc/" + process.pid() + "/comm")).trim().equals(name)) {
            assertThat(System.nanoTime()).as("the program starts in time").isLessThan(deadline);
            Thread.sleep(5);
        }
    }
}
