package bench;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/** The C twin ({@code twin.c}), compiled where it is needed. One call runs a whole loop, so that the crossing does not count. */
final class Twin {
    static final MethodHandle MAP_UNMAP;
    static final MethodHandle WALK;
    static final MethodHandle IOTLB_REMEMBER;
    static final MethodHandle IOTLB_LOOKUP;

    static {
        SymbolLookup symbols = SymbolLookup.libraryLookup(compile(), Arena.global());
        MAP_UNMAP = function(symbols, "twin_map_unmap",
                FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT));
        WALK = function(symbols, "twin_walk", FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, JAVA_INT));
        IOTLB_REMEMBER = function(symbols, "twin_iotlb_remember",
                FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT, JAVA_LONG, JAVA_LONG));
        IOTLB_LOOKUP = function(symbols, "twin_iotlb_lookup",
                FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_INT, ADDRESS, JAVA_INT));
    }

    private Twin() {}

    private static Path compile() {
        try (InputStream source = Twin.class.getResourceAsStream("twin.c")) {
            Path directory = Files.createTempDirectory("bench-twin");
            Path c = directory.resolve("twin.c");
            Path library = directory.resolve("twin.so");
            Files.copy(source, c);
            Process process = new ProcessBuilder("cc", "-O3", "-shared", "-fPIC", "-o", library.toString(), c.toString())
                    .inheritIO().start();
            if (process.waitFor() != 0) {
                throw new IllegalStateException("cc cannot compile " + c);
            }
            for (Path path : new Path[] {c, library, directory}) {
                path.toFile().deleteOnExit();
            }
            return library;
        } catch (IOException e) {
            throw new IllegalStateException("the C twin cannot be compiled: is there a cc?", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private static MethodHandle function(SymbolLookup symbols, String name, FunctionDescriptor descriptor) {
        return Linker.nativeLinker().downcallHandle(symbols.findOrThrow(name), descriptor);
    }
}
