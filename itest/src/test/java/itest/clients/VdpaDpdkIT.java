package itest.clients;

import static org.assertj.core.api.Assertions.assertThat;

import itest.Vmm;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * DPDK's testpmd passes packets from a file through two of this runtime's network devices, and what comes out at the other end is what went
 * in, in order. Skips, and says why, where a piece is missing that cannot be had.
 */
class VdpaDpdkIT {
    private static final int PACKETS = 20_000;
    private static final int MIN_BYTES = 60;
    private static final int MAX_BYTES = 1514;
    private static final int MAGIC = 0xa1b2c3d4;
    private static final int HEADER_BYTES = 24;
    private static final int RECORD_BYTES = 16;
    private static final int LENGTH_OFFSET = 8;
    private static final short LOCAL_EXPERIMENTAL = (short) 0x88b5;

    @TempDir
    private Path directory;

    /** A pcap file of packets of random length and bytes. */
    private static void write(Path file) throws IOException {
        Random random = new Random(4713);
        ByteBuffer all = ByteBuffer.allocate(HEADER_BYTES + PACKETS * (RECORD_BYTES + MAX_BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        all.putInt(MAGIC).putShort((short) 2).putShort((short) 4).putInt(0).putInt(0).putInt(65535).putInt(1);
        for (int i = 0; i < PACKETS; i++) {
            byte[] packet = new byte[random.nextInt(MIN_BYTES, MAX_BYTES + 1)];
            random.nextBytes(packet);
            ByteBuffer.wrap(packet).putInt(-1).putShort((short) -1).putShort((short) 0x0200).putInt(i).putShort(LOCAL_EXPERIMENTAL);
            all.putInt(i).putInt(0).putInt(packet.length).putInt(packet.length).put(packet);
        }
        byte[] bytes = new byte[all.position()];
        all.flip().get(bytes);
        Files.write(file, bytes);
    }

    private static List<ByteBuffer> read(Path file) throws IOException {
        ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        List<ByteBuffer> packets = new ArrayList<>();
        for (int at = HEADER_BYTES; at < all.limit();) {
            int bytes = all.getInt(at + LENGTH_OFFSET);
            packets.add(all.slice(at + RECORD_BYTES, bytes));
            at += RECORD_BYTES + bytes;
        }
        return packets;
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"packed_vq=0", "packed_vq=1", "mrg_rxbuf=0,in_order=0"})
    void packetsComeOutAsTheyWentIn(String queues) throws Exception {
        Path in = directory.resolve("in.pcap");
        Path out = directory.resolve("out.pcap");
        write(in);
        Vmm.client("DPDK, " + queues, List.of("--char-devices", "--device", "virtio.net", "--set", "address=0000:01:00.0", "--set", "cable=loopback=pair",
                "--device", "virtio.net", "--set", "address=0000:01:00.1", "--set", "cable=loopback=pair"),
                "itest/clients/dpdk-net.sh", "pass", in.toString(), out.toString(), queues);
        List<ByteBuffer> sent = read(in);
        List<ByteBuffer> received = read(out);
        assertThat(received).hasSameSizeAs(sent).hasSize(PACKETS);
        for (int i = 0; i < PACKETS; i++) {
            assertThat(received.get(i)).as("packet %d", i).isEqualTo(sent.get(i));
        }
    }
}
