package vmm.devices.virtio;

/**
 * How far a queue has got, for suspending it here and resuming it elsewhere. Of a split queue only {@link #available} counts:
 * indexes run through 0 to 65535, and the used index stands in the ring.
 *
 * @param available index of the next buffer the device will take
 * @param availableWrap packed: the driver's wrap counter there
 * @param used packed: index of the next descriptor the device will mark as used
 * @param usedWrap packed: the device's wrap counter
 */
public record RingPosition(int available, boolean availableWrap, int used, boolean usedWrap) {
    /** Of a queue that was never used. */
    public static final RingPosition START = new RingPosition(0, true, 0, true);

    /** Of a split queue. */
    public static RingPosition split(int available) {
        return new RingPosition(available & 0xffff, true, 0, true);
    }

    /** Of a packed queue, from indexes with the wrap counter in bit 15. */
    public static RingPosition packed(int available, int used) {
        return new RingPosition(available & 0x7fff, (available & 0x8000) != 0, used & 0x7fff, (used & 0x8000) != 0);
    }

    /** {@link #available} with the wrap counter in bit 15. */
    public int packedAvailable() {
        return available | (availableWrap ? 0x8000 : 0);
    }

    /** {@link #used} with the wrap counter in bit 15. */
    public int packedUsed() {
        return used | (usedWrap ? 0x8000 : 0);
    }
}
