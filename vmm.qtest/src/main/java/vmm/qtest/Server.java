package vmm.qtest;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vmm.qtest.board.Board;
import vmm.qtest.command.Endpoint;
import vmm.qtest.command.QemuArguments;
import vmm.qtest.protocol.QmpSession;
import vmm.qtest.protocol.TextSession;

/**
 * Serves the clients of one board until one of them ends it: the client of the text protocol by going, or, without such a client, the last
 * one of QMP; or QMP's {@code quit}.
 */
final class Server implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Server.class);

    private final QemuArguments arguments;
    private final Optional<Board> board;
    private final TextSession.Log log;
    private final List<AutoCloseable> open = new CopyOnWriteArrayList<>();
    private final List<QmpSession> monitors = new CopyOnWriteArrayList<>();
    private final CountDownLatch ended = new CountDownLatch(1);

    Server(QemuArguments arguments, Optional<Board> board, TextSession.Log log) {
        this.arguments = arguments;
        this.board = board;
        this.log = log;
    }

    /** Serves. @throws IOException if a client cannot be reached in the first place */
    void run() throws IOException, InterruptedException {
        List<Thread> sessions = new ArrayList<>();
        try {
            if (arguments.text().isPresent()) {
                Connection connection = open(arguments.text().get());
                sessions.add(Thread.ofPlatform().daemon().name("qtest").unstarted(() -> serveText(connection)));
            }
            for (Endpoint endpoint : arguments.monitors()) {
                Connection connection = open(endpoint);
                QmpSession session = new QmpSession(connection.in(), connection.out(), new MonitorTarget());
                monitors.add(session);
                sessions.add(Thread.ofPlatform().daemon().name("qmp").unstarted(() -> serveMonitor(session, connection)));
            }
            sessions.forEach(Thread::start);
            ended.await();
        } catch (IOException notReached) {
            if (ended.getCount() != 0) {
                throw notReached;
            }
            // else somebody ended the wait for a client, and that is no failure
        } finally {
            close();
        }
    }

    private Connection open(Endpoint endpoint) throws IOException {
        Connection connection = Connection.open(endpoint, this::closeAtEnd);
        closeAtEnd(connection);
        return connection;
    }

    private void closeAtEnd(AutoCloseable closing) {
        open.add(closing);
        if (ended.getCount() == 0) {
            close();
        }
    }

    private void serveText(Connection connection) {
        try (connection) {
            new TextSession(connection.in(), connection.out(), board, log).run();
        } catch (IOException gone) {
            LOG.debug("the client of the text protocol went in the middle", gone);
        } finally {
            ended.countDown();
        }
    }

    private void serveMonitor(QmpSession session, Connection connection) {
        try (connection) {
            session.run();
        } catch (IOException gone) {
            LOG.debug("a client of QMP went in the middle, or was sent away", gone);
        } finally {
            monitors.remove(session);
            if (monitors.isEmpty() && arguments.text().isEmpty()) {
                ended.countDown();
            }
        }
    }

    /** Ends it, from any thread. */
    @Override
    public void close() {
        ended.countDown();
        for (AutoCloseable closing : open) {
            try {
                closing.close();
            } catch (Exception alreadyGone) {
                LOG.debug("closing {}", closing, alreadyGone);
            }
        }
    }

    private void tellMonitors(String event, Map<String, Object> details) {
        for (QmpSession monitor : monitors) {
            try {
                monitor.event(event, details);
            } catch (UncheckedIOException gone) {
                LOG.debug("a client of QMP went before it heard of {}", event, gone);
            }
        }
    }

    private final class MonitorTarget implements QmpSession.Target {
        @Override
        public List<String> machines() {
            return List.of(arguments.architecture().machine(), QemuArguments.NO_MACHINE);
        }

        @Override
        public List<String> types(String implemented) {
            return switch (implemented) {
                case "device" -> arguments.architecture().devices();
                case "accel" -> List.of("qtest-accel");
                default -> List.of();
            };
        }

        @Override
        public void reset() {
            board.ifPresent(Board::reset);
            tellMonitors("RESET", Map.of("guest", false, "reason", "host-qmp-system-reset"));
        }

        @Override
        public void quit() {
            tellMonitors("SHUTDOWN", Map.of("guest", false, "reason", "host-qmp-quit"));
            ended.countDown();
        }
    }
}
