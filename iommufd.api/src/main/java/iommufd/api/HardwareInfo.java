package iommufd.api;

import java.util.Arrays;
import java.util.Set;

/**
 * What user space learns of an IOMMU in front of a device.
 *
 * @param type {@code enum iommu_hw_info_type}: 0 none, 1 VT-d, 2 SMMUv3, 3 CMDQV, 4 AMD
 * @param bytes the vendor's structure for that type, native byte order; empty for type 0
 * @param capabilities what holds for every vendor
 * @param pasidBits width of PASIDs the device may use; 0 for none
 */
public record HardwareInfo(int type, byte[] bytes, Set<Capability> capabilities, int pasidBits) {
    /** Generic capabilities ({@code enum iommufd_hw_capabilities}). */
    public enum Capability {
        /** The IOMMU records which pages DMA wrote. */
        DIRTY_TRACKING,
        /** Requests with PASID may ask for execute permission. */
        PASID_EXECUTE,
        /** Requests with PASID may ask for privileged mode. */
        PASID_PRIVILEGED,
        /** The device's ATS cannot be used. */
        ATS_NOT_SUPPORTED
    }

    /** Copies the arguments. */
    public HardwareInfo {
        bytes = bytes.clone();
        capabilities = Set.copyOf(capabilities);
    }

    /** A copy of the vendor's structure. */
    @Override
    public byte[] bytes() {
        return bytes.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof HardwareInfo that && type == that.type && Arrays.equals(bytes, that.bytes)
                && capabilities.equals(that.capabilities) && pasidBits == that.pasidBits;
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes) * 31 + type;
    }
}
