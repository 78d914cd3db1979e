package vmm.qtest.protocol;

/** A request makes no sense; the message says why, in one line. */
final class BadRequest extends Exception {
    private static final long serialVersionUID = 1L;

    BadRequest(String message) {
        super(message);
    }
}
