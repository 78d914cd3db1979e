package devnode.fuse.linux;

/** What all processors of the system do while they have no work: sleep, or wait awake for some. For one thread at a time. */
public interface IdleProcessors extends AutoCloseable {
    /** Those of this machine; they sleep. */
    static IdleProcessors ofMachine() {
        return new LatencyRequest();
    }

    /** Whether it is worth while here, and allowed. If not, the rest does nothing. */
    boolean canStayAwake();

    /** Keeps all of them awake until told otherwise, or this process ends. */
    void stayAwake();

    /** Lets them sleep. */
    void maySleep();

    /** Lets them sleep, for good. */
    @Override
    void close();
}
