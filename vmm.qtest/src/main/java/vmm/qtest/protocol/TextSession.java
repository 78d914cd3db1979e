package vmm.qtest.protocol;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vmm.qtest.board.Board;

/** A client of the text protocol, from its first line to its last. */
public final class TextSession {
    /** Hears every line; for people. Called with the session's lock held. */
    public interface Log {
        /** Nobody listens. */
        Log NONE = new Log() {
            @Override
            public void received(String line) {
                // nobody listens
            }

            @Override
            public void sent(String line) {
                // nobody listens
            }
        };

        /** The client said this. */
        void received(String line);

        /** The client was told this. */
        void sent(String line);
    }

    private static final Logger LOG = LoggerFactory.getLogger(TextSession.class);
    private static final int LOGGED_CHARS = 200;

    private final LineReader lines;
    private final OutputStream out;
    private final TextProtocol protocol;
    private final Log log;

    /** Nothing happens before {@link #run}. @param board empty for a machine that has nothing to read or write */
    public TextSession(InputStream in, OutputStream out, Optional<Board> board, Log log) {
        this.lines = new LineReader(in, TextProtocol.LONGEST_LINE_CHARS);
        this.out = out;
        this.protocol = new TextProtocol(board, this::sendInBetween);
        this.log = log;
    }

    /** Answers the client until it goes. @throws IOException if it goes in the middle */
    public void run() throws IOException {
        for (Optional<LineReader.Line> next = lines.next(); next.isPresent(); next = lines.next()) {
            LineReader.Line line = next.get();
            synchronized (this) {
                log.received(line.text());
            }
            String answer = line.tooLong() ? "FAIL a line has at most %d characters".formatted(TextProtocol.LONGEST_LINE_CHARS) : answer(line.text());
            if (!answer.isEmpty()) {
                send(answer);
            }
        }
    }

    /** A defect of an IOMMU's model is no reason to lose the client, who wants to see what it did. */
    private String answer(String line) {
        try {
            return protocol.answer(line);
        } catch (RuntimeException | InternalError defect) {
            LOG.error("the board broke at '{}'", line.length() <= LOGGED_CHARS ? line : line.substring(0, LOGGED_CHARS), defect);
            return "FAIL the board broke: " + defect.getClass().getName();
        }
    }

    private synchronized void send(String line) throws IOException {
        log.sent(line);
        out.write((line + '\n').getBytes(StandardCharsets.ISO_8859_1));
        out.flush();
    }

    /** The other client, QMP's, may cause a change; it is no reason to end this session if it cannot be told. */
    private void sendInBetween(String line) {
        try {
            send(line);
        } catch (IOException gone) {
            log.sent("(lost: " + gone.getMessage() + ")");
        }
    }
}
