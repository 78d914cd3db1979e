package iommufd.core.node;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Undoes what a request made when it fails after all. */
final class Unwind {
    private static final Logger LOG = LoggerFactory.getLogger(Unwind.class);

    private Unwind() {}

    /** Runs {@code rest}; if it fails, {@code undo} too, and the failure is thrown. */
    static void onFailure(Runnable rest, Runnable undo) {
        try {
            rest.run();
        } catch (RuntimeException | Error failed) {
            quietly(undo);
            throw failed;
        }
    }

    /** Undoes something; another thread may have guessed the object's number and used or destroyed it meanwhile. */
    static void quietly(Runnable undo) {
        try {
            undo.run();
        } catch (RuntimeException left) {
            LOG.debug("an object whose number never reached the client stays until the context is closed", left);
        }
    }
}
