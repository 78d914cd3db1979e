package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** Something in a {@link SysfsDirectory}. Immutable. */
public sealed interface SysfsEntry {
    /** A directory, which may be empty. */
    record Directory() implements SysfsEntry {}

    /** A symbolic link. @param target as readlink(2) shows it: absolute, or relative to the directory that the link is in */
    record Link(String target) implements SysfsEntry {}

    /**
     * A file that shows the number of a device node, such as {@code 511:3}, and a line break: what st_rdev of the node is.
     *
     * @param nodePath the node's {@link DeviceNode#PATH}; reading is {@code ENODEV} while there is none
     */
    record DeviceNumber(String nodePath) implements SysfsEntry {}

    /**
     * A file.
     *
     * @param content what is in it now. Asked when a program begins to read, at offset 0; what it reads further on is of that time. It
     *        may throw {@link IommufdException} with the errno of the read
     * @param store takes what is written; empty if the file cannot be written
     */
    record Attribute(Supplier<byte[]> content, Optional<Store> store) implements SysfsEntry {}

    /** Takes what a program writes to a file. */
    @FunctionalInterface
    interface Store {
        /**
         * One write(2) or pwrite(2).
         *
         * @param offset where in the file; what writes text does so at 0, or behind what was written before
         * @throws IommufdException the errno of the write, such as {@link Errno#EINVAL}
         */
        void write(byte[] bytes, long offset);
    }

    /** A file that always shows the same text and a line break. */
    static SysfsEntry text(String line) {
        return text(() -> line);
    }

    /** A file that shows a text and a line break. */
    static SysfsEntry text(Supplier<String> line) {
        return new Attribute(() -> (line.get() + "\n").getBytes(StandardCharsets.UTF_8), Optional.empty());
    }

    /** A file of text that can be written. @param store takes what was written, without white space at its ends */
    static SysfsEntry text(Supplier<String> line, Consumer<String> store) {
        return new Attribute(() -> (line.get() + "\n").getBytes(StandardCharsets.UTF_8),
                Optional.of((bytes, offset) -> store.accept(new String(bytes, StandardCharsets.UTF_8).strip())));
    }

    /** A file of text that can only be written, such as {@code unbind}. */
    static SysfsEntry command(Consumer<String> store) {
        return new Attribute(() -> {
            throw new IommufdException(Errno.EACCES, "this file can only be written");
        }, Optional.of((bytes, offset) -> store.accept(new String(bytes, StandardCharsets.UTF_8).strip())));
    }

    /** A file of bytes, such as the configuration space of a PCI device. */
    static SysfsEntry bytes(Supplier<byte[]> content) {
        return new Attribute(content, Optional.empty());
    }
}
