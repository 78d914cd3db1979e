package vmm.devices.nvme;

/**
 * What of an NVMe device outlives its controller's power: namespaces, and what was counted and logged. At most one controller at
 * a time works with it.
 */
public final class NvmeSubsystem implements AutoCloseable {
    private final NvmeOptions options;
    private final NamespaceSet namespaces;
    private final Health health = new Health();
    private final ErrorLog errors = new ErrorLog();
    private final ChangedNamespaces changed = new ChangedNamespaces();

    /** @throws iommufd.api.IommufdException if a namespace cannot be opened; then none is */
    public NvmeSubsystem(NvmeOptions options) {
        this.options = options;
        namespaces = new NamespaceSet(options);
    }

    /** What was chosen. */
    public NvmeOptions options() {
        return options;
    }

    NamespaceSet namespaces() {
        return namespaces;
    }

    Health health() {
        return health;
    }

    ErrorLog errors() {
        return errors;
    }

    ChangedNamespaces changed() {
        return changed;
    }

    /** What it is and did, for people. Numbers are approximate while a controller works. */
    @Override
    public String toString() {
        return "NVMe subsystem %s: %s; %d reads of %d bytes, %d writes of %d bytes, %d media errors, %d failed commands".formatted(options.serial(),
                namespaces, health.reads(), health.readBytes(), health.writes(), health.writtenBytes(), health.mediaErrors(), errors.count());
    }

    /** Closes the namespaces. No controller may work any more. */
    @Override
    public void close() {
        namespaces.close();
    }
}
