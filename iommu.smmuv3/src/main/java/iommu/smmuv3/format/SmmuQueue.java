package iommu.smmuv3.format;

/**
 * Index arithmetic of the circular queues (IHI 0070, §3.5.1): an index has {@code lg2} bits and, above them, a wrap bit, which
 * tells a full queue from an empty one.
 */
public final class SmmuQueue {
    private SmmuQueue() {}

    /** The entry's number. */
    public static int entry(int index, int lg2) {
        return index & (1 << lg2) - 1;
    }

    /** Index and wrap bit without flags around. */
    public static int index(int register, int lg2) {
        return register & (1 << lg2 + 1) - 1;
    }

    /** The next index. */
    public static int next(int index, int lg2) {
        return index + 1 & (1 << lg2 + 1) - 1;
    }

    /** Whether there is nothing to consume. */
    public static boolean empty(int producer, int consumer, int lg2) {
        return index(producer ^ consumer, lg2) == 0;
    }

    /** Whether there is no room: same entry, different wrap bits. */
    public static boolean full(int producer, int consumer, int lg2) {
        return index(producer ^ consumer, lg2) == 1 << lg2;
    }

    /** Entries between consumer and producer; more than the queue has if the indices are inconsistent. */
    public static int used(int producer, int consumer, int lg2) {
        return producer - consumer & (1 << lg2 + 1) - 1;
    }
}
