package iommufd.api.dma;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Who sends a DMA request: PCI segment and bus, device, function (PCIe base specification, requester id).
 *
 * @param value segment in bits 31:16, bus in 15:8, device in 7:3, function in 2:0
 */
public record RequesterId(int value) {
    private static final Pattern ADDRESS = Pattern.compile("(?:(\\p{XDigit}{1,4}):)?(\\p{XDigit}{1,2}):(\\p{XDigit}{1,2})\\.(\\p{XDigit})");

    /** @throws IommufdException {@link Errno#EINVAL} if a part is out of range */
    public static RequesterId of(int segment, int bus, int device, int function) {
        if (((segment & ~0xffff) | (bus & ~0xff) | (device & ~0x1f) | (function & ~7)) != 0) {
            throw new IommufdException(Errno.EINVAL,
                    "no PCI function has the address %x:%x:%x.%x".formatted(segment, bus, device, function));
        }
        return new RequesterId(segment << 16 | bus << 8 | device << 3 | function);
    }

    /**
     * Reads an address as Linux writes it, such as {@code 0000:00:0a.0}; without a segment it is segment 0.
     *
     * @throws IommufdException {@link Errno#EINVAL} if it is something else, or a part is out of range
     */
    public static RequesterId parse(String text) {
        Matcher parts = ADDRESS.matcher(text.strip());
        if (!parts.matches()) {
            throw new IommufdException(Errno.EINVAL, "\"%s\" is no PCI address such as 0000:00:0a.0".formatted(text));
        }
        int segment = parts.group(1) == null ? 0 : Integer.parseInt(parts.group(1), 16);
        return of(segment, Integer.parseInt(parts.group(2), 16), Integer.parseInt(parts.group(3), 16), Integer.parseInt(parts.group(4), 16));
    }

    /** PCI segment, 0 to 65535. */
    public int segment() {
        return value >>> 16;
    }

    /** Bus number, 0 to 255. */
    public int bus() {
        return value >>> 8 & 0xff;
    }

    /** Device and function, 0 to 255. */
    public int deviceFunction() {
        return value & 0xff;
    }

    /** Bus, device and function: the 16-bit source id on the wire. */
    public int sourceId() {
        return value & 0xffff;
    }

    @Override
    public String toString() {
        return "%04x:%02x:%02x.%d".formatted(segment(), bus(), deviceFunction() >>> 3, deviceFunction() & 7);
    }
}
