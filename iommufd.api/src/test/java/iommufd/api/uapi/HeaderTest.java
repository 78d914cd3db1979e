package iommufd.api.uapi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

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
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every offset, size and number against the C header, as the C compiler sees it. */
class HeaderTest {
    static final List<Class<?>> STRUCTS = List.of(IommuDestroy.class, IommuFaultAlloc.class, IommuHwInfo.class, IommuHwInfoAmd.class,
            IommuHwInfoArmSmmuv3.class, IommuHwInfoTegra241Cmdqv.class, IommuHwInfoVtd.class, IommuHwQueueAlloc.class, IommuHwptAlloc.class,
            IommuHwptAmdGuest.class, IommuHwptArmSmmuv3.class, IommuHwptGetDirtyBitmap.class, IommuHwptInvalidate.class,
            IommuHwptPageResponse.class, IommuHwptPgfault.class, IommuHwptSetDirtyTracking.class, IommuHwptVtdS1.class,
            IommuHwptVtdS1Invalidate.class, IommuIoasAlloc.class, IommuIoasAllowIovas.class, IommuIoasChangeProcess.class, IommuIoasCopy.class,
            IommuIoasIovaRanges.class, IommuIoasMap.class, IommuIoasMapFile.class, IommuIoasNoiommuGetPa.class, IommuIoasUnmap.class,
            IommuIovaRange.class, IommuOption.class, IommuVdeviceAlloc.class, IommuVeventArmSmmuv3.class, IommuVeventTegra241Cmdqv.class,
            IommuVeventqAlloc.class, IommuVfioIoas.class, IommuViommuAlloc.class, IommuViommuArmSmmuv3Invalidate.class,
            IommuViommuTegra241Cmdqv.class, IommufdVeventHeader.class);
    static final List<Class<?>> VFIO_STRUCTS = List.of(VfioBitmap.class, VfioGroupStatus.class, VfioInfoCapHeader.class, VfioIommuType1DirtyBitmap.class,
            VfioIommuType1DirtyBitmapGet.class, VfioIommuType1DmaMap.class, VfioIommuType1DmaUnmap.class, VfioIommuType1Info.class,
            VfioIommuType1InfoCapIovaRange.class, VfioIommuType1InfoCapMigration.class, VfioIommuType1InfoDmaAvail.class, VfioIovaRange.class);
    /** This project's own, which no header has. */
    static final List<Class<?>> OWN_STRUCTS = List.of(IommuHwptS390Zpci.class, IommuHwptS390ZpciInvalidate.class);
    private static final String OFFSET = "_OFFSET";
    private static final String NO_HEADER = "no linux/iommufd.h of Linux 7.3: itest/selftests/run-iommufd.sh --fetch gets it on Debian, "
            + "-Diommufd.header=FILE gives one";
    private static final Pattern STRUCT_IN_HEADER = Pattern.compile("struct (iommu\\w+) \\{");

    @TempDir
    Path directory;

    @Test
    void everyOffsetSizeAndNumberIsThatOfTheHeader() throws Exception {
        Path header = header().orElseGet(() -> skip(NO_HEADER));
        String text = Files.readString(header);
        Map<String, Long> ours = new LinkedHashMap<>();
        for (Class<?> struct : STRUCTS) {
            if (text.contains("struct " + name(struct) + " {")) {
                collect(struct, text, ours);
            }
        }
        assertThat(ours).as("what %s and this project both know", header).hasSizeGreaterThan(100);
        assertThat(compiled(header, new ArrayList<>(ours.keySet()))).isEqualTo(ours);
    }

    @Test
    void theStructsOfContainersAreThoseOfTheirHeader() throws Exception {
        Path header = header().map(iommufd -> iommufd.resolveSibling("vfio.h")).filter(Files::isReadable).orElseGet(() -> skip("no linux/vfio.h"));
        String text = Files.readString(header);
        Map<String, Long> ours = new LinkedHashMap<>();
        for (Class<?> struct : VFIO_STRUCTS) {
            collect(struct, text, ours);
        }
        numbers(VfioRequest.class, text, ours);
        assertThat(ours).hasSizeGreaterThan(60).containsKeys("VFIO_IOMMU_DIRTY_PAGES", "VFIO_GROUP_GET_DEVICE_FD", "VFIO_UNMAP_ALL");
        assertThat(compiled(header, new ArrayList<>(ours.keySet()))).isEqualTo(ours);
    }

    @Test
    void everyStructOfTheHeaderHasItsClass() throws IOException {
        Path header = header().orElseGet(() -> skip(NO_HEADER));
        List<String> known = STRUCTS.stream().map(HeaderTest::name).toList();
        assertThat(STRUCT_IN_HEADER.matcher(Files.readString(header)).results().map(match -> match.group(1))).isSubsetOf(known);
    }

