package vfio.adapter.migration;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.OpenNode;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vfio.device.Migration;

/** The migration state of a running device. Thread-safe. */
public final class MigrationState implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(MigrationState.class);

    private final Optional<Migration> migration;
    private final StateGraph graph;
    private DeviceState state = DeviceState.RUNNING;
    private Optional<SavingFile> saving = Optional.empty();
    private Optional<RestoringFile> restoring = Optional.empty();

    /** @param migration empty if the device cannot move */
    public MigrationState(Optional<Migration> migration) {
        this.migration = migration;
        graph = new StateGraph(migration.filter(Migration::peerToPeer).isPresent(), migration.filter(Migration::preCopy).isPresent());
    }

    /** What the device does of it. */
    public Optional<Migration> migration() {
        return migration;
    }

    /** The state now. */
    public synchronized DeviceState state() {
        return state;
    }

    /**
     * Goes to another state, through those between.
     *
     * @return the file that its state is read from or written to, if there is a new one
     * @throws IommufdException {@link Errno#EINVAL} if there is no way; else what the device says, in which case it is in the last
     *         state that was reached, or broken
     */
    public synchronized Optional<OpenNode> set(DeviceState target) {
        List<DeviceState> way = graph.way(state, target)
                .orElseThrow(() -> new IommufdException(Errno.EINVAL, "no way leads from %s to %s".formatted(state, target)));
        Optional<OpenNode> file = Optional.empty();
        for (DeviceState next : way) {
            file = step(next);
            state = next;
        }
        return file;
    }

    private Optional<OpenNode> step(DeviceState next) {
        Migration device = migration.orElseThrow();
        if (state.activity() != next.activity()) {
            act(device, next);
        }
        if (next == DeviceState.RESUMING) {
            RestoringFile file = new RestoringFile(device.restore());
            restoring = Optional.of(file);
            return Optional.of(file);
        }
        if (state == DeviceState.RESUMING) {
            finishRestoring();
        }
        if (state.isPreCopy() && next == DeviceState.STOP_COPY) {
            saving.orElseThrow().stopped(device.copyStopped());
        } else if (next.isSaving() && !state.isSaving()) {
            SavingFile file = new SavingFile(device, next.isPreCopy() ? device.copyRunning() : device.copyStopped(), next.isPreCopy());
            saving = Optional.of(file);
            return Optional.of(file);
        } else if (state.isSaving() && !next.isSaving()) {
            endSaving();
        }
        return Optional.empty();
    }

    private void act(Migration device, DeviceState next) {
        try {
            device.setActivity(next.activity());
        } catch (RuntimeException | Error broken) {
            state = DeviceState.ERROR;
            endFiles();
            throw broken;
        }
    }

    private void finishRestoring() {
        try {
            restoring.orElseThrow().finish();
        } catch (RuntimeException malformed) {
            state = DeviceState.ERROR;
            throw malformed;
        } finally {
            restoring = Optional.empty();
        }
    }

    private void endSaving() {
        saving.ifPresent(SavingFile::disable);
        saving = Optional.empty();
    }

    private void endFiles() {
        endSaving();
        restoring.ifPresent(RestoringFile::disable);
        restoring = Optional.empty();
    }

    /** The device was reset: it runs. */
    public synchronized void reset() {
        endFiles();
        if (state != DeviceState.RUNNING && migration.isPresent()) {
            try {
                migration.get().setActivity(Migration.Activity.RUNNING);
            } catch (RuntimeException broken) {
                LOG.warn("a device does not run again after a reset", broken);
                state = DeviceState.ERROR;
                return;
            }
        }
        state = DeviceState.RUNNING;
    }

    @Override
    public synchronized void close() {
        endFiles();
    }
}
