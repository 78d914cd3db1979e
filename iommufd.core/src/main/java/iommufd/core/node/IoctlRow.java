package iommufd.core.node;

/**
 * One row of the dispatcher's table.
 *
 * @param request full request number
 * @param sizeBytes size of the struct in Linux 7.3
 * @param minBytes through the last field a client must know
 * @param handler what it does
 */
record IoctlRow(int request, int sizeBytes, int minBytes, Handler handler) {
    /** What a request does, once its struct is read. */
    @FunctionalInterface
    interface Handler {
        /** Throws the errno; returns for 0. */
        void run(IoctlCall call);
    }
}
