package vmm.devices.virtio;

/** What a device does with one queue. Called by one thread at a time. */
public interface QueueServer {
    /**
     * Serves what waits, up to a batch; everything completed is published on return, and every chain taken is completed or given back.
     *
     * @return buffers used; 0 lets the thread rest
     */
    int serve();

    /** The thread is about to rest: asks for whatever should wake it. @return whether there is something to do already */
    boolean arm();

    /** The thread is at work: asks not to be woken. A hint. */
    void disarm();
}
