package vfio.adapter.config;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import vfio.device.CapabilityBytes;
import vfio.device.PasidCapability;
import vfio.device.PciCapability;
import vfio.device.PciFunction;

/**
 * Lays out the capabilities of a function: standard ones from 0x40 on (PCI 3.0, §6.7), extended ones from 0x100 on (PCIe 5.0,
 * §7.6.3), each at a multiple of 4.
 */
final class CapabilityChain {
    private static final int STANDARD_END = 0x100;
    private static final int STANDARD_HEADER_BYTES = 2;
    private static final int EXTENDED_HEADER_BYTES = 4;
    private static final int VERSION_SHIFT = 16;
    private static final int NEXT_SHIFT = 20;

    private final ConfigBytes bytes;
    private final Map<Class<?>, Integer> offsets = new HashMap<>();
    private int standardEnd = ConfigHeader.END;
    private int lastStandard = -1;
    private int extendedEnd = STANDARD_END;
    private int lastExtended = -1;

    CapabilityChain(ConfigBytes bytes) {
        this.bytes = bytes;
    }

    /** Adds all of a function's capabilities but those VFIO hides. @throws IommufdException {@link Errno#EINVAL} if they do not fit */
    void add(PciFunction function) {
        for (PciCapability capability : function.capabilities()) {
            boolean hidden = capability instanceof PasidCapability;
            if (!hidden) {
                add(capability);
            }
        }
    }

    /** Where the first capability of a kind begins. */
    OptionalInt offset(Class<? extends PciCapability> kind) {
        Integer offset = offsets.get(kind);
        return offset == null ? OptionalInt.empty() : OptionalInt.of(offset);
    }

    private void add(PciCapability capability) {
        boolean extended = capability.extended();
        int offset = extended ? extendedEnd : standardEnd;
        int end = offset + (capability.lengthBytes() + 3 & ~3);
        if (end > (extended ? bytes.lengthBytes() : STANDARD_END)) {
            throw new IommufdException(Errno.EINVAL, "%s does not fit into the configuration space; extended capabilities need a PCI Express capability".formatted(capability));
        }
        if (extended) {
            linkExtended(capability, offset);
            extendedEnd = end;
        } else {
            linkStandard(capability, offset);
            standardEnd = end;
        }
        copy(capability, offset, extended ? EXTENDED_HEADER_BYTES : STANDARD_HEADER_BYTES);
        offsets.putIfAbsent(capability.getClass(), offset);
    }

    private void linkStandard(PciCapability capability, int offset) {
        bytes.set(lastStandard < 0 ? ConfigHeader.CAPABILITIES_OFFSET : lastStandard + 1, 1, offset);
        bytes.set(offset, 1, capability.id());
        bytes.set(ConfigHeader.STATUS_OFFSET, 2, ConfigHeader.STATUS_CAPABILITIES);
        lastStandard = offset;
    }

    private void linkExtended(PciCapability capability, int offset) {
        if (lastExtended >= 0) {
            bytes.set(lastExtended, 4, bytes.get(lastExtended, 4) | offset << NEXT_SHIFT);
        }
        bytes.set(offset, 4, capability.id() | capability.version() << VERSION_SHIFT);
        lastExtended = offset;
    }

    private void copy(PciCapability capability, int offset, int headerBytes) {
        CapabilityBytes described = new CapabilityBytes(capability.lengthBytes());
        capability.describe(described);
        for (int i = headerBytes; i < described.lengthBytes(); i++) {
            bytes.set(offset + i, 1, described.value(i));
            bytes.writable(offset + i, 1, described.writable(i));
            bytes.clearOnOne(offset + i, 1, described.clearOnOne(i));
        }
    }
}
