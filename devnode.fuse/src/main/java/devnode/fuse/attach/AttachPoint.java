package devnode.fuse.attach;


import devnode.fuse.launch.CallFilter;
import devnode.fuse.launch.CallReports;
import devnode.fuse.launch.ClientNamespace;
import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import devnode.fuse.linux.UnixSocket;
import devnode.fuse.server.FuseServer;
import iommufd.api.IommufdException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Set;
import java.util.SortedSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Lets programs that others start find the nodes of this runtime, until it is closed. Thread-safe. */
public final class AttachPoint implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(AttachPoint.class);
    private static final long PATIENCE_MILLIS = TimeUnit.SECONDS.toMillis(5);

    private final Supplier<FuseServer> server;
    private final Supplier<SortedSet<Integer>> descriptorRequests;
    private final RuntimeDirectory.Bound bound;
    private final Thread listener;
    private final Set<UnixSocket> open = ConcurrentHashMap.newKeySet();
    private volatile boolean closing;

    private AttachPoint(Supplier<FuseServer> server, Supplier<SortedSet<Integer>> descriptorRequests, RuntimeDirectory.Bound bound) {
        this.server = server;
        this.descriptorRequests = descriptorRequests;
        this.bound = bound;
        this.listener = Thread.ofPlatform().name("devnode-attach").daemon().unstarted(this::listen);
    }

    /**
     * Starts to listen.
     *
     * @param name of this runtime
     * @param server asked for when a program comes; may throw {@link IommufdException} with the reason why there is none
     * @param descriptorRequests ioctls that may open files in the program
     * @throws IommufdException if there can be no socket
     */
    public static AttachPoint open(RuntimeDirectory directory, String name, Supplier<FuseServer> server,
            Supplier<SortedSet<Integer>> descriptorRequests) {
        AttachPoint point = new AttachPoint(server, descriptorRequests, directory.listen(name));
        point.listener.start();
        LOG.debug("programs can attach at {}", point.bound.file());
        return point;
    }

    private void listen() {
        while (!closing) {
            try {
                UnixSocket connection = bound.socket().accept();
                open.add(connection);
                // A thread of its own: it waits for the other side.
                Thread.ofPlatform().name("devnode-attached").daemon().start(() -> serve(connection));
            } catch (IommufdException refused) {
                if (!closing) {
                    LOG.warn("no program can attach any more: {}", refused.getMessage());
                }
                return;
            }
        }
    }

    private void serve(UnixSocket connection) {
        try {
            String request = new String(connection.receive().bytes(), StandardCharsets.US_ASCII);
            if (request.equals(AttachMessage.FILES) || request.equals(AttachMessage.CHARACTER_DEVICES)) {
                try {
                    attach(connection, request.equals(AttachMessage.CHARACTER_DEVICES));
                } catch (IommufdException refused) {
                    connection.send(AttachMessage.bytes(AttachMessage.REFUSED + refused.getMessage()), UnixSocket.NO_FILE);
                }
            } else if (!request.isEmpty()) { // else somebody only looked whether we are there
                connection.send(AttachMessage.bytes(AttachMessage.REFUSED + "this runtime does not know how to " + request), UnixSocket.NO_FILE);
            }
        } catch (IommufdException gone) {
            LOG.debug("a program did not attach: {}", gone.getMessage());
        } catch (RuntimeException | Error failed) {
            LOG.warn("a program could not attach", failed);
        } finally {
            open.remove(connection);
            connection.close();
        }
    }

    private void attach(UnixSocket connection, boolean characterDevices) {
        FuseServer running = server.get();
        byte[] filter = new CallFilter(descriptorRequests.get(), characterDevices).instructions();
        int namespace = namespace(running);
        try {
            ByteArrayOutputStream answer = new ByteArrayOutputStream();
            answer.writeBytes(AttachMessage.ok());
            answer.writeBytes(filter);
            connection.send(answer.toByteArray(), namespace);
        } finally {
            Linux.close(namespace);
        }
        if (filter.length == 0) {
            return;
        }
        UnixSocket.Message listening = connection.receive();
        if (listening.file() != UnixSocket.NO_FILE) {
            new CallReports(running).answer(listening.file());
            connection.send(AttachMessage.go(), UnixSocket.NO_FILE);
        }
    }

    /** A new namespace, by a thread that stays in it and ends. */
    private static int namespace(FuseServer server) {
        CompletableFuture<Integer> made = new CompletableFuture<>();
        Thread.ofPlatform().name("devnode-namespace").daemon().start(() -> {
            try {
                ClientNamespace.enter(server);
                made.complete(ErrorNumber.check("the mount namespace cannot be opened", Linux.open("/proc/thread-self/ns/mnt", Linux.O_RDONLY)));
            } catch (RuntimeException | Error failed) {
                made.completeExceptionally(failed);
            }
        });
        try {
            return made.join();
        } catch (CompletionException failed) {
            if (failed.getCause() instanceof RuntimeException unchecked) {
                throw unchecked;
            }
            throw failed;
        }
    }

    /** Programs that have attached go on. */
    @Override
    public void close() {
        closing = true;
        try {
            Files.deleteIfExists(bound.file());
        } catch (IOException e) {
            LOG.warn("the socket {} cannot be removed", bound.file(), e);
        }
        bound.socket().shutDown();
        open.forEach(UnixSocket::shutDown);
        try {
            listener.join(PATIENCE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        bound.socket().close();
    }
}
