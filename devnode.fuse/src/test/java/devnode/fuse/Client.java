package devnode.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A running client program. */
final class Client implements AutoCloseable {
    private final Process process;
    private final BufferedReader output;
    private final BufferedWriter input;

    private Client(Process process) {
        this.process = process;
        this.output = process.inputReader();
        this.input = process.outputWriter();
    }

    static Client start(Path directory, String node, String command, String... arguments) throws IOException, InterruptedException {
        List<String> words = new ArrayList<>(List.of(Native.program().toString(), node, command));
        words.addAll(List.of(arguments));
        return new Client(new ProcessBuilder(words).directory(directory.toFile()).redirectError(ProcessBuilder.Redirect.INHERIT).start());
    }

    /** Runs it to its end. @return what it printed */
    static List<String> run(Path directory, String node, String command, String... arguments) throws IOException, InterruptedException {
        try (Client client = start(directory, node, command, arguments)) {
            return client.rest();
        }
    }

    String line() throws IOException {
        return output.readLine();
    }

    /** Sends a command. @return its answer without the first word */
    String ask(String format, Object... values) throws IOException {
        send(format.formatted(values));
        String answer = line();
        assertThat(answer).as("the client lives").isNotNull();
        return answer.substring(answer.indexOf(' ') + 1);
    }

    /** As {@link #ask}, for a command whose answer is a result and an errno. @return the result, or minus errno */
    long call(String format, Object... values) throws IOException {
        String[] words = ask(format, values).split(" ");
        long result = Long.parseLong(words[0]);
        return result < 0 ? -Long.parseLong(words[1]) : result;
    }

    /** Maps memory. @return its address */
    long map(long file, long length, long offset, int flags) throws IOException {
        String[] words = ask("mmap %x %x %x %x", file, length, offset, flags).split(" ");
        assertThat(words[1]).as("errno of mmap").isEqualTo("0");
        return Long.parseUnsignedLong(words[0], 16);
    }

    void send(String line) throws IOException {
        input.write(line + "\n");
        input.flush();
    }

    List<String> rest() throws IOException, InterruptedException {
        List<String> lines = output.readAllLines();
        assertThat(process.waitFor(20, TimeUnit.SECONDS)).as("the client ends").isTrue();
        return lines;
    }

    void kill() throws InterruptedException {
        process.destroyForcibly();
        assertThat(process.waitFor(5, TimeUnit.SECONDS)).as("the client dies").isTrue();
    }

    long pid() {
        return process.pid();
    }

    int exitValue() {
        return process.exitValue();
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
