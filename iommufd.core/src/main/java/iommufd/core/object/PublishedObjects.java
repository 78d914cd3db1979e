package iommufd.core.object;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * Objects by number, for readers that take no lock: every map and unmap of a client begins with a look-up. Numbers are dense,
 * because the lowest free one is given out. Changed under the context's lock.
 */
final class PublishedObjects {
    private static final VarHandle SLOT = MethodHandles.arrayElementVarHandle(ContextObject[].class);

    private volatile ContextObject[] objects = new ContextObject[16];

    void put(int id, ContextObject object) {
        ContextObject[] present = objects;
        if (id >= present.length) {
            present = Arrays.copyOf(present, Math.max(id + 1, present.length * 2));
            objects = present;
        }
        SLOT.setRelease(present, id, object);
    }

    void remove(int id) {
        put(id, null);
    }

    /** Null if there is none. */
    ContextObject get(int id) {
        ContextObject[] present = objects;
        return id >= 0 && id < present.length ? (ContextObject) SLOT.getAcquire(present, id) : null;
    }
}
