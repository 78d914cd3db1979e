package vmm.runtime.demo;

import iommufd.api.IommufdException;
import java.util.List;

/** A short form of one promise: what can be seen of it in a second or two, checked from the outside. */
interface Promise {
    /** The promise, in a few words. */
    String title();

    /** Vendors of the hardware it is shown on. */
    List<String> vendors();

    /**
     * Shows it on the hardware that serves {@code guest}.
     *
     * @return what was seen, with its number
     * @throws IommufdException if something is refused that should work
     * @throws Step.StepFailed if it does not hold
     */
    String show(Guest guest) throws InterruptedException;

    /** @throws Step.StepFailed unless it {@code holds}, and says what is the case instead */
    static void require(boolean holds, String otherwise, Object... arguments) {
        if (!holds) {
            throw new Step.StepFailed(otherwise.formatted(arguments));
        }
    }
}
