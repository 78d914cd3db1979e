package vmm.qtest.command;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The value of an option, as QEMU writes it: {@code first,key=value,key=value}, two commas for one that is meant.
 *
 * @param first what stands before the first comma if it has no {@code =}, else empty
 * @param values the rest, in order; a key without a value is {@code on}, or, with {@code no} in front, {@code off}
 */
record OptionList(String first, Map<String, String> values) {
    static OptionList parse(String text) {
        Map<String, String> values = new LinkedHashMap<>();
        String first = "";
        List<String> parts = split(text);
        for (int i = 0; i < parts.size(); i++) {
            String part = parts.get(i);
            int equals = part.indexOf('=');
            if (equals >= 0) {
                values.put(part.substring(0, equals), part.substring(equals + 1));
            } else if (i == 0) {
                first = part;
            } else if (part.startsWith("no")) {
                values.put(part.substring(2), "off");
            } else {
                values.put(part, "on");
            }
        }
        return new OptionList(first, values);
    }

    private static List<String> split(String text) {
        List<String> parts = new ArrayList<>();
        StringBuilder part = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            boolean comma = text.charAt(i) == ',';
            if (comma && i + 1 < text.length() && text.charAt(i + 1) == ',') {
                part.append(',');
                i++;
            } else if (comma) {
                parts.add(part.toString());
                part.setLength(0);
            } else {
                part.append(text.charAt(i));
            }
        }
        parts.add(part.toString());
        return parts;
    }

    /** Takes a value out. */
    String take(String key, String otherwise) {
        String value = values.remove(key);
        return value == null ? otherwise : value;
    }

    /** @throws UsageException if anything is left that nobody has taken */
    void end(String option) throws UsageException {
        if (!values.isEmpty()) {
            throw new UsageException("%s: there is no '%s'".formatted(option, values.keySet().iterator().next()));
        }
    }
}
