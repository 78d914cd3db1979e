package vmm.devices.nvme;

/** A completion queue entry as a driver sees it. @param status type and code, with Do Not Retry */
record Completion(int result, int submissionHead, int submissionQueue, int commandId, int status) {
    private static final int MORE = 1 << 13;

    /** Status type and code: 0x002 is generic status 2, 0x280 is media error 80h. */
    int code() {
        return status & 0x7ff;
    }

    boolean doNotRetry() {
        return (status & 1 << 14) != 0;
    }

    boolean more() {
        return (status & MORE) != 0;
    }
}
