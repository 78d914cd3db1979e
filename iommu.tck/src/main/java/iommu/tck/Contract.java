package iommu.tck;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;

/** One area of the contract, tried on a fresh machine per test. After each test nothing may have leaked. What hangs, fails. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
abstract class Contract {
    /** The machine under test. */
    Machine machine;
    final Traffic traffic = new Traffic(4711);

    /** Which backend. */
    abstract BackendUnderTest backend();

    @BeforeEach
    final void powerOn() {
        machine = new Machine(backend());
    }

    @AfterEach
    @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    final void powerOff() {
        if (machine != null) {
            machine.close();
        }
    }

    /** {@code call} is refused with that error number. */
    static void assertRefused(Errno errno, ThrowingCallable call) {
        assertThatThrownBy(call).asInstanceOf(InstanceOfAssertFactories.type(IommufdException.class))
                .extracting(IommufdException::errno).isEqualTo(errno);
    }
}
