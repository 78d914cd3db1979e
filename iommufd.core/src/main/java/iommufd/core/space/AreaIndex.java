package iommufd.core.space;

import java.util.Arrays;
import java.util.Optional;

/**
 * The areas of a space by IOVA: a two-level B+tree, linked in order. Areas never overlap. Allocates nothing once warm.
 * Guarded by the space's iova lock.
 */
final class AreaIndex {
    private static final int LEAF_AREAS = 128;

    private static final class Leaf {
        final long[] starts = new long[LEAF_AREAS];
        final Area[] areas = new Area[LEAF_AREAS];
        int size;
    }

    private Leaf[] leaves = {new Leaf()};
    /** Lowest IOVA of each leaf but the first, which reaches down to 0. */
    private long[] firsts = new long[1];
    private int leafCount = 1;
    private Leaf spare = new Leaf();
    private Area first;
    private int size;

    int size() {
        return size;
    }

    /** The lowest area, or null. */
    Area first() {
        return first;
    }

    /** The area that contains the address or is the next one below it, or null. */
    Area floor(long iova) {
        int at = leafOf(iova);
        Leaf leaf = leaves[at];
        int slot = slotOf(leaf, iova);
        return slot >= 0 ? leaf.areas[slot] : at == 0 ? null : lastOf(leaves[at - 1]);
    }

    /** The lowest area that shares an address with the range, or null. */
    Area firstOverlapping(long start, long last) {
        Area below = floor(start);
        if (below != null && Long.compareUnsigned(below.lastIova, start) >= 0) {
            return below;
        }
        Area above = below == null ? first : below.next;
        return above != null && Long.compareUnsigned(above.iova, last) <= 0 ? above : null;
    }

    /** The area that contains the address. */
    Optional<Area> containing(long iova) {
        return Optional.ofNullable(firstOverlapping(iova, iova));
    }

    /** Adds an area that overlaps none. */
    void insert(Area area) {
        int at = leafOf(area.iova);
        Leaf leaf = leaves[at];
        if (leaf.size == LEAF_AREAS) {
            split(at);
            at = leafOf(area.iova);
            leaf = leaves[at];
        }
        int slot = slotOf(leaf, area.iova) + 1;
        Area below = slot > 0 ? leaf.areas[slot - 1] : at == 0 ? null : lastOf(leaves[at - 1]);
        System.arraycopy(leaf.starts, slot, leaf.starts, slot + 1, leaf.size - slot);
        System.arraycopy(leaf.areas, slot, leaf.areas, slot + 1, leaf.size - slot);
        leaf.starts[slot] = area.iova;
        leaf.areas[slot] = area;
        leaf.size++;
        size++;
        link(area, below);
    }

    /** Removes an area that is here. */
    void remove(Area area) {
        int at = leafOf(area.iova);
        Leaf leaf = leaves[at];
        int slot = slotOf(leaf, area.iova);
        assert slot >= 0 && leaf.areas[slot] == area : "an area is where the index says";
        leaf.size--;
        System.arraycopy(leaf.starts, slot + 1, leaf.starts, slot, leaf.size - slot);
        System.arraycopy(leaf.areas, slot + 1, leaf.areas, slot, leaf.size - slot);
        leaf.areas[leaf.size] = null;
        size--;
        unlink(area);
        if (leaf.size == 0 && leafCount > 1) {
            drop(at);
        }
    }

    private void link(Area area, Area below) {
        area.previous = below;
        area.next = below == null ? first : below.next;
        if (area.next != null) {
            area.next.previous = area;
        }
        if (below == null) {
            first = area;
        } else {
            below.next = area;
        }
    }

    private void unlink(Area area) {
        if (area.previous == null) {
            first = area.next;
        } else {
            area.previous.next = area.next;
        }
        if (area.next != null) {
            area.next.previous = area.previous;
        }
        area.previous = null;
        area.next = null;
    }

    private int leafOf(long iova) {
        int low = 1;
        int high = leafCount - 1;
        while (low <= high) {
            int middle = low + high >>> 1;
            if (Long.compareUnsigned(firsts[middle], iova) <= 0) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return high < 0 ? 0 : high;
    }

    /** The slot with the highest start not above the address, or −1. */
    private static int slotOf(Leaf leaf, long iova) {
        int low = 0;
        int high = leaf.size - 1;
        while (low <= high) {
            int middle = low + high >>> 1;
            if (Long.compareUnsigned(leaf.starts[middle], iova) <= 0) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return high;
    }

    /** No leaf but an only one is empty. */
    private static Area lastOf(Leaf leaf) {
        return leaf.size == 0 ? null : leaf.areas[leaf.size - 1];
    }

    /** Ascending inserts fill leaves to the brim: only the topmost one is split off empty. */
    private void split(int at) {
        Leaf full = leaves[at];
        Leaf upper = spare == null ? new Leaf() : spare;
        spare = null;
        int kept = at == leafCount - 1 ? LEAF_AREAS - 1 : LEAF_AREAS / 2;
        upper.size = LEAF_AREAS - kept;
        System.arraycopy(full.starts, kept, upper.starts, 0, upper.size);
        System.arraycopy(full.areas, kept, upper.areas, 0, upper.size);
        Arrays.fill(full.areas, kept, LEAF_AREAS, null);
        full.size = kept;
        if (leafCount == leaves.length) {
            leaves = Arrays.copyOf(leaves, leafCount * 2);
            firsts = Arrays.copyOf(firsts, leafCount * 2);
        }
        System.arraycopy(leaves, at + 1, leaves, at + 2, leafCount - at - 1);
        System.arraycopy(firsts, at + 1, firsts, at + 2, leafCount - at - 1);
        leaves[at + 1] = upper;
        firsts[at + 1] = upper.starts[0];
        leafCount++;
    }

    private void drop(int at) {
        spare = leaves[at];
        leafCount--;
        System.arraycopy(leaves, at + 1, leaves, at, leafCount - at);
        System.arraycopy(firsts, at + 1, firsts, at, leafCount - at);
        leaves[leafCount] = null;
    }
}
