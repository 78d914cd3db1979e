package iommufd.core.object;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/** A numbered object of one context. State is guarded by the context's lock unless it says otherwise. */
abstract class ContextObject {
    private final Context context;
    private final int id;
    /** Holders, the number itself included. */
    private int users = 1;
    /** Files of a client that stand for it: they keep it from being destroyed, but not from ending with its context. */
    private int files;
    private volatile boolean destroyed;

    /** Takes the lowest free number; {@link Context#publish} makes it visible. */
    ContextObject(Context context) {
        this.context = context;
        id = context.lowestFreeId();
    }

    final Context context() {
        return context;
    }

    public final int id() {
        return id;
    }

    /** What it is, for messages. */
    abstract String kind();

    /** Gives up everything it holds. Neither fails nor needs memory. */
    abstract void release();

    final void hold() {
        context.assertLocked();
        users++;
    }

    final void letGo() {
        context.assertLocked();
        users--;
        assert users > 0 : this + " was let go too often";
    }

    final void holdByFile() {
        context.assertLocked();
        files++;
    }

    final void letGoByFile() {
        context.assertLocked();
        files--;
        assert files >= 0 : this + " was let go too often";
    }

    final boolean unused() {
        return users == 1;
    }

    final boolean destroyed() {
        return destroyed;
    }

    /** @throws IommufdException {@link Errno#EBADF} after the context's close; {@link Errno#ENOENT} after its own end */
    final void checkAlive() {
        context.checkOpen();
        if (destroyed) {
            throw new IommufdException(Errno.ENOENT, this + " was destroyed");
        }
    }

    public void destroy() {
        context.run(() -> {
            checkAlive();
            if (!unused() || files > 0) {
                throw new IommufdException(Errno.EBUSY, "%s is used by %d other objects and %d files; destroy and close those first"
                        .formatted(this, users - 1, files));
            }
            end();
        });
    }

    /** Ends it, whoever asks; nobody uses it. */
    final void end() {
        context.withdraw(this);
        destroyed = true;
        release();
    }

    /** Ends it but keeps its number taken. */
    final void endAsTombstone() {
        context.bury(this);
        destroyed = true;
        release();
    }

    @Override
    public final String toString() {
        return kind() + " " + id;
    }
}
