package iommu.vtd.driver;

import java.util.Arrays;

/** The PASIDs a first stage is attached to, on any endpoint. Changes are guarded by the domain; readable by any thread. */
final class AttachedPasids {
    private static final int[] NONE = {};

    private volatile int[] distinct = NONE;
    private int[] counts = NONE;

    /** Each PASID once; not to be changed. */
    int[] distinct() {
        return distinct;
    }

    void add(int pasid) {
        int index = indexOf(pasid);
        if (index >= 0) {
            counts[index]++;
            return;
        }
        int length = distinct.length;
        counts = Arrays.copyOf(counts, length + 1);
        counts[length] = 1;
        int[] more = Arrays.copyOf(distinct, length + 1);
        more[length] = pasid;
        distinct = more;
    }

    void remove(int pasid) {
        int index = indexOf(pasid);
        if (--counts[index] > 0) {
            return;
        }
        int last = distinct.length - 1;
        int[] fewer = Arrays.copyOf(distinct, last);
        int[] fewerCounts = Arrays.copyOf(counts, last);
        if (index < last) {
            fewer[index] = distinct[last];
            fewerCounts[index] = counts[last];
        }
        counts = fewerCounts;
        distinct = fewer;
    }

    private int indexOf(int pasid) {
        int[] pasids = distinct;
        for (int i = 0; i < pasids.length; i++) {
            if (pasids[i] == pasid) {
                return i;
            }
        }
        return -1;
    }
}
