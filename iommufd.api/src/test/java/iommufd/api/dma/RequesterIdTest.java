package iommufd.api.dma;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RequesterIdTest {
    @Test
    void anAddressReadsAsItIsWritten() {
        assertThat(RequesterId.parse("12ab:cd:1f.7")).isEqualTo(RequesterId.of(0x12ab, 0xcd, 0x1f, 7)).hasToString("12ab:cd:1f.7");
        assertThat(RequesterId.parse(" 0A:0b.0 ")).isEqualTo(RequesterId.of(0, 0x0a, 0x0b, 0));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "0000:00:0a", "0000:00:20.0", "0000:00:0a.8", "00000:00:0a.0", "0000:100:0a.0", "0000-00-0a.0", "x:00:0a.0"})
    void whatIsNoAddressIsRefused(String text) {
        assertThatThrownBy(() -> RequesterId.parse(text)).isInstanceOfSatisfying(IommufdException.class,
                refused -> assertThat(refused.errno()).isEqualTo(Errno.EINVAL));
    }
}
