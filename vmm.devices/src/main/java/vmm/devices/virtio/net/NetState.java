package vmm.devices.virtio.net;

import java.util.concurrent.atomic.LongAdder;

/** What the queues of a network device share. Thread-safe: the control queue writes, the others read. */
final class NetState {
    private final NetOptions options;
    private volatile ReceiveFilter filter;
    private volatile int activePairs = 1;
    private volatile long offloads;
    private volatile long features;
    final LongAdder sent = new LongAdder();
    final LongAdder received = new LongAdder();
    final LongAdder dropped = new LongAdder();

    NetState(NetOptions options) {
        this.options = options;
        filter = ReceiveFilter.everything(options.mac());
    }

    NetOptions options() {
        return options;
    }

    /** As after a reset, with features chosen. */
    void start(long chosen) {
        features = chosen;
        offloads = chosen & NetFeature.GUEST_OFFLOADS;
        activePairs = 1;
        filter = ReceiveFilter.everything(options.mac());
    }

    boolean chose(long feature) {
        return (features & feature) != 0;
    }

    boolean choseAll(long wanted) {
        return (wanted & ~features) == 0;
    }

    /** Number of the control queue (virtio 1.2, §5.1.2). */
    int controlQueue() {
        return chose(NetFeature.MULTI_QUEUE) ? 2 * options.pairs() : 2;
    }

    ReceiveFilter filter() {
        return filter;
    }

    void filter(ReceiveFilter wanted) {
        filter = wanted;
    }

    int activePairs() {
        return activePairs;
    }

    void activePairs(int pairs) {
        activePairs = pairs;
    }

    long offloads() {
        return offloads;
    }

    void offloads(long accepted) {
        offloads = accepted;
    }
}
