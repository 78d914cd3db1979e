package itest.clients;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What a guest said of itself; see itest/clients/guest.c. */
record GuestReport(String text) {
    private static final String MARK = "@@ ";

    /** All its lines of this kind. */
    List<String> lines(String kind) {
        return text.lines().filter(line -> line.startsWith(MARK + kind)).map(line -> line.substring(MARK.length() + kind.length()).strip()).toList();
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

    /** The guest had this project's disk, and nothing went wrong. */
    void assertContent() {
        assertThat(lines("error")).as(text).isEmpty();
        assertThat(lines("kernel")).as("errors in the guest's kernel log").isEmpty();
        assertThat(lines("end")).as(text).isNotEmpty();
        assertThat(values("disk").get("model")).as(text).doesNotStartWith("QEMU");
    }
}
