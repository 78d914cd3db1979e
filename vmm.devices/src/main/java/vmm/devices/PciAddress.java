package vmm.devices;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** PCI addresses as people write them. */
public final class PciAddress {
    private static final Pattern TEXT = Pattern.compile("([0-9a-fA-F]{4}):([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\\.([0-7])");

    private PciAddress() {}

    /** Reads an address such as {@code 0000:00:0a.0}. @throws IommufdException {@link Errno#EINVAL} if it is none */
    public static RequesterId parse(String text) {
        Matcher parts = TEXT.matcher(text.strip());
        if (!parts.matches()) {
            throw new IommufdException(Errno.EINVAL, "\"%s\" is no PCI address such as 0000:00:0a.0".formatted(text));
        }
        return RequesterId.of(Integer.parseInt(parts.group(1), 16), Integer.parseInt(parts.group(2), 16),
                Integer.parseInt(parts.group(3), 16), Integer.parseInt(parts.group(4)));
    }
}
