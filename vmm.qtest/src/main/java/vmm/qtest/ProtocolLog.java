package vmm.qtest;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import vmm.qtest.protocol.TextSession;

/** Writes the text protocol down, for people: who said what, and when. Used under the session's lock. */
final class ProtocolLog implements TextSession.Log, AutoCloseable {
    private static final double NANOS_PER_SECOND = 1e9;

    private final Optional<PrintStream> out;
    private final long startNanos = System.nanoTime();

    private ProtocolLog(Optional<PrintStream> out) {
        this.out = out;
    }

    /** @throws IOException if the file cannot be written; the message names it */
    static ProtocolLog open(Optional<Path> file) throws IOException {
        boolean nobodyReads = file.isEmpty() || file.get().equals(Path.of("/dev/null"));
        if (nobodyReads) {
            return new ProtocolLog(Optional.empty());
        }
        try {
            return new ProtocolLog(Optional.of(new PrintStream(Files.newOutputStream(file.get()), true, StandardCharsets.UTF_8)));
        } catch (IOException refused) {
            throw new IOException("-qtest-log %s: cannot be written: %s".formatted(file.get(), refused.getMessage()), refused);
        }
    }

    @Override
    public void received(String line) {
        write('R', line);
    }

    @Override
    public void sent(String line) {
        write('S', line);
    }

    private void write(char direction, String line) {
        out.ifPresent(stream -> stream.printf("[%c +%.6f] %s%n", direction, (System.nanoTime() - startNanos) / NANOS_PER_SECOND, line));
    }

    @Override
    public void close() {
        out.ifPresent(PrintStream::close);
    }
}
