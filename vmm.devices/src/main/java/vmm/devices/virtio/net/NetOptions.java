package vmm.devices.virtio.net;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What one chooses of a network device.
 *
 * @param mac its address, the first byte in bits 47:40
 * @param pairs most queue pairs, 1 to 64, each with a thread
 * @param queueSize most entries of a queue, a power of two
 * @param mtu largest frame payload it tells its driver, 68 to 65535; 0 tells nothing
 */
public record NetOptions(long mac, int pairs, int queueSize, int mtu) {
    private static final int MAX_PAIRS = 64;
    private static final int MIN_MTU = 68;
    private static final int MAX_MTU = 65535;
    private static final Pattern ADDRESS = Pattern.compile("(\\p{XDigit}{2}:){5}\\p{XDigit}{2}");

    /** @throws IommufdException {@link Errno#EINVAL} if something is out of range */
    public NetOptions {
        if (pairs < 1 || pairs > MAX_PAIRS || mtu != 0 && (mtu < MIN_MTU || mtu > MAX_MTU) || mac >>> 48 != 0 || (mac >>> 40 & 1) != 0) {
            throw new IommufdException(Errno.EINVAL, "a network device with %d queue pairs, MTU %d and address %x".formatted(pairs, mtu, mac));
        }
    }

    /** Reads an address such as {@code 52:54:00:12:34:56}. @throws IommufdException {@link Errno#EINVAL} if it is something else */
    public static long parseMac(String text) {
        Matcher matcher = ADDRESS.matcher(text.strip());
        if (!matcher.matches()) {
            throw new IommufdException(Errno.EINVAL, "\"" + text + "\" is no address such as 52:54:00:12:34:56");
        }
        return Long.parseLong(text.strip().replace(":", ""), 16);
    }

    /** The features such a device offers, beside those of its rings. */
    long features() {
        return NetFeature.CSUM | NetFeature.HOST_TSO4 | NetFeature.HOST_TSO6 | NetFeature.HOST_ECN
                | NetFeature.GUEST_CSUM | NetFeature.GUEST_TSO4 | NetFeature.GUEST_TSO6 | NetFeature.GUEST_ECN
                | NetFeature.MAC | NetFeature.MERGEABLE_BUFFERS | NetFeature.STATUS | (mtu > 0 ? NetFeature.MTU : 0)
                | NetFeature.CTRL_VQ | NetFeature.CTRL_RX | NetFeature.CTRL_RX_EXTRA | NetFeature.CTRL_MAC | NetFeature.CTRL_GUEST_OFFLOADS
                | (pairs > 1 ? NetFeature.MULTI_QUEUE : 0);
    }
}
