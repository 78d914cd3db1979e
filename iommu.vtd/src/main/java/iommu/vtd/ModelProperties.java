package iommu.vtd;

import iommu.vtd.unit.VtdFeature;
import iommu.vtd.unit.VtdFeatures;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/**
 * Properties of a unit in front of a guest. Where {@code -device intel-iommu} of QEMU has an option, the name and the default are
 * its own; see docs/vtd.md.
 */
final class ModelProperties {
    private final Map<String, String> left;
    private final Set<VtdFeature> features = EnumSet.noneOf(VtdFeature.class);

    private ModelProperties(Map<String, String> properties) {
        left = new HashMap<>(properties);
    }

    /** @throws IllegalArgumentException for an unknown name or value, or for what does not go together */
    static VtdFeatures features(Map<String, String> properties) {
        return new ModelProperties(properties).read();
    }

    private VtdFeatures read() {
        boolean translation = flag("dma-translation", true);
        boolean scalable = flag("x-scalable-mode", false);
        boolean firstStage = flag("x-flts", false);
        boolean nested = flag("nested", false);
        require(scalable || !firstStage && !nested, "x-flts and nested are only available with x-scalable-mode");
        boolean secondStage = flag("second-stage", !firstStage || nested);
        int addressBits = number("aw-bits", 48);
        features.add(VtdFeature.QUEUED_INVALIDATION);
        features.add(VtdFeature.DRAINING);
        have(VtdFeature.DMA_TRANSLATION, translation);
        have(VtdFeature.SECOND_STAGE_2M, translation);
        have(VtdFeature.SECOND_STAGE_1G, translation);
        have(VtdFeature.PASS_THROUGH, flag("pt", true) && translation);
        have(VtdFeature.SNOOP_CONTROL, flag("snoop-control", false));
        have(VtdFeature.PAGE_SELECTIVE, flag("psi", true));
        have(VtdFeature.ENHANCED_SET_ROOT, flag("esrtps", true));
        have(VtdFeature.ABORT_DMA, flag("abort-dma", true) && translation);
        require(flag("dma-drain", true), "dma-drain=off: invalidations always drain");
        scalableMode(scalable, firstStage, secondStage, nested);
        devicesAndInterrupts(translation, firstStage);
        oddities();
        VtdFeatures built = new VtdFeatures(features, addressBits, number("pasid-bits", 20), number("fault-records", 1),
                number("domain-bits", 16), number("mamv", 18));
        require(left.isEmpty(), "no such property: " + String.join(", ", left.keySet()));
        return built;
    }

    private void scalableMode(boolean scalable, boolean firstStage, boolean secondStage, boolean nested) {
        have(VtdFeature.SCALABLE_MODE, scalable);
        have(VtdFeature.RID_PASID, flag("rid-pasid", scalable));
        have(VtdFeature.SCALABLE_COHERENT, flag("smpwc", scalable));
        have(VtdFeature.PASID, flag("x-pasid-mode", false));
        have(VtdFeature.SECOND_STAGE, scalable && secondStage);
        have(VtdFeature.SECOND_STAGE_DIRTY, flag("ss-dirty", scalable && secondStage && features.contains(VtdFeature.SCALABLE_COHERENT)));
        have(VtdFeature.FIRST_STAGE, firstStage);
        have(VtdFeature.FIRST_STAGE_1G, flag("fs1gp", true) && firstStage);
        have(VtdFeature.FIRST_STAGE_5_LEVELS, flag("fs5lp", false));
        have(VtdFeature.EXTENDED_ACCESSED, flag("eafs", firstStage && features.contains(VtdFeature.SCALABLE_COHERENT)));
        have(VtdFeature.SUPERVISOR, flag("srs", false));
        have(VtdFeature.RID_PRIVILEGED, flag("rid-priv", false));
        have(VtdFeature.NESTED, nested);
    }

    private void devicesAndInterrupts(boolean translation, boolean firstStage) {
        boolean deviceTlb = flag("device-iotlb", false);
        boolean sharedMemory = flag("svm", false);
        require(!sharedMemory || deviceTlb && firstStage && translation && features.contains(VtdFeature.PASID),
                "svm needs device-iotlb, x-flts, x-pasid-mode and dma-translation");
        have(VtdFeature.DEVICE_TLB, deviceTlb);
        have(VtdFeature.PAGE_REQUESTS, flag("prs", sharedMemory));
        have(VtdFeature.PAGE_REQUEST_DRAIN, flag("pds", sharedMemory));
        have(VtdFeature.NO_WRITE_FLAG, flag("nwfs", sharedMemory));
        boolean remapping = flag("intremap", true);
        have(VtdFeature.INTERRUPT_REMAPPING, remapping);
        have(VtdFeature.EXTENDED_INTERRUPTS, flag("eim", remapping));
        have(VtdFeature.ENHANCED_SET_INTERRUPT, flag("esirtps", remapping));
        have(VtdFeature.POSTED_INTERRUPTS, flag("posted-interrupts", false));
    }

    private void oddities() {
        have(VtdFeature.CACHING_MODE, flag("caching-mode", false));
        have(VtdFeature.WRITE_BUFFER_FLUSH, flag("rwbf", false));
        have(VtdFeature.PROTECTED_LOW, flag("plmr", false));
        have(VtdFeature.PROTECTED_HIGH, flag("phmr", false));
        require(!flag("stale-tm", false), "stale-tm=on: bit 62 of a second-stage entry is reserved");
    }

    private void have(VtdFeature feature, boolean on) {
        if (on) {
            features.add(feature);
        }
    }

    private boolean flag(String name, boolean usual) {
        String value = left.remove(name);
        return value == null ? usual : switch (value) {
            case "on", "true", "yes" -> true;
            case "off", "false", "no" -> false;
            case "auto" -> usual;
            default -> throw new IllegalArgumentException("%s is on, off or auto, not \"%s\"".formatted(name, value));
        };
    }

    private int number(String name, int usual) {
        String value = left.remove(name);
        if (value == null) {
            return usual;
        }
        try {
            return Integer.decode(value);
        } catch (NumberFormatException notOne) {
            throw new IllegalArgumentException("%s is a number, not \"%s\"".formatted(name, value), notOne);
        }
    }

    private static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new IllegalArgumentException(otherwise);
        }
    }
}
