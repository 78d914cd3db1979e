package vmm.devices.virtio;

/** How a thread rests until something happens. */
public interface Rest extends AutoCloseable {
    /** Rests until {@link #wake}, which may have been called before, or for about as long. @return false if nothing happened in that time */
    boolean await(long nanos);

    /** Ends a rest, or prevents the next. Any thread; quick. */
    void wake();

    @Override
    default void close() { }
}
