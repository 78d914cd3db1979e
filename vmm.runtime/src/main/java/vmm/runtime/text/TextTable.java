package vmm.runtime.text;

import java.util.ArrayList;
import java.util.List;

/** A table of text: every column as wide as its widest cell. Not thread-safe. */
public final class TextTable {
    private static final String GAP = "   ";

    private final List<List<String>> rows = new ArrayList<>();
    private final int columns;

    /** @param headings one per column */
    public TextTable(String... headings) {
        columns = headings.length;
        rows.add(List.of(headings));
    }

    /** Appends a row of as many cells as there are headings. */
    public TextTable row(Object... cells) {
        if (cells.length != columns) {
            throw new IllegalArgumentException(cells.length + " cells in a table of " + columns + " columns");
        }
        List<String> row = new ArrayList<>(columns);
        for (Object cell : cells) {
            row.add(String.valueOf(cell));
        }
        rows.add(row);
        return this;
    }

    /** Headings, a rule, and the rows; no line ends in spaces, the last one not in a line break. */
    @Override
    public String toString() {
        int[] widths = widths();
        StringBuilder text = new StringBuilder();
        for (int row = 0; row < rows.size(); row++) {
            appendRow(text, rows.get(row), widths);
            if (row == 0) {
                text.append('\n');
                appendRow(text, rule(widths), widths);
            }
            if (row < rows.size() - 1) {
                text.append('\n');
            }
        }
        return text.toString();
    }

    private int[] widths() {
        int[] widths = new int[columns];
        for (List<String> row : rows) {
            for (int column = 0; column < columns; column++) {
                widths[column] = Math.max(widths[column], row.get(column).length());
            }
        }
        return widths;
    }

    private static List<String> rule(int[] widths) {
        List<String> rule = new ArrayList<>(widths.length);
        for (int width : widths) {
            rule.add("-".repeat(width));
        }
        return rule;
    }

    private static void appendRow(StringBuilder text, List<String> cells, int[] widths) {
        int start = text.length();
        for (int column = 0; column < widths.length; column++) {
            if (column > 0) {
                text.append(GAP);
            }
            String cell = cells.get(column);
            text.append(cell).append(" ".repeat(widths[column] - cell.length()));
        }
        while (text.length() > start && text.charAt(text.length() - 1) == ' ') {
            text.setLength(text.length() - 1);
        }
    }
}
