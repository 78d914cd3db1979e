package vmm.qtest.protocol;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * JSON (RFC 8259) with strings in single quotes as well, as QMP takes it. Values are {@link Map}, {@link List}, {@link String},
 * {@link Long}, {@link Double}, {@link Boolean} and, for null, an empty {@link Optional}.
 */
final class Json {
    /** Arrays and objects within each other at most. */
    static final int DEPTH = 64;
    private static final int HEX_DIGITS = 4;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** Reads a value. @throws BadRequest if the text is none, or more than one */
    static Object parse(String text) throws BadRequest {
        Json json = new Json(text);
        Object value = json.value(0);
        if (json.peek() != 0) {
            throw json.wrong();
        }
        return value;
    }

    private Object value(int depth) throws BadRequest {
        char first = peek();
        return switch (first) {
            case '{' -> object(depth);
            case '[' -> array(depth);
            case '"', '\'' -> string();
            case 't' -> word("true", Boolean.TRUE);
            case 'f' -> word("false", Boolean.FALSE);
            case 'n' -> word("null", Optional.empty());
            default -> number();
        };
    }

    /** The next character that is no space, 0 at the end. */
    private char peek() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        return at < text.length() ? text.charAt(at) : 0;
    }

    private boolean skip(char expected) {
        boolean found = peek() == expected;
        at += found ? 1 : 0;
        return found;
    }

    private void need(char expected) throws BadRequest {
        if (!skip(expected)) {
            throw wrong();
        }
    }

    private BadRequest wrong() {
        return new BadRequest("JSON parse error, at character " + at);
    }

    private Map<String, Object> object(int depth) throws BadRequest {
        Map<String, Object> members = new LinkedHashMap<>();
        deeper(depth);
        need('{');
        if (!skip('}')) {
            do {
                if (peek() != '"' && peek() != '\'') {
                    throw wrong();
                }
                String name = string();
                need(':');
                members.put(name, value(depth + 1));
            } while (skip(','));
            need('}');
        }
        return members;
    }

    private List<Object> array(int depth) throws BadRequest {
        List<Object> elements = new ArrayList<>();
        deeper(depth);
        need('[');
        if (!skip(']')) {
            do {
                elements.add(value(depth + 1));
            } while (skip(','));
            need(']');
        }
        return elements;
    }

    private void deeper(int depth) throws BadRequest {
        if (depth >= DEPTH) {
            throw new BadRequest("JSON parse error, nested deeper than " + DEPTH);
        }
    }

    private Object word(String word, Object value) throws BadRequest {
        if (!text.startsWith(word, at)) {
            throw wrong();
        }
        at += word.length();
        return value;
    }

    private Object number() throws BadRequest {
        int start = at;
        while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        String digits = text.substring(start, at);
        try {
            boolean fraction = digits.chars().anyMatch(c -> c == '.' || c == 'e' || c == 'E');
            return fraction ? (Object) Double.valueOf(digits) : (Object) Long.valueOf(digits);
        } catch (NumberFormatException wrong) {
            throw wrong();
        }
    }

    private String string() throws BadRequest {
        char quote = text.charAt(at++);
        StringBuilder string = new StringBuilder();
        while (at < text.length() && text.charAt(at) != quote) {
            char next = text.charAt(at++);
            if (next < ' ') {
                throw wrong();
            }
            string.append(next == '\\' ? escaped() : next);
        }
        if (at++ >= text.length()) {
            throw wrong();
        }
        return string.toString();
    }

    private char escaped() throws BadRequest {
        char kind = at < text.length() ? text.charAt(at++) : 0;
        return switch (kind) {
            case '"', '\'', '\\', '/' -> kind;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> codeUnit();
            default -> throw wrong();
        };
    }

    private char codeUnit() throws BadRequest {
        int unit = 0;
        for (int i = 0; i < HEX_DIGITS; i++) {
            int digit = at < text.length() ? Character.digit(text.charAt(at++), 16) : -1;
            if (digit < 0) {
                throw wrong();
            }
            unit = unit << 4 | digit;
        }
        return (char) unit;
    }

    /** Writes a value that {@link #parse} could have read. */
    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        append(out, value);
        return out.toString();
    }

    private static void append(StringBuilder out, Object value) {
        switch (value) {
            case Map<?, ?> members -> {
                String separator = "{";
                for (Map.Entry<?, ?> member : members.entrySet()) {
                    out.append(separator);
                    append(out, member.getKey());
                    out.append(": ");
                    append(out, member.getValue());
                    separator = ", ";
                }
                out.append(members.isEmpty() ? "{}" : "}");
            }
            case List<?> elements -> {
                String separator = "[";
                for (Object element : elements) {
                    out.append(separator);
                    append(out, element);
                    separator = ", ";
                }
                out.append(elements.isEmpty() ? "[]" : "]");
            }
            case String string -> appendString(out, string);
            case Optional<?> nothing when nothing.isEmpty() -> out.append("null");
            default -> out.append(value);
        }
    }

    private static void appendString(StringBuilder out, String string) {
        out.append('"');
        string.chars().forEach(c -> {
            if (c == '"' || c == '\\') {
                out.append('\\').append((char) c);
            } else if (c >= ' ' && c < 0x7f) {
                out.append((char) c);
            } else {
                out.append("\\u%04x".formatted(c));
            }
        });
        out.append('"');
    }
}
