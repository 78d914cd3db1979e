package vmm.runtime.demo;

import iommufd.api.IommufdException;

/** A part of the demonstration. It leaves the devices attached to the testbed's address space, as it found them. */
interface Step {
    /** What it shows, in a few words. */
    String title();

    /**
     * Does it and reports every check to {@code screen}.
     *
     * @throws IommufdException if something is refused that should work
     * @throws StepFailed if it cannot go on
     */
    void run(Testbed bed, Screen screen) throws InterruptedException;

    /** A step cannot go on; the message says why. */
    final class StepFailed extends RuntimeException {
        private static final long serialVersionUID = 1L;

        StepFailed(String message) {
            super(message);
        }
    }
}
