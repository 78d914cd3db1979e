package vfio.device;

/**
 * What drivers recognise a function by (PCI 3.0, §6.2.1).
 *
 * @param vendor 16 bits
 * @param device 16 bits
 * @param subsystemVendor 16 bits
 * @param subsystem 16 bits
 * @param classCode 24 bits: base class, subclass, programming interface, such as 0x010802 for NVMe
 * @param revision 8 bits
 */
public record PciIds(int vendor, int device, int subsystemVendor, int subsystem, int classCode, int revision) {}
