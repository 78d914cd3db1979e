package vmm.qtest.command;

import java.nio.file.Path;

/** Where a client is. */
public sealed interface Endpoint {
    /** At a socket that it listens at. */
    record Connect(Path socket) implements Endpoint {}

    /** It will come to a socket that we make. */
    record Listen(Path socket) implements Endpoint {}

    /** At our standard input and output. */
    record Standard() implements Endpoint {}
}
