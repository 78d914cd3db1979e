package devnode.fuse.client;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import devnode.fuse.linux.Linux;
import devnode.fuse.memory.ClientPins;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Signals to eventfds of clients that are not nice. */
class TakenFileTest {
    private static final MethodHandle EVENTFD = Linker.nativeLinker().downcallHandle(Linker.nativeLinker().defaultLookup().find("eventfd").orElseThrow(),
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final long FULL = -2;

    private final int eventfd;
    private final TakenFile file;
    private final MemorySegment word = Arena.ofAuto().allocate(JAVA_LONG);

    TakenFileTest() throws Throwable {
        eventfd = (int) EVENTFD.invokeExact(0, 0);
        file = new TakenFile(eventfd, new ClientProcesses(new ClientPins()), (descriptor, status) -> Optional.empty());
    }

    private long count() {
        assertThat(Linux.read(eventfd, word.address(), 8)).isEqualTo(8);
        return word.get(JAVA_LONG, 0);
    }

    @Test
    @Timeout(20)
    void aFullCounterHoldsNobody() {
        file.signal();
        file.signal();
        assertThat(count()).isEqualTo(2);
        word.set(JAVA_LONG, 0, FULL);
        assertThat(Linux.write(eventfd, word.address(), 8)).isEqualTo(8);
        file.signal();
        assertThat(count()).isEqualTo(FULL);
        file.close();
        assertThatExceptionOfType(IommufdException.class).isThrownBy(file::signal).returns(Errno.EBADF, IommufdException::errno);
        file.close();
    }
}
