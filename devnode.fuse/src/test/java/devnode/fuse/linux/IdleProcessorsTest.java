package devnode.fuse.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class IdleProcessorsTest {
    /** Microseconds, as the system has it now. */
    private static int latency() throws IOException {
        try (InputStream file = Files.newInputStream(Path.of(LatencyRequest.PATH))) {
            return ByteBuffer.wrap(file.readNBytes(Integer.BYTES)).order(ByteOrder.nativeOrder()).getInt();
        }
    }

    @Test
    void theSystemIsToldWhileTheyAreKeptAwakeAndNoLonger() throws IOException {
        int before;
        try (IdleProcessors processors = IdleProcessors.ofMachine()) {
            assumeTrue(processors.canStayAwake(), "the processors are not those of a virtual machine with haltpoll, or this is not root");
            before = latency();
            assumeTrue(before != 0, "somebody else keeps the processors awake");
            processors.stayAwake();
            assertThat(latency()).isZero();
            processors.maySleep();
            assertThat(latency()).isEqualTo(before);
            processors.stayAwake();
            assertThat(latency()).isZero();
        }
        assertThat(latency()).isEqualTo(before);
    }
}
