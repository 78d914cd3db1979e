package vmm.qtest.board;

/**
 * What a function says it is (PCI Local Bus 3.0, §6.2.1).
 *
 * @param vendor 16 bits
 * @param device 16 bits
 * @param classCode base class, sub-class and interface, 24 bits
 * @param revision 8 bits
 */
public record PciIds(int vendor, int device, int classCode, int revision) {}
