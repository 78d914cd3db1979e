package vmm.runtime.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class TextTableTest {
    @Test
    void everyColumnIsAsWideAsItsWidestCell() {
        TextTable table = new TextTable("NAME", "N").row("vtd0", 12).row("a long name", 3);
        assertThat(table.toString().lines()).containsExactly(
                "NAME          N",
                "-----------   --",
                "vtd0          12",
                "a long name   3");
    }

    @Test
    void aTableWithoutRowsShowsItsHeadings() {
        assertThat(new TextTable("A", "BC").toString().lines()).containsExactly("A   BC", "-   --");
    }

    @Test
    void aRowOfAnotherLengthIsRefused() {
        assertThatThrownBy(() -> new TextTable("A").row(1, 2)).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("2 cells");
    }
}
