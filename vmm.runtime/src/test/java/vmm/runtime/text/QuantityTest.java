package vmm.runtime.text;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class QuantityTest {
    @Test
    void bytesGetTheUnitThatSuits() {
        assertThat(Quantity.bytes(0)).isEqualTo("0 B");
        assertThat(Quantity.bytes(1023)).isEqualTo("1023 B");
        assertThat(Quantity.bytes(256L << 20)).isEqualTo("256 MiB");
        assertThat(Quantity.bytes(1.5 * (1L << 30))).isEqualTo("1.50 GiB");
        assertThat(Quantity.bytes((double) (1L << 62))).isEqualTo("4096 PiB");
    }

    @Test
    void timesGetTheUnitThatSuits() {
        assertThat(Quantity.time(999)).isEqualTo("999 ns");
        assertThat(Quantity.time(1_234)).isEqualTo("1.23 us");
        assertThat(Quantity.time(45_678_900)).isEqualTo("45.7 ms");
        assertThat(Quantity.time(90_000_000_000.0)).isEqualTo("90 s");
    }

    @Test
    void aRateWithoutTimeIsNoNumber() {
        assertThat(Quantity.rate(1 << 30, 1e9)).isEqualTo("1 GiB/s");
        assertThat(Quantity.rate(5, 0)).isEqualTo("-");
    }

    @Test
    void nounsFollowTheNumber() {
        assertThat(Quantity.count(1, "page")).isEqualTo("1 page");
        assertThat(Quantity.count(1_048_576, "page")).isEqualTo("1,048,576 pages");
    }
}
