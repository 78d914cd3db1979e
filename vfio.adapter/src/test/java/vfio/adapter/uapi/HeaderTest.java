package vfio.adapter.uapi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.File;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every offset, size and number that the C header and this project both know, as the C compiler sees it. */
class HeaderTest {
    private static final List<Class<?>> STRUCTS = new ArrayList<>();
    private static final String OFFSET = "_OFFSET";

    @TempDir
    Path directory;

    /** All classes of the package: a new one cannot be forgotten. */
    @BeforeAll
    static void findStructs() throws Exception {
        Path classes = Path.of(VfioDeviceInfo.class.getProtectionDomain().getCodeSource().getLocation().toURI())
                .resolve(VfioDeviceInfo.class.getPackageName().replace('.', File.separatorChar));
        try (var files = Files.list(classes)) {
            for (Path file : files.sorted().toList()) {
                String name = file.getFileName().toString().replace(".class", "");
                if (name.startsWith("Vfio")) {
                    STRUCTS.add(Class.forName(VfioDeviceInfo.class.getPackageName() + "." + name));
                }
            }
        }
    }

    @Test
    void everyOffsetSizeAndNumberIsThatOfTheHeader() throws Exception {
        Path header = header().orElseGet(() -> skip("no linux/vfio.h: install linux-libc-dev, or give one with -Dvfio.header=FILE"));
        String text = Files.readString(header);
        Map<String, Long> ours = new LinkedHashMap<>();
        for (Class<?> struct : STRUCTS) {
            collect(struct, text, ours);
        }
        assertThat(ours).as("what %s and this project both know", header).hasSizeGreaterThan(100);
        assertThat(compiled(header, new ArrayList<>(ours.keySet()))).isEqualTo(ours);
    }

    @Test
    void everySetterIsReadBackByItsGetterAndTouchesNothingElse() throws ReflectiveOperationException {
        for (Class<?> struct : STRUCTS) {
            for (Method getter : struct.getDeclaredMethods()) {
                if (getter.getParameterCount() == 1) {
                    MemorySegment bytes = MemorySegment.ofArray(new byte[struct.getField("SIZE_BYTES").getInt(null)]);
                    Class<?> type = getter.getReturnType();
                    Object value = type == byte.class ? (Object) (byte) -1 : type == short.class ? (Object) (short) -1 : type == int.class ? (Object) (-1) : (Object) (-1L);
                    struct.getMethod(getter.getName(), MemorySegment.class, type).invoke(null, bytes, value);
                    assertThat(getter.invoke(null, bytes)).as("%s.%s", struct.getSimpleName(), getter.getName()).isEqualTo(value);
                    long set = bytes.elements(ValueLayout.JAVA_BYTE).filter(b -> b.get(ValueLayout.JAVA_BYTE, 0) != 0).count();
                    int width = type == byte.class ? 1 : type == short.class ? 2 : type == int.class ? 4 : 8;
                    assertThat(set).as("bytes that %s.%s changed", struct.getSimpleName(), getter.getName()).isEqualTo(width);
                }
            }
        }
    }

    private static Optional<Path> header() {
        String given = System.getProperty("vfio.header", "");
        return Optional.of(Path.of(given.isEmpty() ? "/usr/include/linux/vfio.h" : given)).filter(Files::isReadable);
    }

    private static <T> T skip(String reason) {
        System.err.println("SKIPPED: the layouts of VFIO's uAPI are NOT compared with Linux: " + reason);
        return abort(reason);
    }

    /** C expressions and what this project says they are. An older header lacks some. */
    private static void collect(Class<?> struct, String header, Map<String, Long> ours) throws ReflectiveOperationException {
        String name = (String) struct.getField("STRUCT").get(null);
        Matcher body = Pattern.compile("struct " + name + " \\{(.*?)\\n\\};", Pattern.DOTALL).matcher(header);
        String members = body.find() ? body.group(1) : "";
        boolean complete = !members.isEmpty();
        for (Field field : struct.getFields()) {
            if (field.getType() != int.class || !Modifier.isStatic(field.getModifiers())) {
                continue;
            }
            String constant = field.getName();
            if (constant.endsWith(OFFSET)) {
                String member = member(constant, members);
                boolean known = Pattern.compile("\\b" + Pattern.quote(member.replaceAll(".*\\.", "")) + "\\b|header;").matcher(members).find();
                complete &= known;
                if (known) {
                    ours.put("offsetof(struct %s, %s)".formatted(name, member), (long) field.getInt(null));
                }
            } else if (constant.startsWith("VFIO") && Pattern.compile("\\b" + constant + "\\b").matcher(header).find()) {
                ours.put(constant, (long) field.getInt(null));
            }
        }
        if (complete) {
            ours.put("sizeof(struct %s)".formatted(name), (long) struct.getField("SIZE_BYTES").getInt(null));
        }
    }

    private static String member(String constant, String members) {
        String lower = constant.substring(0, constant.length() - OFFSET.length()).toLowerCase(Locale.ROOT);
        if (lower.equals("reserved") && members.contains("__reserved")) {
            return "__reserved";
        }
        return lower.startsWith("header_") ? "header." + lower.substring(7) : lower;
    }

    private Map<String, Long> compiled(Path header, List<String> expressions) throws IOException, InterruptedException {
        StringBuilder source = new StringBuilder("#include <stddef.h>\n#include <stdio.h>\n#include \"%s\"\nint main(void) {\n".formatted(header.toAbsolutePath()));
        expressions.forEach(expression -> source.append("printf(\"%lld\\n\", (long long)(int)(").append(expression).append("));\n"));
        Path program = directory.resolve("offsets.c");
        Files.writeString(program, source.append("return 0; }\n"));
        Path binary = directory.resolve("offsets");
        try {
            run(List.of("cc", "-I", header.toAbsolutePath().getParent().getParent().toString(), "-o", binary.toString(), program.toString()));
        } catch (IOException missing) {
            skip("no C compiler: " + missing.getMessage());
        }
        List<Long> values = Arrays.stream(run(List.of(binary.toString())).split("\n")).map(Long::valueOf).toList();
        Map<String, Long> result = new LinkedHashMap<>();
        for (int i = 0; i < values.size(); i++) {
            result.put(expressions.get(i), values.get(i));
        }
        return result;
    }

    private static String run(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes());
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as("%s: %s", command.getFirst(), output).isZero();
        return output;
    }
}