    @Test
    void everySetterIsReadBackByItsGetterAndTouchesNothingElse() throws ReflectiveOperationException {
        for (Class<?> struct : Stream.of(STRUCTS, VFIO_STRUCTS, OWN_STRUCTS).flatMap(List::stream).toList()) {
            for (Method getter : struct.getDeclaredMethods()) {
                boolean scalar = getter.getParameterCount() == 1;
                if (scalar) {
                    MemorySegment bytes = MemorySegment.ofArray(new byte[constant(struct, "SIZE_BYTES")]);
                    Object value = ones(getter.getReturnType());
                    struct.getMethod(getter.getName(), MemorySegment.class, getter.getReturnType()).invoke(null, bytes, value);
                    assertThat(getter.invoke(null, bytes)).as("%s.%s", struct.getSimpleName(), getter.getName()).isEqualTo(value);
                    long set = bytes.elements(ValueLayout.JAVA_BYTE)
                            .filter(b -> b.get(ValueLayout.JAVA_BYTE, 0) != 0).count();
                    assertThat(set).as("bytes that %s.%s changed", struct.getSimpleName(), getter.getName()).isEqualTo(bytes(getter.getReturnType()));
                }
            }
        }
    }

    private static Object ones(Class<?> type) {
        return type == byte.class ? (Object) (byte) -1 : type == short.class ? (Object) (short) -1 : type == int.class ? (Object) (-1) : (Object) (-1L);
    }

    private static int bytes(Class<?> type) {
        return type == byte.class ? 1 : type == short.class ? 2 : type == int.class ? 4 : 8;
    }

    private static Optional<Path> header() {
        String given = System.getProperty("iommufd.header", "");
        Stream<Path> candidates = given.isEmpty() ? Stream.of(fetched(), Path.of("/usr/include/linux/iommufd.h")) : Stream.of(Path.of(given));
        return candidates.filter(Files::isReadable).findFirst();
    }

    /** What {@code itest/selftests/run-iommufd.sh} installs from the kernel's source. */
    private static Path fetched() {
        String directory = System.getenv().getOrDefault("IOMMUFD_SELFTESTS_DIR", System.getProperty("user.home") + "/.cache/iommufd-selftests");
        return Path.of(directory, "headers/linux/iommufd.h");
    }

    private static <T> T skip(String reason) {
        System.err.println("SKIPPED: the uAPI's layouts are NOT compared with Linux: " + reason);
        return abort(reason);
    }

    private static String name(Class<?> struct) {
        try {
            return (String) struct.getField("STRUCT").get(null);
        } catch (ReflectiveOperationException wrong) {
            throw new AssertionError(wrong);
        }
    }

    private static int constant(Class<?> struct, String name) throws ReflectiveOperationException {
        return struct.getField(name).getInt(null);
    }

    /** C expressions and what this project says they are. */
    private static void collect(Class<?> struct, String header, Map<String, Long> ours) throws ReflectiveOperationException {
        for (Field field : struct.getFields()) {
            if (field.getName().endsWith(OFFSET)) {
                ours.put("offsetof(struct %s, %s)".formatted(name(struct), member(field.getName())), (long) field.getInt(null));
            }
        }
        ours.put("sizeof(struct %s)".formatted(name(struct)), (long) constant(struct, "SIZE_BYTES"));
        numbers(struct, header, ours);
    }

    /** Requests, flags and enumerations that the header knows under the same names. */
    private static void numbers(Class<?> type, String header, Map<String, Long> ours) throws ReflectiveOperationException {
        for (Field field : type.getFields()) {
            boolean number = field.getType() == int.class && Modifier.isStatic(field.getModifiers());
            boolean named = field.getName().startsWith("IOMMU") || field.getName().startsWith("VFIO");
            if (number && named && Pattern.compile("\\b" + field.getName() + "\\b").matcher(header).find()) {
                ours.put(field.getName(), (long) field.getInt(null));
            }
        }
    }

    private static String member(String constant) {
        String lower = constant.substring(0, constant.length() - OFFSET.length()).toLowerCase(Locale.ROOT);
        return lower.startsWith("reserved") ? "__" + lower : lower;
    }

    private Map<String, Long> compiled(Path header, List<String> expressions) throws IOException, InterruptedException {
        StringBuilder source = new StringBuilder("#include <stddef.h>\n#include <stdio.h>\n#include \"%s\"\nint main(void) {\n".formatted(header.toAbsolutePath()));
        expressions.forEach(expression -> source.append("printf(\"%lld\\n\", (long long)(").append(expression).append("));\n"));
        Path program = directory.resolve("offsets.c");
        Files.writeString(program, source.append("return 0; }\n"));
        Path binary = directory.resolve("offsets");
        try {
            run(List.of("cc", "-isystem", header.toAbsolutePath().getParent().getParent().toString(), "-o", binary.toString(), program.toString()));
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
