package vmm.devices.virtio;

/** Why a queue is broken. It stays so until the device is reset. */
public enum QueueFault {
    /** It is not. */
    NONE("the queue works"),
    /** A part of the ring, or an indirect table, cannot be reached by DMA. */
    RING_UNREACHABLE("a part of the ring or an indirect table cannot be reached"),
    /** More buffers are available than the queue has entries. */
    AVAILABLE_INDEX("more buffers are available than the queue has entries"),
    /** An available entry names no descriptor. */
    HEAD_INDEX("an available entry names no descriptor"),
    /** A chain goes on at no descriptor. */
    NEXT_INDEX("a chain goes on at a descriptor that does not exist"),
    /** A loop, or nearly one. */
    CHAIN_TOO_LONG("a chain is longer than there are descriptors"),
    /** More than 2^32 bytes in one chain. */
    CHAIN_TOO_LARGE("a chain describes more than 4 GiB"),
    /** A descriptor of no bytes. */
    ZERO_LENGTH("a descriptor of length 0"),
    /** A buffer that goes beyond the last address. */
    ADDRESS_WRAPS("a buffer goes beyond the last address"),
    /** Parts for reading must come first. */
    READABLE_AFTER_WRITABLE("a readable descriptor follows a writable one"),
    /** Without its feature. */
    INDIRECT_NOT_NEGOTIATED("an indirect descriptor, which was not negotiated"),
    /** A table in a table. */
    INDIRECT_NESTED("an indirect descriptor in an indirect table"),
    /** A table must be the end of its chain. */
    INDIRECT_GOES_ON("an indirect descriptor that has a next one"),
    /** No whole number of descriptors, none or too many. */
    INDIRECT_LENGTH("an indirect table of a length that cannot be"),
    /** A buffer cannot be reached by DMA. */
    BUFFER_UNREACHABLE("a buffer cannot be reached"),
    /** The chain is not what a request of this device looks like. */
    MALFORMED_REQUEST("a request without the parts it must have"),
    /** The device made a mistake. */
    DEVICE("the device failed; its log says why");

    private final String text;

    QueueFault(String text) {
        this.text = text;
    }

    /** For people. */
    public String text() {
        return text;
    }
}
