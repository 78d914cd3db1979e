package iommufd.core.space;

import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** What a request is refused with. */
final class Refusals {
    private Refusals() { }

    static void assertRefused(Errno errno, ThrowingCallable request) {
        assertThatExceptionOfType(IommufdException.class).isThrownBy(request).returns(errno, IommufdException::errno);
    }
}
