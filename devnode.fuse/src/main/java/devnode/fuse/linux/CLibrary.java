package devnode.fuse.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Functions of the C library, and the errno they leave behind. */
final class CLibrary {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
    private static final long ERRNO_OFFSET = CALL_STATE.byteOffset(MemoryLayout.PathElement.groupElement("errno"));
    private static final ThreadLocal<MemorySegment> STATE = ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(CALL_STATE));

    private CLibrary() {}

    /** A function that sets errno; its first parameter is {@link #state()}. */
    static MethodHandle function(String name, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(symbol(name), descriptor, Linker.Option.captureCallState("errno"));
    }

    /** As {@link #function}, with variable arguments from index {@code firstVariadic} on. */
    static MethodHandle variadic(String name, int firstVariadic, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(symbol(name), descriptor, Linker.Option.captureCallState("errno"),
                Linker.Option.firstVariadicArg(firstVariadic));
    }

    /** A function that returns its error or none at all. */
    static MethodHandle plain(String name, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(symbol(name), descriptor);
    }

    /** As {@link #plain}, with variable arguments from index {@code firstVariadic} on. */
    static MethodHandle plainVariadic(String name, int firstVariadic, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(symbol(name), descriptor, Linker.Option.firstVariadicArg(firstVariadic));
    }

    /** Where the C library keeps a function or a variable. */
    static MemorySegment symbol(String name) {
        return LINKER.defaultLookup().find(name)
                .orElseThrow(() -> new IllegalStateException("the C library has no " + name + "; glibc 2.34 or newer is needed"));
    }

    /** Where this thread's calls leave errno. */
    static MemorySegment state() {
        return STATE.get();
    }

    /** A call's result as the kernel would have given it: not negative, or minus errno. */
    static long result(long returned, MemorySegment state) {
        return returned < 0 ? -(long) state.get(ValueLayout.JAVA_INT, ERRNO_OFFSET) : returned;
    }

    /** What a call cannot throw, or the error of the JVM that it can. */
    static Error impossible(Throwable thrown) {
        if (thrown instanceof RuntimeException unchecked) {
            throw unchecked;
        }
        return thrown instanceof Error error ? error : new AssertionError("a system call throws nothing checked", thrown);
    }
}
