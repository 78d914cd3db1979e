package vmm.qtest.protocol;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/** Lines of a stream, none longer than it may be: what does not end in time is read, and forgotten. Not thread-safe. */
final class LineReader {
    /** A line. @param tooLong whether its text was forgotten */
    record Line(String text, boolean tooLong) {}

    private final InputStream in;
    private final int longest;
    private final byte[] chunk = new byte[1 << 16];
    private int next;
    private int end;
    private byte[] line = new byte[256];

    LineReader(InputStream in, int longestChars) {
        this.in = in;
        this.longest = longestChars;
    }

    /** The next line without its end; empty at the end of the stream, even within a line. */
    Optional<Line> next() throws IOException {
        int length = 0;
        boolean tooLong = false;
        while (true) {
            if (next == end) {
                end = Math.max(in.read(chunk), 0);
                next = 0;
                if (end == 0) {
                    return Optional.empty();
                }
            }
            int stop = next;
            while (stop < end && chunk[stop] != '\n') {
                stop++;
            }
            int piece = stop - next;
            tooLong |= piece > longest - length;
            if (!tooLong) {
                append(length, piece);
                length += piece;
            }
            next = stop;
            if (stop < end) {
                next++;
                return Optional.of(new Line(tooLong ? "" : new String(line, 0, length, StandardCharsets.ISO_8859_1), tooLong));
            }
        }
    }

    private void append(int length, int piece) {
        if (length + piece > line.length) {
            line = Arrays.copyOf(line, Math.min(longest, Math.max(2 * line.length, length + piece)));
        }
        System.arraycopy(chunk, next, line, length, piece);
    }
}
