package itest.clients;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** What a guest said of itself; see itest/clients/guest.c. */
record GuestReport(String text) {
    private static final String MARK = "@@ ";
    private static final int LEAST_DATAGRAMS = 100;

    /** All its lines of this kind. */
    List<String> lines(String kind) {
        return text.lines().filter(line -> (line + " ").startsWith(MARK + kind + " ")).map(line -> line.substring(MARK.length() + kind.length()).strip()).toList();
    }

    /** The last line of this kind as keys and values. */
    Map<String, String> values(String kind) {
        List<String> lines = lines(kind);
        assertThat(lines).as("lines of \"%s\" in%n%s", kind, text).isNotEmpty();
        Map<String, String> values = new HashMap<>();
        for (String word : lines.getLast().split(" ")) {
            int equals = word.indexOf('=');
            if (equals > 0) {
                values.put(word.substring(0, equals), word.substring(equals + 1));
            }
        }
        return values;
    }

    /** A number of the last line of this kind. */
    double number(String kind, String key) {
        return Double.parseDouble(values(kind).get(key));
    }

    /** What its partner said, another guest (itest/clients/guest-pair.sh). */
    GuestReport peer() {
        return new GuestReport(text.lines().filter(line -> line.startsWith(MARK + "peer ")).map(line -> line.replaceFirst("peer ", ""))
                .collect(Collectors.joining("\n")));
    }

    /** The guest came to its end, and nothing went wrong. */
    void assertContent() {
        assertThat(lines("error")).as(text).isEmpty();
        assertThat(lines("kernel")).as("errors in the guest's kernel log").isEmpty();
        assertThat(lines("end")).as(text).isNotEmpty();
        if (!lines("disk").isEmpty()) {
            assertThat(values("disk").get("model")).as(text).doesNotStartWith("QEMU");
        }
    }

    /** What QEMU itself had to say. */
    List<String> complaints() {
        return text.lines().filter(line -> !line.startsWith(MARK) && (line.contains("qemu-system") || line.contains("vhost") || line.contains("vfio"))).toList();
    }

    /** Every byte and datagram that the guest sent came back as it was, none was lost, and the driver has no errors to tell of. */
    void assertTrafficWasRight(int leastMib) {
        assertThat(values("stream")).as(text).containsEntry("missing", "0").containsEntry("wrong", "0");
        assertThat(number("stream", "bytes")).isGreaterThan(leastMib << 20);
        assertThat(values("datagrams")).as(text).containsEntry("wrong", "0").containsEntry("answered", values("datagrams").get("sent"));
        assertThat(number("datagrams", "sent")).isGreaterThan(LEAST_DATAGRAMS);
        assertThat(values("nic_counts")).containsEntry("rx_errors", "0").containsEntry("tx_errors", "0").containsEntry("rx_dropped", "0")
                .containsEntry("tx_dropped", "0");
        assertThat(number("nic_counts", "rx_packets")).isGreaterThan(number("datagrams", "answered"));
    }
}
