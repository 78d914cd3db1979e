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

    /** @param event 0 if translated; readable means executable where reads are fetches */
    record Outcome(int event, boolean stage2, int eventClass, long address, int pageLg2, boolean readable, boolean writable) {
        static Outcome fault(int event, boolean stage2, int eventClass, long address) {
            return new Outcome(event, stage2, eventClass, address, 0, false, false);
        }
    }

    /** Parameters of a stage as the architecture names them; {@code sl0} counts for stage 2 only. */
    record Stage(boolean second, long ttb, int txsz, int granuleKib, int sl0, int outputBits, boolean ha, boolean hd,
            boolean affd, boolean wxn, boolean pan, boolean had, boolean oneRange, boolean lpa, boolean e0pd) {}

    /** Who asks for what. */
    record Access(boolean write, boolean privileged, boolean fetch) {
        static final Access WALK = new Access(false, false, false);
        static final Access UPDATE = new Access(true, false, false);
    }

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

    private static boolean bit(long value, int position) {
        return bits(value, position, position) == 1;
    }

    private static int grainBits(int granuleKib) {
        return switch (granuleKib) {
            case 4 -> 12;
            case 16 -> 14;
            case 64 -> 16;
            default -> throw new IllegalArgumentException();
        };
    }

    /** The first level whose descriptors may be blocks: 1 for 4K, 2 for 16K and 64K, but 1 for 64K with 52-bit addresses. */
    private static int firstBlockLevel(Stage stage) {
        return stage.granuleKib() == 4 || stage.granuleKib() == 64 && stage.lpa() ? 1 : 2;
    }

    private static int startLevel(Stage stage) {
        int grain = grainBits(stage.granuleKib());
        if (stage.second()) {
            if (stage.granuleKib() == 4) {
                return stage.sl0() == 3 ? 3 : 2 - stage.sl0();
            }
            return 3 - stage.sl0();
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
    Outcome translate(Stage stage, Stage below, long input, Access access, int eventClass) {
        int inputSize = 64 - stage.txsz();
        if (bits(input, 63, inputSize) != 0) {
            return fault(stage, TRANSLATION, eventClass, input);
        }
        if (stage.e0pd() && !stage.second() && !stage.oneRange() && !access.privileged()) {
            return fault(stage, TRANSLATION, eventClass, input);
        }
        int grain = grainBits(stage.granuleKib());
        int stride = grain - 3;
        int level = startLevel(stage);
        int top = inputSize - 1;
        long table = stage.ttb();
        boolean noUnprivileged = false;
        boolean readOnly = false;
        boolean noUserExecute = false;
        boolean noPrivilegedExecute = false;
        while (true) {
            int bottom = (3 - level) * stride + grain;
            long descriptorAddress = table + bits(input, top, bottom) * 8;
            long physical = descriptorAddress;
            if (below != null) {
                Outcome fetch = translate(below, null, descriptorAddress, Access.WALK, 1);
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
            boolean block = level < 3 && kind == 1 && level >= firstBlockLevel(stage);
            boolean page = level == 3 && kind == 3;
            if (!tableKind && !block && !page) {
                return fault(stage, TRANSLATION, eventClass, input);
            }
            long highBits = stage.lpa() && stage.granuleKib() == 64 ? bits(descriptor, 15, 12) << 48 : 0;
            long output = bits(descriptor, 47, bottom) << bottom | highBits;
            long next = bits(descriptor, 47, grain) << grain | highBits;
            long all = bits(descriptor, 47, grain) << grain | highBits;
            if (stage.granuleKib() != 64 || !stage.lpa()) {
                all = bits(descriptor, 47, 12) << 12;
            }
            if (bits(all, 63, stage.outputBits()) != 0) {
                return fault(stage, ADDRESS_SIZE, eventClass, input);
            }
            if (tableKind) {
                if (!stage.second() && !stage.had()) {
                    noUnprivileged |= bit(descriptor, 61);
                    readOnly |= bit(descriptor, 62);
                    noUserExecute |= bit(descriptor, 60);
                    noPrivilegedExecute |= bit(descriptor, 59);
                }
                table = next;
                top = bottom - 1;
                level++;
                continue;
            }
            return leaf(stage, below, input, access, eventClass, new Leaf(index, descriptorAddress, descriptor, bottom,
                    output | bits(input, bottom - 1, 0), noUnprivileged, readOnly, noUserExecute, noPrivilegedExecute));
        }
    }

    private record Leaf(int index, long descriptorAddress, long descriptor, int sizeLg2, long output, boolean noUnprivileged,
            boolean readOnly, boolean noUserExecute, boolean noPrivilegedExecute) {}

    private Outcome leaf(Stage stage, Stage below, long input, Access access, int eventClass, Leaf leaf) {
        long descriptor = leaf.descriptor();
        if (!bit(descriptor, 10)) {
            if (stage.ha()) {
                descriptor |= 1L << 10;
            } else if (!stage.affd()) {
                return fault(stage, ACCESS, eventClass, input);
            }
        }
        boolean dirtyable = bit(descriptor, 51) && stage.ha() && stage.hd();
        boolean[] grants = stage.second() ? secondGrants(descriptor, access, eventClass, dirtyable) : firstGrants(stage, leaf, access, dirtyable);
        if (access.write() ? !grants[1] : !grants[0]) {
            return fault(stage, PERMISSION, eventClass, input);
        }
        boolean clean = stage.second() ? !bit(descriptor, 7) : bit(descriptor, 7);
        if (access.write() && clean) {
            descriptor = stage.second() ? descriptor | 1L << 7 : descriptor & ~(1L << 7);
            clean = false;
            dirtyMarks++;
        }
        if (descriptor != leaf.descriptor()) {
            if (below != null) {
                int marks = dirtyMarks;
                Outcome update = translate(below, null, leaf.descriptorAddress(), Access.UPDATE, 1);
                boolean marked = stage.second() ? false : bit(descriptor ^ leaf.descriptor(), 7);
                if (update.event() != 0) {
                    dirtyMarks = marks - (marked ? 1 : 0);
                    return update;
                }
                if (words[leaf.index()] != leaf.descriptor()) {
                    dirtyMarks -= marked ? 1 : 0;
                    return translate(stage, below, input, access, eventClass);
                }
            }
            words[leaf.index()] = descriptor;
        }
        return new Outcome(0, false, 0, leaf.output(), leaf.sizeLg2(), grants[0], grants[1] && !clean);
    }

    /** Reads (or fetches) and writes, the latter as if a clean page were dirty. */
    private static boolean[] secondGrants(long descriptor, Access access, int eventClass, boolean dirtyable) {
        boolean executes = switch ((int) bits(descriptor, 54, 53)) {
            case 0 -> true;
            case 1 -> !access.privileged();
            case 2 -> false;
            default -> access.privileged();
        };
        boolean fetch = access.fetch() && eventClass == 2;
        return new boolean[] {fetch ? executes : bit(descriptor, 6), bit(descriptor, 7) || dirtyable};
    }

    private static boolean[] firstGrants(Stage stage, Leaf leaf, Access access, boolean dirtyable) {
        long descriptor = leaf.descriptor();
        boolean writablePage = (!bit(descriptor, 7) || dirtyable) && !leaf.readOnly();
        boolean uxn = bit(descriptor, 54) || leaf.noUserExecute();
        boolean pxn = bit(descriptor, 53) || leaf.noPrivilegedExecute();
        if (stage.oneRange()) {
            boolean executes = !uxn && !(stage.wxn() && writablePage);
            return new boolean[] {!access.fetch() || executes, writablePage};
        }
        boolean user = bit(descriptor, 6) && !leaf.noUnprivileged();
        boolean userWrites = user && writablePage;
        if (access.privileged()) {
            boolean data = !(stage.pan() && user);
            boolean executes = !pxn && !userWrites && !(stage.wxn() && writablePage);
            return new boolean[] {access.fetch() ? executes : data, writablePage && data};
        }
        boolean executes = !uxn && !(stage.wxn() && userWrites);
        return new boolean[] {access.fetch() ? executes : user, userWrites};
    }

    private static Outcome fault(Stage stage, int event, int eventClass, long input) {
        return Outcome.fault(event, stage.second(), stage.second() ? eventClass : 2, stage.second() ? input & ~0xfffL : 0);
    }
}
