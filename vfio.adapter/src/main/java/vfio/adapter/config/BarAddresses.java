package vfio.adapter.config;

import vfio.device.Bar;

/**
 * Where the BARs of a device would be on the host's bus. Nobody reaches them there; but software expects that a host has
 * assigned addresses, and that no two 64-bit BARs overlap.
 *
 * @param deviceNumber the device's number among those of this runtime
 */
public record BarAddresses(int deviceNumber) {
    private static final long MEMORY_64_START = 1L << 44;
    private static final int MEMORY_64_DEVICES = 64;
    private static final int MEMORY_64_BAR_SHIFT = 40;
    private static final long MEMORY_32_START = 0xC000_0000L;
    private static final long MEMORY_32_BYTES = 0x3000_0000L;
    private static final long MEMORY_32_STEP = 1L << 24;
    private static final long MEMORY_32_LARGE = 0x8000_0000L;
    private static final long PORTS_START = 0xC000;
    private static final long PORTS_BYTES = 0x3000;
    private static final long PORTS_STEP = 0x100;

    /** A BAR's address, a multiple of its size. */
    public long of(Bar bar) {
        long slot = (long) deviceNumber * Bar.COUNT + bar.index();
        return switch (bar.space()) {
            case MEMORY_64 -> MEMORY_64_START * (1 + deviceNumber % MEMORY_64_DEVICES) + ((long) bar.index() << MEMORY_64_BAR_SHIFT);
            case MEMORY_32 -> bar.sizeBytes() > MEMORY_32_STEP ? MEMORY_32_LARGE : MEMORY_32_START + slot * MEMORY_32_STEP % MEMORY_32_BYTES;
            case PORTS -> bar.sizeBytes() > PORTS_STEP ? PORTS_START & -bar.sizeBytes() : PORTS_START + slot * PORTS_STEP % PORTS_BYTES;
        };
    }
}
