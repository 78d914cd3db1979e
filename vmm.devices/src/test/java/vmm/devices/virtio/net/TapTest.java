package vmm.devices.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A driver and the host's own network stack, through a TAP interface. Needs root. */
@Timeout(60)
@EnabledIf("possible")
class TapTest {
    private static final long MAC = 0x0252_0000_0042L;
    private static final String HOST = "198.51.100.1";
    private static final String GUEST = "198.51.100.2";
    private static final String NAME = "vt" + ProcessHandle.current().pid();
    private static final int HEADERS = 14 + 20 + 8;

    static boolean possible() {
        return Files.isReadable(Path.of("/dev/net/tun")) && "root".equals(System.getProperty("user.name"))
                && Stream.of("/sbin/ip", "/usr/sbin/ip", "/bin/ip").anyMatch(ip -> Files.isExecutable(Path.of(ip)));
    }

    private static void ip(String... arguments) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(Stream.concat(Stream.of("ip"), Stream.of(arguments)).toList()).inheritIO().start();
        assertThat(process.waitFor()).as("ip %s", List.of(arguments)).isZero();
    }

    private static void up() throws IOException, InterruptedException {
        ip("address", "add", HOST + "/30", "dev", NAME);
        ip("link", "set", NAME, "up");
        ip("neighbour", "replace", GUEST, "lladdr", "02:52:00:00:00:42", "dev", NAME);
    }

    /** A UDP packet of the guest whose checksum is left to the receiver. */
    private static byte[] datagram(byte[] toMac, int fromPort, int toPort, byte[] payload) {
        ByteBuffer frame = ByteBuffer.allocate(HEADERS + payload.length);
        frame.put(toMac);
        for (int i = 5; i >= 0; i--) {
            frame.put((byte) (MAC >>> 8 * i));
        }
        frame.putShort((short) 0x800);
        int length = 8 + payload.length;
        frame.put((byte) 0x45).put((byte) 0).putShort((short) (20 + length)).putInt(0).put((byte) 64).put((byte) 17).putShort((short) 0);
        frame.put(new byte[] {(byte) 198, 51, 100, 2, (byte) 198, 51, 100, 1});
        frame.putShort(24, (short) ~sum(frame.array(), 14, 34, 0));
        int pseudo = sum(frame.array(), 26, 34, 17 + length);
        frame.putShort((short) fromPort).putShort((short) toPort).putShort((short) length).putShort((short) pseudo).put(payload);
        return frame.array();
    }

    private static int sum(byte[] bytes, int from, int end, int start) {
        int sum = start;
        for (int i = from; i < end; i++) {
            sum += (bytes[i] & 0xff) << ((i - from) % 2 == 0 ? 8 : 0);
        }
        while (sum >>> 16 != 0) {
            sum = (sum & 0xffff) + (sum >>> 16);
        }
        return sum;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void datagramsGoBothWaysWithTheirChecksumsLeftToTheReceiver(boolean packed) throws Exception {
        long features = NetFeature.CSUM | NetFeature.GUEST_CSUM | NetFeature.MERGEABLE_BUFFERS;
        try (var nic = new Nic("tap=" + NAME, MAC).start(packed, features, 2048)) {
            up();
            try (var socket = new DatagramSocket(new InetSocketAddress(HOST, 0))) {
                socket.setSoTimeout(10_000);
                for (int i = 0; i < 100; i++) {
                    byte[] payload = ("datagram " + i).repeat(1 + i).getBytes(StandardCharsets.US_ASCII);
                    socket.send(new DatagramPacket(payload, payload.length, new InetSocketAddress(GUEST, 7)));
                    byte[] packet = awaitUdp(nic);
                    assertThat(packet[0] & 1).as("checksum left to the guest").isEqualTo(1);
                    byte[] frame = Nic.frameOf(packet);
                    assertThat(Arrays.copyOfRange(frame, HEADERS, frame.length)).isEqualTo(payload);
                    byte[] answer = datagram(Arrays.copyOfRange(frame, 6, 12), 7, socket.getLocalPort(), payload);
                    nic.send(0, new byte[] {1, 0, 0, 0, 0, 0, 34, 0, 6, 0, 0, 0}, answer);
                    var received = new DatagramPacket(new byte[4096], 4096);
                    socket.receive(received);
                    assertThat(Arrays.copyOf(received.getData(), received.getLength())).isEqualTo(payload);
                }
            }
            assertThat(nic.host.faults).isEmpty();
        }
    }

    /** Hosts say other things as well. */
    private static byte[] awaitUdp(Nic nic) {
        while (true) {
            byte[] packet = nic.await(0);
            if (packet.length > Nic.HEADER + HEADERS && packet[Nic.HEADER + 12] == 8 && packet[Nic.HEADER + 13] == 0 && packet[Nic.HEADER + 23] == 17) {
                return packet;
            }
        }
    }

    @Test
    void aDriverThatTakesNoOffloadsGetsFinishedChecksums() throws Exception {
        try (var nic = new Nic("tap=" + NAME, MAC).start(false, 0, 2048)) {
            up();
            try (var socket = new DatagramSocket(new InetSocketAddress(HOST, 0))) {
                byte[] payload = "finished".getBytes(StandardCharsets.US_ASCII);
                socket.send(new DatagramPacket(payload, payload.length, new InetSocketAddress(GUEST, 7)));
                byte[] packet = awaitUdp(nic);
                assertThat(packet[0]).isZero();
                int udp = Nic.HEADER + 34;
                int length = packet.length - udp;
                assertThat(sum(packet, udp, packet.length, sum(packet, udp - 8, udp, 17 + length))).isEqualTo(0xffff);
            }
        }
    }
}
