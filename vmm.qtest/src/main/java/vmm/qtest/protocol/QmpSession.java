package vmm.qtest.protocol;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A client of QMP, from the greeting to its last command. */
public final class QmpSession {
    /** What its commands do. Called on the session's thread. */
    public interface Target {
        /** Names of machines that can be built. */
        List<String> machines();

        /** Names of the types that implement a type of QEMU's object model. */
        List<String> types(String implemented);

        /** Presses the reset button; every client of QMP hears of it by {@link QmpSession#event}. */
        void reset();

        /** Ends the process, soon. */
        void quit();
    }

    private final JsonReader objects;
    private final OutputStream out;
    private final Qmp qmp;

    /** Nothing happens before {@link #run}. */
    public QmpSession(InputStream in, OutputStream out, Target target) {
        this.objects = new JsonReader(in);
        this.out = out;
        this.qmp = new Qmp(target, this::send);
    }

    /** Answers the client until it goes. @throws IOException if it goes in the middle, or sends an object without end */
    public void run() throws IOException {
        try {
            qmp.greet();
            while (true) {
                try {
                    Optional<String> next = objects.next();
                    if (next.isEmpty()) {
                        return;
                    }
                    qmp.request(next.get());
                } catch (BadRequest bad) {
                    qmp.refuse(bad);
                }
            }
        } catch (UncheckedIOException gone) {
            throw gone.getCause();
        }
    }

    /** Tells the client of an event. @throws UncheckedIOException if it has gone */
    public void event(String name, Map<String, Object> details) {
        send(Qmp.event(name, details));
    }

    private synchronized void send(Object value) {
        try {
            out.write((Json.write(value) + "\r\n").getBytes(StandardCharsets.US_ASCII));
            out.flush();
        } catch (IOException gone) {
            throw new UncheckedIOException(gone);
        }
    }
}
