package iommu.smmuv3.unit;

/**
 * VMSAv8-64 once more, for comparison: straight from the architecture's text, in its own level numbers, with no regard to speed.
 * It works on a snapshot of memory and updates descriptors there.
 */
final class NaiveVmsa {
    static final int TRANSLATION = 0x10;
    static final int ADDRESS_SIZE = 0x11;
    static final int ACCESS = 0x12;
    static final int PERMISSION = 0x13;
    static final int WALK_ABORT = 0x0b;

    /** @param event 0 if translated */
    record Outcome(int event, boolean stage2, int eventClass, long address, int pageLg2, boolean readable, boolean writable) {
        static Outcome fault(int event, boolean stage2, int eventClass, long address) {
            return new Outcome(event, stage2, eventClass, address, 0, false, false);
        }
    }

    /** Parameters of a stage as the architecture names them; {@code sl0} counts for stage 2 only. */
    record Stage(boolean second, long ttb, int txsz, int granuleKib, int sl0, int outputBits, boolean ha, boolean hd,
            boolean affd) {}

    private final long base;
    private final long[] words;
    int dirtyMarks;

    NaiveVmsa(long base, long[] words) {
        this.base = base;
        this.words = words;
    }

    long[] words() {
        return words;
    }

    private boolean present(long address) {
        return address >= base && address < base + words.length * 8L;
    }

    private static long bits(long value, int high, int low) {
        return value << 63 - high >>> 63 - high + low;
    }

    private static int grainBits(int granuleKib) {
        return switch (granuleKib) {
            case 4 -> 12;
            case 16 -> 14;
            case 64 -> 16;
            default -> throw new IllegalArgumentException();
        };
    }

    /** The first level whose descriptors may be blocks without 52-bit addresses: 1 for 4K, 2 for 16K and 64K. */
    private static int firstBlockLevel(int granuleKib) {
        return granuleKib == 4 ? 1 : 2;
    }

    private static int startLevel(Stage stage) {
        int grain = grainBits(stage.granuleKib());
        if (stage.second()) {
            return stage.granuleKib() == 4 ? 2 - stage.sl0() : 3 - stage.sl0();
        }
        int inputSize = 64 - stage.txsz();
        for (int level = 3; ; level--) {
            int resolved = grain + (4 - level) * (grain - 3);
            if (resolved >= inputSize) {
                return level;
            }
        }
    }

    /** The output of a stage that stands alone; {@code eventClass} is what a stage 2 fault is reported as. */
    Outcome translate(Stage stage, Stage below, long input, boolean write, int eventClass) {
        int inputSize = 64 - stage.txsz();
        if (bits(input, 63, inputSize) != 0) {
            return fault(stage, TRANSLATION, eventClass, input);
        }
        int grain = grainBits(stage.granuleKib());
        int stride = grain - 3;
        int level = startLevel(stage);
        int top = inputSize - 1;
        long table = stage.ttb();
        boolean noUnprivileged = false;
        boolean readOnly = false;
        while (true) {
            int bottom = (3 - level) * stride + grain;
            long descriptorAddress = table + bits(input, top, bottom) * 8;
            long physical = descriptorAddress;
            if (below != null) {
                Outcome fetch = translate(below, null, descriptorAddress, false, 1);
                if (fetch.event() != 0) {
                    return fetch;
                }
                physical = fetch.address();
            }
            if (!present(physical)) {
                return Outcome.fault(WALK_ABORT, stage.second(), stage.second() ? eventClass : 1, physical);
            }
            int index = (int) (physical - base >> 3);
            long descriptor = words[index];
            long kind = bits(descriptor, 1, 0);
            boolean tableKind = level < 3 && kind == 3;
            boolean block = level < 3 && kind == 1 && level >= firstBlockLevel(stage.granuleKib());
            boolean page = level == 3 && kind == 3;
            if (!tableKind && !block && !page) {
                return fault(stage, TRANSLATION, eventClass, input);
            }
            long output = bits(descriptor, 47, bottom) << bottom;
            long next = bits(descriptor, 47, grain) << grain;
            if (stage.outputBits() < 48 && bits(descriptor, 47, stage.outputBits()) != 0) {
                return fault(stage, ADDRESS_SIZE, eventClass, input);
            }
            if (tableKind) {
                if (!stage.second()) {
                    noUnprivileged |= bits(descriptor, 61, 61) == 1;
                    readOnly |= bits(descriptor, 62, 62) == 1;
                }
                table = next;
                top = bottom - 1;
                level++;
                continue;
            }
            return leaf(stage, below, input, write, eventClass, new Leaf(index, descriptorAddress, descriptor, bottom,
                    output | bits(input, bottom - 1, 0), noUnprivileged, readOnly));
        }
    }

    private record Leaf(int index, long descriptorAddress, long descriptor, int sizeLg2, long output, boolean noUnprivileged,
            boolean readOnly) {}

    private Outcome leaf(Stage stage, Stage below, long input, boolean write, int eventClass, Leaf leaf) {
        long descriptor = leaf.descriptor();
        if (bits(descriptor, 10, 10) == 0) {
            if (stage.ha()) {
                descriptor |= 1L << 10;
            } else if (!stage.affd()) {
                return fault(stage, ACCESS, eventClass, input);
            }
        }
        boolean dbm = bits(descriptor, 51, 51) == 1 && stage.ha() && stage.hd();
        boolean readable;
        boolean writable;
        boolean becomesWritable;
        if (stage.second()) {
            readable = bits(descriptor, 6, 6) == 1;
            writable = bits(descriptor, 7, 7) == 1;
            becomesWritable = !writable && dbm && write;
        } else {
            readable = bits(descriptor, 6, 6) == 1 && !leaf.noUnprivileged();
            writable = readable && bits(descriptor, 7, 7) == 0 && !leaf.readOnly();
            becomesWritable = readable && !leaf.readOnly() && !writable && dbm && write;
        }
        if (write ? !writable && !becomesWritable : !readable) {
            return fault(stage, PERMISSION, eventClass, input);
        }
        if (becomesWritable) {
            descriptor = stage.second() ? descriptor | 1L << 7 : descriptor & ~(1L << 7);
            writable = true;
        }
        if (descriptor != leaf.descriptor()) {
            if (below != null) {
                Outcome update = translate(below, null, leaf.descriptorAddress(), true, 1);
                if (update.event() != 0) {
                    return update;
                }
                if (words[leaf.index()] != leaf.descriptor()) {
                    return translate(stage, below, input, write, eventClass);
                }
            }
            words[leaf.index()] = descriptor;
            dirtyMarks += becomesWritable ? 1 : 0;
        }
        return new Outcome(0, false, 0, leaf.output(), leaf.sizeLg2(), readable, writable);
    }

    private static Outcome fault(Stage stage, int event, int eventClass, long input) {
        return Outcome.fault(event, stage.second(), stage.second() ? eventClass : 2, stage.second() ? input & ~0xfffL : 0);
    }
}
