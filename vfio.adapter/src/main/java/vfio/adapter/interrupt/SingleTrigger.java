package vfio.adapter.interrupt;

/** A channel to the client with one eventfd at most. Thread-safe. */
public final class SingleTrigger {
    private volatile Eventfd eventfd = Eventfd.NONE;

    /** Whether somebody is told. */
    public boolean present() {
        return eventfd.present();
    }

    /** Tells the client. */
    public void signal() {
        eventfd.signal();
    }

    /** Replaces the eventfd, which is taken over. */
    public synchronized void set(Eventfd next) {
        Eventfd old = eventfd;
        eventfd = next;
        old.close();
    }
}
