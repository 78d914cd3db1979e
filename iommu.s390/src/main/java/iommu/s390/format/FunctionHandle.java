package iommu.s390.format;

/** The 32-bit handle by which instructions name a function. It changes when the function is enabled or disabled. */
public final class FunctionHandle {
    /** The function is enabled. */
    public static final int ENABLED = 0x8000_0000;
    /** Lowest bit of the instance, of 7 bits: counts how often the function was disabled. */
    public static final int INSTANCE_SHIFT = 24;
    /** Of an emulated function, as QEMU has it. */
    public static final int EMULATED = 0x2_0000;
    /** The function's place; here bus, device and function of PCI. */
    public static final int INDEX = 0xFFFF;

    private FunctionHandle() {}

    /** The handle of a disabled function. */
    public static int disabled(int index, int instance) {
        return (instance & 0x7F) << INSTANCE_SHIFT | EMULATED | index;
    }

    /** The place of the function. */
    public static int index(int handle) {
        return handle & INDEX;
    }
}
