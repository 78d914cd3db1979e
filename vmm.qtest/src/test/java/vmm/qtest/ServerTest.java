package vmm.qtest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import vmm.qtest.board.Board;
import vmm.qtest.board.FakeIommu;
import vmm.qtest.command.Architecture;
import vmm.qtest.command.QemuArguments;
import vmm.qtest.command.QemuArgumentsParser;
import vmm.qtest.protocol.TextSession;

/** Clients at real sockets: they come, they go, in the middle as well, and the server ends when it should. */
@Timeout(value = 30, unit = TimeUnit.SECONDS)
class ServerTest {
    private record Client(SocketChannel channel, BufferedReader in) implements AutoCloseable {
        static Client of(SocketChannel channel) {
            return new Client(channel, new BufferedReader(Channels.newReader(channel, StandardCharsets.UTF_8)));
        }

        void send(String text) throws IOException {
            channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    @TempDir
    Path folder;
    private ServerSocketChannel text;
    private ServerSocketChannel qmp;
    private final FakeIommu iommu = new FakeIommu();

    @BeforeEach
    void listen() throws IOException {
        text = ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(UnixDomainSocketAddress.of(folder.resolve("text")));
        qmp = ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(UnixDomainSocketAddress.of(folder.resolve("qmp")));
    }

    @AfterEach
    void close() throws IOException {
        text.close();
        qmp.close();
    }

    private Thread serve(String arguments) throws Exception {
        QemuArguments parsed = QemuArgumentsParser.parse(Architecture.X86_64, List.of(arguments.formatted(folder, folder).split(" ")));
        Optional<Board> board = BoardBuilder.build(parsed, TextClient.MEMORY, vendor -> iommu);
        return Thread.ofPlatform().start(() -> {
            try {
                new Server(parsed, board, TextSession.Log.NONE).run();
            } catch (IOException | InterruptedException broken) {
                throw new AssertionError(broken);
            } finally {
                board.ifPresent(Board::close);
            }
        });
    }

    private static final String BOTH = "-M q35 -m 1 -device intel-iommu -qtest unix:%s/text -qmp unix:%s/qmp";

    @Test
    void bothProtocolsDriveOneBoard() throws Exception {
        Thread server = serve(BOTH);
        try (Client first = Client.of(text.accept()); Client second = Client.of(qmp.accept())) {
            first.send("writel 0xfed90010 5\nreadl 0xfed9");
            assertThat(first.in.readLine()).isEqualTo("OK");
            first.send("0010\n");
            assertThat(first.in.readLine()).isEqualTo("OK 0x0000000000000005");
            assertThat(second.in.readLine()).startsWith("{\"QMP\"");
            second.send("{'execute': 'qmp_capabilities'}{'execute': 'system_reset'}");
            assertThat(second.in.readLine()).isEqualTo("{\"return\": {}}");
            assertThat(second.in.readLine()).isEqualTo("{\"return\": {}}");
            assertThat(second.in.readLine()).startsWith("{\"event\": \"RESET\"");
            first.send("readl 0xfed90010\n");
            assertThat(first.in.readLine()).isEqualTo("OK 0x0000000000000000");
        }
        server.join();
        assertThat(iommu.closed).isTrue();
    }

    @Test
    void goingInTheMiddleOfALineEndsItWell() throws Exception {
        Thread server = serve(BOTH);
        try (Client second = Client.of(qmp.accept())) {
            Client first = Client.of(text.accept());
            first.send("writeb 0 1\nwriteq 0x10 0x12");
            first.close();
            server.join();
            assertThat(second.in.lines().toList()).as("the other one is let go, greeted or not").hasSizeLessThanOrEqualTo(1);
        }
        assertThat(iommu.closed).isTrue();
    }

    @Test
    void goingWithoutReadingTheAnswersEndsItWell() throws Exception {
        Thread server = serve(BOTH);
        Client first = Client.of(text.accept());
        first.send("read 0 0x100000\n".repeat(20));
        first.close();
        server.join();
        assertThat(iommu.closed).isTrue();
    }

    @Test
    void aMonitorThatGoesIsNoEndWhileTheOtherClientIsThere() throws Exception {
        Thread server = serve(BOTH);
        try (Client first = Client.of(text.accept())) {
            Client second = Client.of(qmp.accept());
            second.send("{'execute': 'qmp_capab");
            second.close();
            first.send("endianness\n");
            assertThat(first.in.readLine()).isEqualTo("OK little");
            assertThat(server.isAlive()).isTrue();
        }
        server.join();
    }

    @Test
    void quitEnds() throws Exception {
        Thread server = serve(BOTH);
        try (Client first = Client.of(text.accept()); Client second = Client.of(qmp.accept())) {
            second.in.readLine();
            second.send("{'execute': 'qmp_capabilities'}{'execute': 'quit'}");
            second.in.readLine();
            assertThat(second.in.readLine()).isEqualTo("{\"return\": {}}");
            assertThat(second.in.readLine()).startsWith("{\"event\": \"SHUTDOWN\"");
            server.join();
            assertThat(first.in.readLine()).isNull();
        }
    }

    @Test
    void withoutTheTextProtocolTheLastMonitorEndsIt() throws Exception {
        Thread server = serve("-M none -qmp unix:%s/qmp");
        try (Client only = Client.of(qmp.accept())) {
            only.in.readLine();
            only.send("{'execute': 'qmp_capabilities'}{'execute': 'query-machines'}");
            only.in.readLine();
            assertThat(only.in.readLine()).contains("\"q35\"");
        }
        server.join();
    }

    @Test
    void endlessRequestsEndTheirOwnSessionOrAreForgotten() throws Exception {
        Thread server = serve(BOTH);
        try (Client first = Client.of(text.accept()); Client second = Client.of(qmp.accept())) {
            second.in.readLine();
            Thread flood = Thread.ofPlatform().start(() -> {
                try {
                    for (int i = 0; i < 40; i++) {
                        second.send("{".repeat(1 << 16));
                    }
                } catch (IOException sentAway) {
                    // as it should be
                }
            });
            flood.join();
            assertThat(second.in.readLine()).isNull();
            String piece = "x".repeat(1 << 20);
            for (int i = 0; i < 20; i++) {
                for (ByteBuffer rest = ByteBuffer.wrap(piece.getBytes(StandardCharsets.US_ASCII)); rest.hasRemaining(); ) {
                    first.channel.write(rest);
                }
            }
            first.send("\nendianness\n");
            assertThat(first.in.readLine()).startsWith("FAIL a line has at most ");
            assertThat(first.in.readLine()).isEqualTo("OK little");
        }
        server.join();
    }

    @Test
    void aBrokenIommuIsSaidAndTheClientStays() throws Exception {
        Thread server = serve(BOTH);
        try (Client first = Client.of(text.accept())) {
            first.send("writel 0x%x 0xbad\nendianness\n".formatted(0xfed9_0000L + FakeIommu.BREAK));
            assertThat(first.in.readLine()).isEqualTo("FAIL the board broke: java.lang.IllegalStateException");
            assertThat(first.in.readLine()).isEqualTo("OK little");
        }
        server.join();
    }

    @Test
    void aClientCanComeToUs() throws Exception {
        Thread server = serve("-M q35 -m 1 -qtest unix:%s/ours,server=on,wait=off");
        Path socket = folder.resolve("ours");
        while (!Files.exists(socket)) {
            Thread.onSpinWait();
        }
        SocketChannel channel = null;
        while (channel == null) {
            try {
                channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
            } catch (IOException notYet) {
                Thread.onSpinWait();
            }
        }
        try (Client client = Client.of(channel)) {
            client.send("endianness\n");
            assertThat(client.in.readLine()).isEqualTo("OK little");
        }
        server.join();
        assertThat(socket).doesNotExist();
    }

    @Test
    void theWaitForAClientCanBeEnded() throws Exception {
        Path socket = folder.resolve("ours");
        QemuArguments parsed = QemuArgumentsParser.parse(Architecture.X86_64, List.of("-M", "none", "-qmp", "unix:" + socket + ",server=on"));
        Server server = new Server(parsed, Optional.empty(), TextSession.Log.NONE);
        FutureTask<Boolean> run = new FutureTask<>(() -> {
            server.run();
            return true;
        });
        Thread.ofPlatform().start(run);
        while (!Files.exists(socket)) {
            Thread.onSpinWait();
        }
        server.close();
        assertThat(run.get()).isTrue();
        assertThat(socket).doesNotExist();
    }

    @Test
    void nobodyThereIsSaid() throws Exception {
        QemuArguments parsed = QemuArgumentsParser.parse(Architecture.X86_64, List.of("-M", "none", "-qtest", "unix:" + folder.resolve("nobody")));
        Server server = new Server(parsed, Optional.empty(), TextSession.Log.NONE);
        assertThatThrownBy(server::run).isInstanceOf(IOException.class).hasMessageStartingWith("nobody listens at " + folder.resolve("nobody"));
    }
}
