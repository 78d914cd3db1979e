package vmm.devices.nvme;

/** How the controller interrupts its host. Called on whatever thread works or writes registers: return quickly, never throw. */
public interface NvmeInterrupts {
    /** Number of vectors, 1 to 2048: completion queues may name those below. */
    int vectors();

    /** Whether the host uses the pin, or single messages for which the controller's own mask counts, instead of MSI-X. */
    boolean pinBased();

    /** Completions arrived in a queue of this vector (MSI-X, MSI). */
    void message(int vector);

    /** The level of the pin, which is called only when it changes. */
    void pin(boolean asserted);
}
