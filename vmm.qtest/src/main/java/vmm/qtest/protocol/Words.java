package vmm.qtest.protocol;

import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.StringTokenizer;

/** The words of one request of the text protocol. Numbers are as C writes them: 0x1f, 017, 31; 64 bits, unsigned. */
record Words(List<String> words) {
    /** Longest part of a client's text that is told back to it. */
    private static final int QUOTED_CHARS = 60;

    static Words of(String line) {
        List<String> words = new ArrayList<>();
        for (StringTokenizer rest = new StringTokenizer(line, " \t\r"); rest.hasMoreTokens(); ) {
            words.add(rest.nextToken());
        }
        return new Words(words);
    }

    boolean isEmpty() {
        return words.isEmpty();
    }

    String command() {
        return words.getFirst();
    }

    boolean has(int index) {
        return index < words.size();
    }

    /** Argument {@code index}, from 1 on. */
    String text(int index) throws BadRequest {
        if (!has(index)) {
            throw new BadRequest("%s needs %s".formatted(quoted(command()), index == 1 ? "an argument" : "at least " + index + " arguments"));
        }
        return words.get(index);
    }

    /** Argument {@code index} as a number. */
    long number(int index) throws BadRequest {
        String text = text(index);
        try {
            if (text.startsWith("0x") || text.startsWith("0X")) {
                return Long.parseUnsignedLong(text.substring(2), 16);
            }
            return Long.parseUnsignedLong(text, text.startsWith("0") ? 8 : 10);
        } catch (NumberFormatException wrong) {
            throw new BadRequest(quoted(text) + " is no number of 64 bits");
        }
    }

    /** Argument {@code index} as a number from 0 to {@code last}. */
    int number(int index, int last) throws BadRequest {
        long number = number(index);
        if (Long.compareUnsigned(number, last) > 0) {
            throw new BadRequest("%s is outside 0..0x%x".formatted(quoted(text(index)), last));
        }
        return (int) number;
    }

    /** Argument {@code index}, 0x and hexadecimal digits, as {@code length} bytes; what is missing is 0, what is too much is not looked at. */
    byte[] hexadecimal(int index, int length) throws BadRequest {
        String text = text(index);
        if (!text.startsWith("0x") && !text.startsWith("0X")) {
            throw new BadRequest("data begins with 0x");
        }
        byte[] bytes = new byte[length];
        for (int i = 0; i < length && 2 * i + 3 < text.length(); i++) {
            int high = Character.digit(text.charAt(2 * i + 2), 16);
            int low = Character.digit(text.charAt(2 * i + 3), 16);
            if ((high | low) < 0) {
                throw new BadRequest("data has a byte that is not hexadecimal: " + quoted(text.substring(2 * i + 2, 2 * i + 4)));
            }
            bytes[i] = (byte) (high << 4 | low);
        }
        return bytes;
    }

    /** Argument {@code index} as Base64. */
    byte[] base64(int index) throws BadRequest {
        try {
            return Base64.getDecoder().decode(text(index));
        } catch (IllegalArgumentException wrong) {
            throw new BadRequest("data is no Base64");
        }
    }

    /** Of a client's text what can be told back in one line. */
    static String quoted(String text) {
        String shown = text.length() <= QUOTED_CHARS ? text : text.substring(0, QUOTED_CHARS) + "...";
        StringBuilder printable = new StringBuilder("'");
        shown.chars().forEach(c -> printable.append(c >= ' ' && c < 0x7f ? (char) c : '?'));
        return printable.append('\'').toString();
    }
}
