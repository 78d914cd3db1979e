package devnode.fuse.attach;

import java.nio.charset.StandardCharsets;

/** What the two sides say: see the package. */
final class AttachMessage {
    static final String FILES = "files";
    static final String CHARACTER_DEVICES = "character-devices";
    static final String REFUSED = "refused\n";

    private static final byte[] OK = bytes("ok\n");
    private static final byte[] LISTEN = bytes("listen\n");
    private static final byte[] GO = bytes("go\n");

    private AttachMessage() {}

    static byte[] ok() {
        return OK.clone();
    }

    static byte[] listen() {
        return LISTEN.clone();
    }

    static byte[] go() {
        return GO.clone();
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
