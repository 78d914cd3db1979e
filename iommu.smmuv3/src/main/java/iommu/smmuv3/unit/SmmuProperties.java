package iommu.smmuv3.unit;

import static iommu.smmuv3.unit.SmmuFeature.*;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;

/** The configuration of a guest's unit by names: those of QEMU's {@code arm-smmuv3} where it has one. */
public final class SmmuProperties {
    /** On unless switched off. */
    private static final Set<SmmuFeature> USUAL = EnumSet.of(GRANULE_4K, GRANULE_16K, GRANULE_64K, HTTU_ACCESS, HTTU_DIRTY,
            STREAM_TABLE_2LEVEL, CONTEXT_TABLE_2LEVEL, ASID16, VMID16, MSI, RANGE_INVALIDATION, HIERARCHICAL_DISABLE,
            EXECUTE_NEVER_BY_LEVEL, UNPRIVILEGED_DISABLE, PERMISSION_OVERRIDES);
    private static final String ON = "on";
    private static final String OFF = "off";

    private final EnumSet<SmmuFeature> features = EnumSet.copyOf(USUAL);
    private int streamIdBits = 16;
    private int substreamIdBits;
    private int queueEntriesLg2 = 19;
    private int outputBits = 44;
    private int stalls = SmmuFeatures.DEFAULT_STALLS;

    private SmmuProperties() {
        features.add(STAGE1);
    }

    /** What {@code properties} ask for. @throws IommufdException EINVAL for an unknown property or value, or an impossible unit */
    public static SmmuFeatures parse(Map<String, String> properties) {
        SmmuProperties parsed = new SmmuProperties();
        properties.forEach(parsed::set);
        try {
            return new SmmuFeatures(parsed.streamIdBits, parsed.substreamIdBits, parsed.queueEntriesLg2, parsed.outputBits,
                    parsed.stalls, parsed.features);
        } catch (IllegalArgumentException impossible) {
            throw new IommufdException(Errno.EINVAL, impossible.getMessage());
        }
    }

    private void set(String name, String value) {
        switch (name) {
            case "stage" -> {
                choose(STAGE1, name, value, "1", "nested", "2");
                choose(STAGE2, name, value, "2", "nested", "1");
            }
            case "httu" -> {
                choose(HTTU_ACCESS, name, value, "access", "dirty", OFF);
                choose(HTTU_DIRTY, name, value, "dirty", "dirty", OFF, "access");
            }
            case "oas" -> outputBits = number(name, value);
            case "ssidsize" -> substreamIdBits = number(name, value);
            case "sidsize" -> streamIdBits = number(name, value);
            case "queue-entries-log2" -> queueEntriesLg2 = number(name, value);
            case "stall-max" -> stalls = number(name, value);
            default -> {
                SmmuFeature feature = ofProperty(name);
                choose(feature, name, value, ON, ON, OFF);
            }
        }
    }

    private static SmmuFeature ofProperty(String name) {
        for (SmmuFeature feature : SmmuFeature.values()) {
            if (feature.property().equals(name)) {
                return feature;
            }
        }
        throw new IommufdException(Errno.EINVAL, "an SMMUv3 has no property " + name);
    }

    private void choose(SmmuFeature feature, String name, String value, String with, String alsoWith, String... without) {
        if (value.equals(with) || value.equals(alsoWith)) {
            features.add(feature);
        } else if (Set.of(without).contains(value)) {
            features.remove(feature);
        } else {
            throw new IommufdException(Errno.EINVAL, "%s=%s is none of %s, %s, %s".formatted(name, value, with, alsoWith, String.join(", ", without)));
        }
    }

    private static int number(String name, String value) {
        try {
            return Integer.parseInt(value);
        } catch (NumberFormatException text) {
            throw new IommufdException(Errno.EINVAL, name + "=" + value + " is no number");
        }
    }
}
