package vmm.qtest.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Lines come whole, however their bytes come; endless ones cost nothing. */
class LineReaderTest {
    private static LineReader reader(String text, int longest) {
        return new LineReader(new ByteArrayInputStream(text.getBytes(StandardCharsets.ISO_8859_1)), longest);
    }

    @Test
    void cutsAtLineEnds() throws IOException {
        LineReader lines = reader("a\n\nbcd\nrest", 10);
        assertThat(lines.next().orElseThrow().text()).isEqualTo("a");
        assertThat(lines.next().orElseThrow().text()).isEmpty();
        assertThat(lines.next().orElseThrow().text()).isEqualTo("bcd");
        assertThat(lines.next()).as("a client that goes in the middle of a line has not said it").isEmpty();
    }

    @Test
    void forgetsWhatIsTooLongAndGoesOn() throws IOException {
        LineReader lines = reader("1234567890\n12345678901\n" + "x".repeat(200_000) + "\nok\n", 10);
        assertThat(lines.next().orElseThrow()).isEqualTo(new LineReader.Line("1234567890", false));
        assertThat(lines.next().orElseThrow()).isEqualTo(new LineReader.Line("", true));
        assertThat(lines.next().orElseThrow()).isEqualTo(new LineReader.Line("", true));
        assertThat(lines.next().orElseThrow()).isEqualTo(new LineReader.Line("ok", false));
    }

    @Test
    void takesBytesAsTheyCome() throws IOException {
        InputStream slow = new InputStream() {
            private final byte[] bytes = ("readq 0x" + "1".repeat(300_000) + "\n").getBytes(StandardCharsets.US_ASCII);
            private int at;

            @Override
            public int read() {
                return at < bytes.length ? bytes[at++] : -1;
            }

            @Override
            public int read(byte[] target, int offset, int length) {
                if (at == bytes.length) {
                    return -1;
                }
                target[offset] = bytes[at++];
                return 1;
            }
        };
        LineReader lines = new LineReader(slow, 400_000);
        assertThat(lines.next().orElseThrow().text()).hasSize(300_008).endsWith("111");
        assertThat(lines.next()).isEmpty();
    }
}
