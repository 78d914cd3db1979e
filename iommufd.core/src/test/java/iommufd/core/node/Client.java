package iommufd.core.node;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.uapi.IommufdFile;
import iommufd.core.fake.Rig;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Consumer;

/** A program that has /dev/iommu open: builds structs in its memory, and sees results as a C program does. */
final class Client implements AutoCloseable {
    /** Where structs are built; nothing else lies in the page, or behind it. */
    static final long STRUCT = MemoryCaller.BASE;
    /** Where a client has arrays. */
    static final long ARRAY = MemoryCaller.BASE + 0x10000;
    /** Memory to map: a mebibyte. */
    static final long BUFFER = MemoryCaller.BASE + 0x100000;
    static final long BUFFER_BYTES = 0x100000;

    final Rig rig = new Rig();
    final MemoryCaller caller = new MemoryCaller(rig.ram);
    final IommuNode node = new IommuNode(rig.engine);
    final IommufdFile file = (IommufdFile) node.open(caller);
    private boolean open = true;

    /** Makes a request: 0 or what it returns, negative errno if refused. */
    long raw(int request, long argument) {
        return raw(file, caller, request, argument);
    }

    static long raw(IommufdFile file, MemoryCaller caller, int request, long argument) {
        try {
            return file.ioctl(caller, request, argument);
        } catch (IommufdException refused) {
            return -refused.errno().number();
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    /** A struct of that size, size field set, at {@link #STRUCT}. */
    MemorySegment struct(int sizeBytes, Consumer<MemorySegment> fields) {
        MemorySegment struct = caller.at(STRUCT, sizeBytes);
        struct.fill((byte) 0);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, sizeBytes);
        fields.accept(struct);
        return struct;
    }

    /** Makes a request that must be granted. @return the struct afterwards */
    MemorySegment granted(int request, int sizeBytes, Consumer<MemorySegment> fields) {
        MemorySegment struct = struct(sizeBytes, fields);
        assertThat(raw(request, STRUCT)).as("request 0x%x", request).isZero();
        return struct;
    }

    /** Makes a request that must be refused. @return the struct afterwards */
    MemorySegment refused(Errno errno, int request, int sizeBytes, Consumer<MemorySegment> fields) {
        MemorySegment struct = struct(sizeBytes, fields);
        assertThat(name(raw(request, STRUCT))).as("request 0x%x", request).isEqualTo(errno.name());
        return struct;
    }

    /** Result of {@link #raw} for people. */
    static String name(long result) {
        if (result >= 0) {
            return Long.toString(result);
        }
        for (Errno errno : Errno.values()) {
            if (errno.number() == -result) {
                return errno.name();
            }
        }
        return Long.toString(result);
    }

    BoundDevice bind(int number) {
        return file.context().bind(rig.plug(number, number, 8, true));
    }

    /** Ends the program. */
    void exit() {
        if (open) {
            open = false;
            file.close();
            caller.closeAll();
        }
    }

    @Override
    public void close() {
        exit();
        assertThat(caller.pinnedPages).as("pages left pinned").hasValue(0);
        rig.close();
    }
}
