package vfio.adapter.device;

import java.util.Optional;
import vfio.device.Migration;

/** The migration states of a running device. Thread-safe. */
public final class MigrationState implements AutoCloseable {
    private final Optional<Migration> migration;

    MigrationState(Optional<Migration> migration) {
        this.migration = migration;
    }

    /** What the device does of it. */
    public Optional<Migration> migration() {
        return migration;
    }

    /** After a reset it runs. */
    void reset() { }

    @Override
    public void close() { }
}
