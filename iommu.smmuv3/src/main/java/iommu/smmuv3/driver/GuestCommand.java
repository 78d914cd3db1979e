package iommu.smmuv3.driver;

import static iommu.smmuv3.format.SmmuCommand.*;

import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.LongFunction;

/**
 * A command that a guest wants carried out, as the unit's queue may have it: only what concerns the guest's own translations and
 * configuration, with the host's numbers. The queue is shared by all, so whatever could be an error of it is refused here.
 *
 * @param word0 first word
 * @param word1 second word
 */
record GuestCommand(long word0, long word1) {
    private static final long OPCODE = 0xff;
    private static final long NUM = 0x1fL << NUM_SHIFT;
    private static final long SCALE = 0x1fL << SCALE_SHIFT;
    private static final long VMID = 0xffffL << VMID_SHIFT;
    private static final long ASID = 0xffffL << ASID_SHIFT;
    private static final long TTL = 3L << TTL_SHIFT;
    private static final long TG = 3L << TG_SHIFT;
    private static final long STREAM = 0xffff_ffffL << STREAM_SHIFT;
    private static final long SUBSTREAM = (long) SUBSTREAM_MASK << SUBSTREAM_SHIFT;

    /**
     * Translates a guest's command.
     *
     * @param vmid the guest's
     * @param hasSubstreams whether the unit has SubstreamIDs
     * @param streams the host's StreamID of a guest's
     * @return empty if the guest may not say that
     */
    static Optional<GuestCommand> of(long word0, long word1, int vmid, boolean hasSubstreams, LongFunction<OptionalInt> streams) {
        if (!fieldsAllowed(word0, word1, hasSubstreams)) {
            return Optional.empty();
        }
        long tagged = word0 & ~VMID | (long) vmid << VMID_SHIFT;
        return switch (opcode(word0)) {
            case TLBI_NSNH_ALL -> Optional.of(new GuestCommand(TLBI_NH_ALL | (long) vmid << VMID_SHIFT, 0));
            case TLBI_NH_ALL, TLBI_NH_ASID, TLBI_NH_VA, TLBI_NH_VAA -> Optional.of(new GuestCommand(tagged, word1));
            default -> {
                OptionalInt stream = streams.apply(word0 >>> STREAM_SHIFT);
                yield stream.isEmpty() ? Optional.empty()
                        : Optional.of(new GuestCommand(word0 & ~STREAM | (long) stream.getAsInt() << STREAM_SHIFT, word1));
            }
        };
    }

    private static boolean fieldsAllowed(long word0, long word1, boolean hasSubstreams) {
        long allowed0 = OPCODE;
        long allowed1 = 0;
        switch (opcode(word0)) {
            case TLBI_NSNH_ALL -> { }
            case TLBI_NH_ALL -> allowed0 |= VMID;
            case TLBI_NH_ASID -> allowed0 |= VMID | ASID;
            case TLBI_NH_VA, TLBI_NH_VAA -> {
                allowed0 |= VMID | NUM | SCALE | (opcode(word0) == TLBI_NH_VA ? ASID : 0);
                allowed1 |= LEAF | ADDRESS | TTL | TG;
                if (!rangeAllowed(word0, word1)) {
                    return false;
                }
            }
            case CFGI_CD -> {
                allowed0 |= STREAM | (hasSubstreams ? SUBSTREAM : 0);
                allowed1 |= LEAF;
            }
            case CFGI_CD_ALL -> allowed0 |= STREAM;
            default -> {
                return false;   // ATC_INV too: the host's unit has no ATS
            }
        }
        return (word0 & ~allowed0) == 0 && (word1 & ~allowed1) == 0;
    }

    /** Reserved combinations would be errors of the queue. */
    private static boolean rangeAllowed(long word0, long word1) {
        boolean ranged = (word0 & (NUM | SCALE)) != 0;
        long level = word1 >>> TTL_SHIFT & 3;
        long granule = word1 >>> TG_SHIFT & 3;
        if (granule == 0) {
            return !ranged && level == 0;
        }
        return !(granule == 2 && level == 1) && (ranged || level != 0);
    }
}
