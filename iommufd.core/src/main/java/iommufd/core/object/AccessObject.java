package iommufd.core.object;

import iommufd.api.Access;
import iommufd.api.AccessClient;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import iommufd.core.space.SpaceAccess;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Software access of an emulated device. Pins and copies take no lock of the context, so that a client can unpin while it is
 * being disconnected.
 */
final class AccessObject extends ContextObject implements Access {
    private final AccessClient client;
    private Optional<IoasObject> connected = Optional.empty();
    /** What new pins and copies go to; empty also while the client is asked to let go. */
    private volatile Optional<SpaceAccess> forPins = Optional.empty();
    private volatile Optional<SpaceAccess> forUnpins = Optional.empty();

    AccessObject(Context context, AccessClient client) {
        super(context);
        this.client = client;
    }

    @Override
    String kind() {
        return "access";
    }

    @Override
    void release() {
        connect(Optional.empty());
    }

    @Override
    public void attach(Ioas ioas) {
        context().run(() -> {
            checkAlive();
            if (connected.isPresent()) {
                throw new IommufdException(Errno.EINVAL, "%s is attached to %s already".formatted(this, connected.get()));
            }
            connect(Optional.of(context().own(ioas)));
        });
    }

    @Override
    public void replace(Ioas ioas) {
        context().run(() -> {
            checkAlive();
            if (connected.isEmpty()) {
                throw new IommufdException(Errno.ENOENT, this + " is attached to nothing, there is nothing to replace");
            }
            IoasObject next = context().own(ioas);
            if (connected.get() != next) {
                connect(Optional.of(next));
            }
        });
    }

    @Override
    public void detach() {
        context().run(() -> {
            checkAlive();
            connect(Optional.empty());
        });
    }

    private void connect(Optional<IoasObject> next) {
        Optional<SpaceAccess> opened = next.map(ioas -> ioas.space().openAccess(client));
        next.ifPresent(IoasObject::hold);
        forPins = Optional.empty();
        forUnpins.ifPresent(SpaceAccess::close);
        connected.ifPresent(IoasObject::letGo);
        connected = next;
        forUnpins = opened;
        forPins = opened;
    }

    @Override
    public Optional<Ioas> ioas() {
        return context().control(() -> {
            checkAlive();
            return connected.map(ioas -> ioas);
        });
    }

    private SpaceAccess forPins() {
        checkAlive();
        return forPins.orElseThrow(() -> new IommufdException(Errno.ENOENT, this + " is attached to no IOAS"));
    }

    @Override
    public void pin(long iova, long lengthBytes, boolean writable, PinnedRuns runs) {
        forPins().pin(iova, lengthBytes, writable, runs);
    }

    @Override
    public void unpin(long iova, long lengthBytes) {
        forUnpins.orElseThrow(() -> new IommufdException(Errno.ENOENT, this + " is attached to no IOAS")).unpin(iova, lengthBytes);
    }

    @Override
    public void read(long iova, MemorySegment target, View view) {
        forPins().read(iova, target, view);
    }

    @Override
    public void write(long iova, MemorySegment source, View view) {
        forPins().write(iova, source, view);
    }
}
