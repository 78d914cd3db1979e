package vmm.qtest;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import vmm.qtest.command.Endpoint;

/**
 * A way to a client.
 *
 * @param closing what ends it
 */
record Connection(InputStream in, OutputStream out, AutoCloseable closing) implements AutoCloseable {
    /**
     * Reaches the client, or waits for it.
     *
     * @param waiting told what to close to end the wait
     * @throws IOException if it cannot be reached, or the wait was ended; the message names the socket
     */
    static Connection open(Endpoint endpoint, Consumer<AutoCloseable> waiting) throws IOException {
        return switch (endpoint) {
            case Endpoint.Connect(Path socket) -> {
                try {
                    yield of(SocketChannel.open(UnixDomainSocketAddress.of(socket)));
                } catch (IOException refused) {
                    throw new IOException("nobody listens at %s: %s".formatted(socket, refused.getMessage()), refused);
                }
            }
            case Endpoint.Listen(Path socket) -> accept(socket, waiting);
            case Endpoint.Standard() -> new Connection(new FileInputStream(FileDescriptor.in), new FileOutputStream(FileDescriptor.out), () -> { });
        };
    }

    private static Connection accept(Path socket, Consumer<AutoCloseable> waiting) throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            waiting.accept(server);
            Files.deleteIfExists(socket);
            server.bind(UnixDomainSocketAddress.of(socket));
            return of(server.accept());
        } catch (IOException refused) {
            throw new IOException("cannot listen at %s: %s".formatted(socket, refused.getMessage()), refused);
        } finally {
            Files.deleteIfExists(socket);
        }
    }

    private static Connection of(SocketChannel channel) {
        return new Connection(Channels.newInputStream(channel), Channels.newOutputStream(channel), channel);
    }

    @Override
    public void close() {
        try {
            closing.close();
        } catch (Exception alreadyGone) {
            // nothing is left to be done about it
        }
    }
}
