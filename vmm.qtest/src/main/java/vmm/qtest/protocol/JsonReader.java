package vmm.qtest.protocol;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** Cuts a stream into the texts of JSON objects, which nothing separates. Not thread-safe. */
final class JsonReader {
    /** Longest text of one object. */
    static final int LONGEST_BYTES = 1 << 20;

    private final InputStream in;

    JsonReader(InputStream in) {
        this.in = new BufferedInputStream(in);
    }

    /**
     * The text from the next opening brace to the one that closes it; empty at the end of the stream.
     *
     * @throws BadRequest if something else than an object comes; it is skipped up to the next line
     * @throws EndlessObject if it is too long
     */
    Optional<String> next() throws IOException, BadRequest {
        int first = in.read();
        while (first >= 0 && first <= ' ') {
            first = in.read();
        }
        if (first < 0) {
            return Optional.empty();
        }
        if (first != '{') {
            skipLine();
            throw new BadRequest("JSON parse error, expecting an object");
        }
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        int depth = 0;
        int quote = 0;
        for (int next = first; next >= 0; next = in.read()) {
            text.write(next);
            if (quote != 0) {
                if (next == '\\') {
                    text.write(Math.max(in.read(), 0));
                } else if (next == quote) {
                    quote = 0;
                }
            } else if (next == '"' || next == '\'') {
                quote = next;
            } else if (next == '{' || next == '[') {
                depth++;
            } else if (next == '}' || next == ']') {
                depth--;
            }
            if (depth == 0) {
                return Optional.of(text.toString(StandardCharsets.UTF_8));
            }
            if (text.size() > LONGEST_BYTES) {
                throw new EndlessObject();
            }
        }
        return Optional.empty();
    }

    private void skipLine() throws IOException {
        int next = in.read();
        while (next >= 0 && next != '\n') {
            next = in.read();
        }
    }

    /** An object that does not end in time: the rest of the stream makes no sense. */
    static final class EndlessObject extends IOException {
        private static final long serialVersionUID = 1L;

        EndlessObject() {
            super("a JSON object is longer than " + LONGEST_BYTES + " bytes");
        }
    }
}
