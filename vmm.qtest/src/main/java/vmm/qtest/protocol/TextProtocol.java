package vmm.qtest.protocol;

import java.util.Optional;
import java.util.function.Consumer;
import vmm.qtest.board.Board;

/**
 * The qtest text protocol (QEMU, docs/devel/testing/qtest, "QTest Protocol"): one request a line, one answer a line, and lines that begin
 * with IRQ in between. Not thread-safe.
 */
public final class TextProtocol {
    /** Most bytes that one request reads or writes. */
    public static final int LARGEST_ACCESS_BYTES = 8 << 20;
    /** Longest request: a write of {@link #LARGEST_ACCESS_BYTES}, in hexadecimal. */
    public static final int LONGEST_LINE_CHARS = 2 * LARGEST_ACCESS_BYTES + 256;

    private final Optional<BoardRequests> requests;

    /**
     * For one client.
     *
     * @param board empty for a machine that has nothing to read or write
     * @param unasked takes a line that is no answer: a change of an interrupt line
     */
    public TextProtocol(Optional<Board> board, Consumer<String> unasked) {
        this.requests = board.map(present -> new BoardRequests(present, unasked));
    }

    /** The answer to a line; empty to an empty one, which has none. */
    public String answer(String line) {
        Words request = Words.of(line);
        if (request.isEmpty()) {
            return "";
        }
        if (request.command().equals("endianness")) {
            return "OK little";
        }
        try {
            return requests.orElseThrow(() -> new BadRequest("the machine 'none' has nothing to do that with")).answer(request);
        } catch (BadRequest bad) {
            return "FAIL " + bad.getMessage();
        }
    }
}
