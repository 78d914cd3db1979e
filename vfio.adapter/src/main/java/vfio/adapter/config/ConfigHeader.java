package vfio.adapter.config;

/** Type 0 header of a configuration space (PCI 3.0, §6.1 and §6.2), little-endian. */
final class ConfigHeader {
    static final int VENDOR_OFFSET = 0x00;
    static final int DEVICE_OFFSET = 0x02;
    static final int COMMAND_OFFSET = 0x04;
    static final int STATUS_OFFSET = 0x06;
    static final int REVISION_OFFSET = 0x08;
    static final int CLASS_OFFSET = 0x09;
    static final int CACHE_LINE_OFFSET = 0x0C;
    static final int BAR_OFFSET = 0x10;
    static final int SUBSYSTEM_VENDOR_OFFSET = 0x2C;
    static final int SUBSYSTEM_OFFSET = 0x2E;
    static final int CAPABILITIES_OFFSET = 0x34;
    static final int INTERRUPT_LINE_OFFSET = 0x3C;
    static final int INTERRUPT_PIN_OFFSET = 0x3D;
    /** Where standard capabilities begin. */
    static final int END = 0x40;

    /** Command: answers requests to ports. */
    static final int COMMAND_IO = 1;
    /** Command: answers requests to memory. */
    static final int COMMAND_MEMORY = 1 << 1;
    /** Command: may send requests. */
    static final int COMMAND_MASTER = 1 << 2;
    /** Command: reports parity errors, system errors. */
    static final int COMMAND_ERRORS = 1 << 6 | 1 << 8;
    /** Command: the INTx line stays low. */
    static final int COMMAND_INTX_DISABLE = 1 << 10;
    /** Status: the function wants the INTx line high. */
    static final int STATUS_INTERRUPT = 1 << 3;
    /** Status: there are capabilities. */
    static final int STATUS_CAPABILITIES = 1 << 4;
    /** BAR: ports. */
    static final int BAR_PORTS = 1;
    /** BAR: 64 bits of address. */
    static final int BAR_MEMORY_64 = 2 << 1;
    /** BAR: prefetchable memory. */
    static final int BAR_PREFETCHABLE = 1 << 3;
    /** INTA#. */
    static final int PIN_A = 1;

    private ConfigHeader() {}
}
