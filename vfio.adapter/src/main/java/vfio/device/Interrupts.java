package vfio.device;

import org.osgi.annotation.versioning.ProviderType;

/**
 * How a device interrupts its driver. Thread-safe; calls neither block nor allocate.
 */
@ProviderType
public interface Interrupts {
    /** What the driver has enabled. */
    enum Mode {
        /** Nothing: it polls. */
        NONE,
        /** A level-triggered line. */
        INTX,
        /** Messages, up to 32. */
        MSI,
        /** Messages, up to 2048. */
        MSIX
    }

    /** What is enabled now. A device whose mode is {@link Mode#INTX} drives {@link #line}; else it sends {@link #message}s. */
    Mode mode();

    /** Sends a message. One that is not enabled is dropped. @param vector from 0 */
    void message(int vector);

    /**
     * Drives the INTx line. It stays as it is until the next call or a reset, also while it is masked or another mode is
     * enabled: the driver gets an interrupt as soon as it can.
     */
    void line(boolean asserted);

    /** Tells the driver of an error the device cannot recover from (PCI Express advanced error reporting). */
    void error();
}
