package iommufd.api.uapi;

import iommufd.api.IommufdException;
import iommufd.api.node.ClientMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;
import java.util.TreeMap;

/** How the fields of one struct are printed. */
final class StructText {
    private final String sizeName;
    private final int sizeBytes;
    private final List<Field> fields;

    /**
     * @param sizeName name of the first field, in which the client says how much it knows
     * @param sizeBytes 0 if there is no struct
     */
    StructText(String sizeName, int sizeBytes, List<Field> fields) {
        this.sizeName = sizeName;
        this.sizeBytes = sizeBytes;
        this.fields = fields;
    }

    /** A client's struct, zero where the client has none; empty if not even its size can be read. */
    Optional<MemorySegment> read(ClientMemory memory, long address) {
        if (sizeBytes == 0) {
            return Optional.empty();
        }
        MemorySegment struct = MemorySegment.ofArray(new byte[sizeBytes]);
        try {
            int userBytes = UserStruct.readSize(memory, address, struct);
            int known = Integer.compareUnsigned(userBytes, sizeBytes) > 0 ? sizeBytes : Math.max(userBytes, Integer.BYTES);
            memory.read(address, struct.asSlice(0, known));
            return Optional.of(struct);
        } catch (IommufdException unreadable) {
            return Optional.empty();
        }
    }

    /** What the client says. */
    void input(MemorySegment struct, StringBuilder text) {
        StringJoiner joiner = new StringJoiner(", ", "{", "}");
        joiner.add(sizeName + "=" + Integer.toUnsignedString(struct.get(ValueLayout.JAVA_INT_UNALIGNED, 0)));
        for (Field field : fields) {
            if (field.direction() != Direction.OUTPUT && !(field.hiddenZero() && field.value(struct) == 0)) {
                joiner.add(field.text(struct));
            }
        }
        text.append(joiner);
    }

    /** What it is told: all of it if the request was granted, else what changed. */
    void output(MemorySegment before, MemorySegment after, boolean granted, StringBuilder text) {
        StringJoiner joiner = new StringJoiner(", ", " => {", "}");
        joiner.setEmptyValue("");
        for (Field field : fields) {
            boolean changed = field.value(before) != field.value(after);
            boolean told = field.direction() == Direction.OUTPUT && granted || field.direction() != Direction.INPUT && changed;
            if (told) {
                joiner.add(field.text(after));
            }
        }
        text.append(joiner);
    }

    /** Who sets a field. */
    enum Direction { INPUT, OUTPUT, BOTH }

    /** How a value is written. */
    private enum Style { UNSIGNED, SIGNED, HEX }

    /** A field of the struct. */
    record Field(String name, int offset, int bytes, Style style, Names names, Direction direction, boolean hiddenZero) {
        private static Field of(String name, int offset, int bytes, Style style, Names names) {
            return new Field(name, offset, bytes, style, names, Direction.INPUT, false);
        }

        /** An unsigned number of 32 bits. */
        static Field number(String name, int offset) {
            return of(name, offset, Integer.BYTES, Style.UNSIGNED, Names.NONE);
        }

        /** A signed number of 32 bits. */
        static Field signed(String name, int offset) {
            return of(name, offset, Integer.BYTES, Style.SIGNED, Names.NONE);
        }

        /** Bits, 32 of them. */
        static Field hex(String name, int offset) {
            return of(name, offset, Integer.BYTES, Style.HEX, Names.NONE);
        }

        /** An address or length of 64 bits. */
        static Field address(String name, int offset) {
            return of(name, offset, Long.BYTES, Style.HEX, Names.NONE);
        }

        /** Flags or an enumeration, of 32 bits. */
        static Field named(String name, int offset, Names names) {
            return of(name, offset, Integer.BYTES, Style.HEX, names);
        }

        Field bytes(int width) {
            return new Field(name, offset, width, style, names, direction, hiddenZero);
        }

        Field output() {
            return new Field(name, offset, bytes, style, names, Direction.OUTPUT, hiddenZero);
        }

        Field both() {
            return new Field(name, offset, bytes, style, names, Direction.BOTH, hiddenZero);
        }

        /** Not worth a word while it is 0. */
        Field unlessZero() {
            return new Field(name, offset, bytes, style, names, direction, true);
        }

        long value(MemorySegment struct) {
            return switch (bytes) {
                case 1 -> Byte.toUnsignedLong(struct.get(ValueLayout.JAVA_BYTE, offset));
                case 2 -> Short.toUnsignedLong(struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, offset));
                case 4 -> style == Style.SIGNED ? struct.get(ValueLayout.JAVA_INT_UNALIGNED, offset)
                        : Integer.toUnsignedLong(struct.get(ValueLayout.JAVA_INT_UNALIGNED, offset));
                default -> struct.get(ValueLayout.JAVA_LONG_UNALIGNED, offset);
            };
        }

        String text(MemorySegment struct) {
            long value = value(struct);
            return name + "=" + names.text(value).orElseGet(() -> style == Style.HEX ? hexText(value) : Long.toString(value));
        }
    }

    private static String hexText(long value) {
        return value == 0 ? "0" : "0x" + Long.toHexString(value);
    }

    /** Names of a field's values. */
    record Names(Map<Long, String> byValue, boolean flags) {
        static final Names NONE = new Names(Map.of(), false);

        static Names values(Map<Long, String> byValue) {
            return new Names(byValue, false);
        }

        static Names flags(Map<Long, String> byBit) {
            return new Names(byBit, true);
        }

        /** The constants of a struct's class whose names begin so. */
        static Names values(Class<?> struct, String prefix) {
            return new Names(constants(struct, prefix), false);
        }

        static Names flags(Class<?> struct, String prefix) {
            return new Names(constants(struct, prefix), true);
        }

        private static Map<Long, String> constants(Class<?> struct, String prefix) {
            Map<Long, String> found = new TreeMap<>();
            for (java.lang.reflect.Field constant : struct.getFields()) {
                if (constant.getName().startsWith(prefix) && constant.getType() == int.class) {
                    try {
                        found.putIfAbsent(Integer.toUnsignedLong(constant.getInt(null)), constant.getName());
                    } catch (IllegalAccessException impossible) {
                        throw new AssertionError(impossible);
                    }
                }
            }
            return found;
        }

        Optional<String> text(long value) {
            return flags ? flagsText(value) : Optional.ofNullable(byValue.get(value));
        }

        private Optional<String> flagsText(long value) {
            StringJoiner joiner = new StringJoiner("|");
            long left = value;
            for (long bit = Long.lowestOneBit(left); left != 0 && bit != 0; bit <<= 1) {
                String name = byValue.get(bit);
                if (name != null && (left & bit) != 0) {
                    joiner.add(name);
                    left &= ~bit;
                }
            }
            if (left != 0) {
                joiner.add("0x" + Long.toHexString(left));
            }
            return value == 0 ? Optional.of("0") : Optional.of(joiner.toString());
        }
    }
}
