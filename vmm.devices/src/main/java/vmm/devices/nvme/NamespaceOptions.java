package vmm.devices.nvme;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.nio.file.Path;

/**
 * Where one namespace is kept.
 *
 * @param file a file or block device; created if it is missing and {@code sizeBytes} is not 0
 * @param sizeBytes its size if it is created, and what a smaller file is extended to; 0 takes the file as it is
 * @param blockLg2 log2 of a logical block: 9 or 12
 * @param readOnly whether writes are refused
 */
public record NamespaceOptions(Path file, long sizeBytes, int blockLg2, boolean readOnly) {
    /** @throws IommufdException {@link Errno#EINVAL} for a block size or file size there cannot be */
    public NamespaceOptions {
        if (blockLg2 != Namespace.SMALL_BLOCK_LG2 && blockLg2 != Namespace.LARGE_BLOCK_LG2) {
            throw new IommufdException(Errno.EINVAL, "blocks of 512 or 4096 bytes, not of 2^" + blockLg2);
        }
        if (sizeBytes < 0) {
            throw new IommufdException(Errno.EINVAL, "a namespace of " + sizeBytes + " bytes");
        }
    }

    /** An existing file of 512-byte blocks. */
    public static NamespaceOptions of(Path file) {
        return new NamespaceOptions(file, 0, Namespace.SMALL_BLOCK_LG2, false);
    }

    /**
     * Reads {@code file[,size=BYTES][,block=512|4096][,readonly]}; sizes may end in K, M, G or T.
     *
     * @throws IommufdException {@link Errno#EINVAL} if it says something else
     */
    public static NamespaceOptions parse(String text) {
        String[] words = text.split(",");
        long sizeBytes = 0;
        int blockLg2 = Namespace.SMALL_BLOCK_LG2;
        boolean readOnly = false;
        for (int i = 1; i < words.length; i++) {
            String word = words[i].strip();
            if (word.startsWith("size=")) {
                sizeBytes = size(word.substring("size=".length()), text);
            } else if (word.equals("block=512")) {
                blockLg2 = Namespace.SMALL_BLOCK_LG2;
            } else if (word.equals("block=4096")) {
                blockLg2 = Namespace.LARGE_BLOCK_LG2;
            } else if (word.equals("readonly")) {
                readOnly = true;
            } else {
                throw new IommufdException(Errno.EINVAL,
                        "namespace \"%s\": \"%s\" is none of size=BYTES, block=512, block=4096, readonly".formatted(text, word));
            }
        }
        if (words[0].isBlank()) {
            throw new IommufdException(Errno.EINVAL, "namespace \"%s\" names no file".formatted(text));
        }
        return new NamespaceOptions(Path.of(words[0].strip()), sizeBytes, blockLg2, readOnly);
    }

    private static long size(String number, String text) {
        int unit = number.isEmpty() ? -1 : "KMGT".indexOf(Character.toUpperCase(number.charAt(number.length() - 1)));
        try {
            long value = Long.parseLong(unit < 0 ? number : number.substring(0, number.length() - 1));
            return Math.multiplyExact(value, 1L << 10 * (unit + 1));
        } catch (ArithmeticException | NumberFormatException nonsense) {
            throw new IommufdException(Errno.EINVAL, "namespace \"%s\": \"%s\" is no size".formatted(text, number));
        }
    }
}
