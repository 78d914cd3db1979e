package vmm.devices.virtio.blk;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vmm.devices.nvme.NamespaceFile;

/** The file behind a block device, and how long it is: others may make it longer or shorter. Thread-safe. */
final class Disk {
    private static final Logger LOG = LoggerFactory.getLogger(Disk.class);

    private final BlkOptions options;
    private final BlkConfigSpace config;
    private long sizeBytes;
    private boolean frozen;
    /** Counts sizes; queues open the file anew when it has changed. */
    private volatile int version;

    /** @throws iommufd.api.IommufdException if the file cannot be opened and mapped, or is too small */
    Disk(BlkOptions options) {
        this.options = options;
        try (var file = new NamespaceFile(options.file())) {
            sizeBytes = file.sizeBytes();
        }
        config = new BlkConfigSpace(options, sizeBytes);
    }

    BlkOptions options() {
        return options;
    }

    BlkConfigSpace config() {
        return config;
    }

    int version() {
        return version;
    }

    /** Opens the file, for one queue. */
    NamespaceFile open() {
        return new NamespaceFile(options.file());
    }

    /** While it is frozen the size does not change. */
    synchronized void freeze(boolean freeze) {
        frozen = freeze;
    }

    /** Looks how long the file is now. @return whether that has changed, and the configuration with it */
    synchronized boolean look() {
        Optional<Long> now = frozen ? Optional.empty() : length();
        if (now.isEmpty() || now.get() == sizeBytes || now.get() < 1L << options.file().blockLg2()) {
            return false;
        }
        LOG.info("{} has {} bytes now, and had {}", options.file().file(), now.get(), sizeBytes);
        sizeBytes = now.get();
        config.resize(options, sizeBytes);
        version++;
        return true;
    }

    /** Nothing for a block device: its size stays. */
    private Optional<Long> length() {
        try {
            return Files.isRegularFile(options.file().file()) ? Optional.of(Files.size(options.file().file())) : Optional.empty();
        } catch (IOException gone) {
            LOG.debug("{} cannot be looked at", options.file().file(), gone);
            return Optional.empty();
        }
    }
}
