package iommu.s390;

import iommu.s390.driver.ZpciDriver;
import iommu.s390.unit.ZpciFeatures;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.IommuModel;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.UnitBoard;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.osgi.service.component.annotations.Component;

/**
 * Makes zPCI in front of a guest. Properties: {@value #FIRST_DMA} and {@value #LAST_DMA}, addresses as {@link Long#decode} takes them;
 * {@value #DIRECT}, whether functions may be registered without translation; {@value #PROCESSORS}, how many command blocks there are.
 */
@Component(service = IommuModel.class, property = IommuModel.VENDOR + "=" + ZpciDriver.VENDOR_NAME)
public final class S390Model implements IommuModel {
    /** Property: lowest address of DMA; 0 if not given. */
    public static final String FIRST_DMA = "first_dma";
    /** Property: highest address of DMA; the last of 53 bits if not given. */
    public static final String LAST_DMA = "last_dma";
    /** Property: {@code true} or {@code false}, which it is if not given. */
    public static final String DIRECT = "direct";
    /** Property: 1, unless given, to 1024. */
    public static final String PROCESSORS = "processors";

    private static final Set<String> KNOWN = Set.of(FIRST_DMA, LAST_DMA, DIRECT, PROCESSORS);
    private static final int MOST_PROCESSORS = 1024;

    @Override
    public String vendor() {
        return ZpciDriver.VENDOR_NAME;
    }

    @Override
    public IommuUnit create(String name, Map<String, String> properties, UnitBoard board) {
        Set<String> unknown = new HashSet<>(properties.keySet());
        unknown.removeAll(KNOWN);
        if (!unknown.isEmpty()) {
            throw new IommufdException(Errno.EINVAL, "zPCI has no properties %s, only %s".formatted(unknown, KNOWN));
        }
        ZpciFeatures standard = ZpciFeatures.STANDARD;
        long first = number(properties, FIRST_DMA, standard.firstDma());
        long last = number(properties, LAST_DMA, standard.lastDma());
        long processors = number(properties, PROCESSORS, 1);
        String direct = properties.getOrDefault(DIRECT, "false");
        if (processors < 1 || processors > MOST_PROCESSORS || !direct.equals("true") && !direct.equals("false")) {
            throw new IommufdException(Errno.EINVAL, "%s=%d is to be 1 to %d, %s=%s true or false"
                    .formatted(PROCESSORS, processors, MOST_PROCESSORS, DIRECT, direct));
        }
        try {
            return new S390GuestUnit(name, new ZpciFeatures(first, last, direct.equals("true")), (int) processors, board);
        } catch (IllegalArgumentException wrong) {
            throw new IommufdException(Errno.EINVAL, wrong.getMessage());
        }
    }

    private static long number(Map<String, String> properties, String key, long standard) {
        String text = properties.get(key);
        try {
            return text == null ? standard : Long.decode(text);
        } catch (NumberFormatException wrong) {
            throw new IommufdException(Errno.EINVAL, "%s=%s is no number".formatted(key, text));
        }
    }
}
