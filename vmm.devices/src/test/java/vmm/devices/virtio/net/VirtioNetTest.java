package vmm.devices.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vdpa.device.QueueState;
import vmm.devices.virtio.QueueBoard;
import vmm.devices.virtio.RingDriver.Piece;
import vmm.devices.virtio.TestHost;

@Timeout(60)
class VirtioNetTest {
    private static final long LEFT = 0x0252_0000_0001L;
    private static final long RIGHT = 0x0252_0000_0002L;
    private static final long BROADCAST = 0xffff_ffff_ffffL;
    private static final long GROUP = 0x0333_0000_0001L;
    private static final long OTHER = 0x0252_0000_0099L;
    private static final long OFFLOADS = NetFeature.CSUM | NetFeature.GUEST_CSUM | NetFeature.HOST_TSO4 | NetFeature.GUEST_TSO4;
    private static final long CONTROL = NetFeature.CTRL_VQ | NetFeature.CTRL_RX | NetFeature.CTRL_RX_EXTRA | NetFeature.CTRL_MAC
            | NetFeature.CTRL_GUEST_OFFLOADS | NetFeature.MULTI_QUEUE;

    private static final byte[] PLAIN = new byte[Nic.HEADER];

    private static byte[] address(long address) {
        byte[] bytes = new byte[6];
        ReceiveFilter.putAddress(MemorySegment.ofArray(bytes), 0, address);
        return bytes;
    }

    @ParameterizedTest
    @CsvSource({"false,0", "true,0", "false,32768", "true,32768"})
    void packetsGoThroughTheCableAndBack(boolean packed, long features) {
        try (var left = new Nic("loopback=a", LEFT).start(packed, features, 2048); var right = new Nic("loopback=a", RIGHT).start(!packed, features, 2048)) {
            var random = new Random(3);
            for (int i = 0; i < 500; i++) {
                byte[] frame = Nic.frame(RIGHT, LEFT, 14 + random.nextInt(1500), i);
                left.send(frame);
                byte[] packet = right.await(0);
                assertThat(Nic.frameOf(packet)).isEqualTo(frame);
                assertThat(packet[10]).as("buffers").isEqualTo((byte) 1);
                byte[] answer = Nic.frame(LEFT, RIGHT, 60, i);
                right.send(answer);
                assertThat(Nic.frameOf(left.await(0))).isEqualTo(answer);
            }
            assertThat(left.host.faults).isEmpty();
            assertThat(right.host.faults).isEmpty();
            assertThat(right.host.calls(0)).isPositive();
        }
    }

    @Test
    void aLongPacketGoesIntoManyBuffersWithItsOffloads() {
        long features = OFFLOADS | NetFeature.MERGEABLE_BUFFERS;
        try (var left = new Nic("loopback=b", LEFT).start(false, features, 2048); var right = new Nic("loopback=b", RIGHT).start(true, features, 2048)) {
            byte[] header = {1, 1, 54, 0, (byte) 0xb4, 5, 34, 0, 16, 0, 0, 0};
            for (int length : new int[] {2037, 4084, 4085, 30_000, 65_549}) {
                byte[] frame = Nic.frame(RIGHT, LEFT, length, length);
                left.send(0, header, frame);
                byte[] packet = right.await(0);
                assertThat(Nic.frameOf(packet)).isEqualTo(frame);
                assertThat(packet[10] & 0xff).isEqualTo((length + Nic.HEADER + 2047) / 2048);
                assertThat(packet).startsWith(1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0);
            }
        }
    }

    @Test
    void whatAReceiverCannotTakeIsComputedOrDropped() {
        try (var left = new Nic("loopback=c", LEFT).start(false, OFFLOADS, 2048); var right = new Nic("loopback=c", RIGHT).start(false, 0, 2048)) {
            byte[] frame = Nic.frame(RIGHT, LEFT, 101, 5);
            frame[50] = 0;
            frame[51] = 0;
            left.send(0, new byte[] {1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0}, frame);
            byte[] packet = right.await(0);
            assertThat(packet[0]).as("flags").isZero();
            assertThat(sum(packet, Nic.HEADER + 34)).as("a right checksum makes the sum all ones").isEqualTo(0xffff);
            left.send(0, new byte[] {1, 1, 54, 0, (byte) 0xb4, 5, 34, 0, 16, 0, 0, 0}, frame);   // to be segmented
            byte[] next = Nic.frame(RIGHT, LEFT, 77, 6);
            left.send(next);
            assertThat(Nic.frameOf(right.await(0))).isEqualTo(next);
        }
    }

    private static int sum(byte[] bytes, int from) {
        int sum = 0;
        for (int i = from; i < bytes.length; i++) {
            sum += (bytes[i] & 0xff) << ((i - from) % 2 == 0 ? 8 : 0);
        }
        while (sum >>> 16 != 0) {
            sum = (sum & 0xffff) + (sum >>> 16);
        }
        return sum;
    }

    @Test
    void nonsenseIsDroppedAndTheNextPacketIsNot() {
        try (var left = new Nic("loopback=d", LEFT).start(false, OFFLOADS, 2048); var right = new Nic("loopback=d", RIGHT).start(false, OFFLOADS, 2048)) {
            byte[] frame = Nic.frame(RIGHT, LEFT, 60, 1);
            left.send(0, new byte[] {1, 0, 0, 0, 0, 0, 50, 0, 9, 0, 0, 0}, frame);   // checksum behind the end
            left.send(0, new byte[] {0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, frame);    // segments without a checksum
            left.send(new byte[13]);
            left.send(new byte[65_554]);
            left.send(Nic.frame(RIGHT, LEFT, 3000, 4));                              // too long for the buffers
            byte[] next = Nic.frame(RIGHT, LEFT, 77, 6);
            left.send(next);
            assertThat(Nic.frameOf(right.await(0))).isEqualTo(next);
            assertThat(left.host.faults).isEmpty();
            assertThat(right.host.faults).isEmpty();
        }
    }

    @Test
    void theReceiverChoosesWhatItWants() {
        try (var left = new Nic("loopback=e", LEFT).start(false, 0, 2048); var right = new Nic("loopback=e", RIGHT).start(true, CONTROL, 2048)) {
            assertThat(right.order(0, 0, (byte) 0)).as("not promiscuous").isZero();
            int seed = 0;
            assertThat(arrives(left, right, RIGHT, seed++)).isTrue();
            assertThat(arrives(left, right, BROADCAST, seed++)).isTrue();
            assertThat(arrives(left, right, OTHER, seed++)).isFalse();
            assertThat(arrives(left, right, GROUP, seed++)).isFalse();
            byte[] tables = new byte[4 + 6 + 4 + 6];
            tables[0] = 1;
            System.arraycopy(address(OTHER), 0, tables, 4, 6);
            tables[10] = 1;
            System.arraycopy(address(GROUP), 0, tables, 14, 6);
            assertThat(right.order(1, 0, tables)).isZero();
            assertThat(arrives(left, right, OTHER, seed++)).isTrue();
            assertThat(arrives(left, right, GROUP, seed++)).isTrue();
            assertThat(right.order(0, 3, (byte) 1)).as("no multicast").isZero();
            assertThat(right.order(0, 5, (byte) 1)).as("no broadcast").isZero();
            assertThat(arrives(left, right, GROUP, seed++)).isFalse();
            assertThat(arrives(left, right, BROADCAST, seed++)).isFalse();
            assertThat(right.order(1, 1, address(LEFT + 7))).as("another address").isZero();
            assertThat(arrives(left, right, LEFT + 7, seed++)).isTrue();
            byte[] config = new byte[12];
            right.running.readConfig(0, MemorySegment.ofArray(config));
            assertThat(config).startsWith(address(LEFT + 7)).endsWith(1, 0, Nic.PAIRS, 0, 0xdc, 5);
        }
    }

    @Test
    void ordersWithoutAQueueForThemAreNotThere() {
        long controlled = CONTROL & ~NetFeature.CTRL_VQ;
        try (var left = new Nic("loopback=w", LEFT).start(false, controlled, 2048); var right = new Nic("loopback=w", RIGHT).start(false, controlled, 2048)) {
            byte[] frame = Nic.frame(OTHER, LEFT, 60, 5);
            left.send(frame);
            assertThat(Nic.frameOf(right.await(0))).as("nothing filters").isEqualTo(frame);
            assertThat(right.host.faults).isEmpty();
        }
    }

    /** Whether a packet arrives before another one that must: a driver that is always heard. */
    private static boolean arrives(Nic from, Nic to, long address, int seed) {
        from.send(Nic.frame(address, LEFT, 60, seed));
        byte[] config = new byte[6];
        to.running.readConfig(0, MemorySegment.ofArray(config));
        byte[] marker = Nic.frame(ReceiveFilter.address(MemorySegment.ofArray(config), 0), LEFT, 61, seed);
        from.send(marker);
        byte[] first = Nic.frameOf(to.await(0));
        if (java.util.Arrays.equals(first, marker)) {
            return false;
        }
        assertThat(first).isEqualTo(Nic.frame(address, LEFT, 60, seed));
        assertThat(Nic.frameOf(to.await(0))).isEqualTo(marker);
        return true;
    }

    @Test
    void badOrdersAreRefused() {
        try (var nic = new Nic("null", LEFT).start(false, CONTROL, 2048)) {
            assertThat(nic.order(9, 0)).as("no such class").isEqualTo(1);
            assertThat(nic.order(0, 6, (byte) 1)).as("no such mode").isEqualTo(1);
            assertThat(nic.order(0, 0)).as("no data").isEqualTo(1);
            assertThat(nic.order(1, 1, (byte) 1)).as("a short address").isEqualTo(1);
            assertThat(nic.order(1, 0, new byte[] {-1, -1, -1, -1})).as("a long table").isEqualTo(1);
            assertThat(nic.order(1, 0, new byte[] {0, 0, 0, 0, 1, 0, 0, 0})).as("a table that is not there").isEqualTo(1);
            assertThat(nic.order(4, 0, (byte) 0, (byte) 0)).as("no pairs").isEqualTo(1);
            assertThat(nic.order(4, 0, (byte) 3, (byte) 0)).as("too many pairs").isEqualTo(1);
            assertThat(nic.order(5, 0, new byte[] {2, 0, 0, 0, 0, 0, 0, 0})).as("offloads not chosen").isEqualTo(1);
            assertThat(nic.order(4, 0, (byte) 2, (byte) 0)).isZero();
            assertThat(nic.host.faults).isEmpty();
        }
    }

    @Test
    void pairsWorkAtTheSameTimeOnceTheDriverSaysSo() {
        try (var left = new Nic("loopback=f", LEFT).start(false, CONTROL, 2048); var right = new Nic("loopback=f", RIGHT).start(false, CONTROL, 2048)) {
            byte[] frame = Nic.frame(RIGHT, LEFT, 100, 1);
            left.send(1, PLAIN, frame);
            assertThat(Nic.frameOf(right.await(0))).as("the only pair in use").isEqualTo(frame);
            assertThat(right.order(4, 0, (byte) 2, (byte) 0)).isZero();
            left.send(1, PLAIN, frame);
            assertThat(Nic.frameOf(right.await(1))).isEqualTo(frame);
            left.send(0, PLAIN, frame);
            assertThat(Nic.frameOf(right.await(0))).isEqualTo(frame);
        }
    }

    @Test
    void aReceiverThatPausesLosesNothing() {
        try (var left = new Nic("loopback=g", LEFT).start(false, 0, 2048); var right = new Nic("loopback=g", RIGHT).start(true, 0, 2048)) {
            for (int i = 0; i < 20; i++) {
                left.send(Nic.frame(RIGHT, LEFT, 100, 1000 + i));
                assertThat(Nic.frameOf(right.await(0))).isEqualTo(Nic.frame(RIGHT, LEFT, 100, 1000 + i));
                right.running.suspend();
                QueueState state = right.running.queueState(0);
                for (int n = 0; n < 50; n++) {
                    left.send(Nic.frame(RIGHT, LEFT, 100, n));
                }
                assertThat(right.nothing(0)).isTrue();
                assertThat(right.running.queueState(0)).isEqualTo(state);
                right.running.resume();
                for (int n = 0; n < 50; n++) {
                    assertThat(Nic.frameOf(right.await(0))).isEqualTo(Nic.frame(RIGHT, LEFT, 100, n));
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void aBufferThatCannotBeReachedNeedsAReset(int what) {
        try (var left = new Nic("loopback=h", LEFT).start(false, 0, 2048); var right = new Nic("loopback=h", RIGHT).start(false, 0, 2048)) {
            switch (what) {
                case 0 -> left.transmit.getFirst().put(Piece.read(QueueBoard.UNMAPPED, 100));
                case 1 -> left.transmit.getFirst().put(Piece.read(QueueBoard.RAM_IOVA, 11));
                default -> left.transmit.getFirst().put(Piece.read(QueueBoard.RAM_IOVA, 0));
            }
            left.running.kick(1);
            TestHost.await("needs reset", () -> !left.host.faults.isEmpty());
            assertThat(left.host.faults).singleElement().asString().startsWith("queue 1: ");
            right.send(Nic.frame(LEFT, RIGHT, 60, 3));
            assertThat(Nic.frameOf(left.await(0))).as("the other queue").isEqualTo(Nic.frame(LEFT, RIGHT, 60, 3));
            left.running.reset();
            left.start(true, 0, 2048);
            left.send(Nic.frame(RIGHT, LEFT, 60, 4));
            assertThat(Nic.frameOf(right.await(0))).isEqualTo(Nic.frame(RIGHT, LEFT, 60, 4));
        }
    }

    @Test
    void packetsAreMadeUp() {
        try (var nic = new Nic("null,generate=200", LEFT).start(true, NetFeature.MERGEABLE_BUFFERS, 2048)) {
            for (int i = 0; i < 200; i++) {
                byte[] packet = nic.await(0);
                assertThat(packet).hasSize(212);
                assertThat(MemorySegment.ofArray(packet).get(java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED, 26)).isEqualTo(i);
            }
        }
    }

    @Test
    void anUnpluggedOrSilentPeerDoesNotStopASender() {
        try (var left = new Nic("loopback=i", LEFT).start(false, 0, 2048)) {
            for (int i = 0; i < 100; i++) {
                left.send(new byte[40_000]);   // nobody there
            }
            try (var right = new Nic("loopback=i", RIGHT)) {
                for (int i = 0; i < 40; i++) {
                    left.send(new byte[60_000]);   // no driver: 2.4 MB
                }
                right.start(false, NetFeature.MERGEABLE_BUFFERS, 4096);
                assertThat(Nic.frameOf(right.await(0))).isEqualTo(new byte[60_000]);
                assertThatThrownBy(() -> new VirtioNetDevice(RequesterId.of(0, 1, 9, 0), new NetOptions(OTHER, 1, 64, 0), "loopback=i"))
                        .isInstanceOf(IommufdException.class).hasMessageContaining("both are in use");
            }
            left.send(new byte[100]);
        }
    }

    @Test
    void badConfigurationsAreRefused() {
        var options = new NetOptions(LEFT, 1, 64, 0);
        for (String cable : new String[] {"", "nul", "null,generate=1", "null,generate=x", "tap=", "tap=a-name-that-is-too-long"}) {
            assertThatThrownBy(() -> new VirtioNetDevice(RequesterId.of(0, 1, 9, 0), options, cable)).as(cable).isInstanceOf(IommufdException.class);
        }
        assertThatThrownBy(() -> NetOptions.parseMac("52:54")).isInstanceOf(IommufdException.class);
        assertThatThrownBy(() -> new NetOptions(1L << 40, 1, 64, 0)).as("a group").isInstanceOf(IommufdException.class);
        assertThatThrownBy(() -> new NetOptions(LEFT, 0, 64, 0)).isInstanceOf(IommufdException.class);
        try (var nic = new Nic("null", LEFT)) {
            assertThatThrownBy(() -> nic.running.negotiated(NetFeature.GUEST_TSO4)).isInstanceOf(IommufdException.class);
        }
    }
}
