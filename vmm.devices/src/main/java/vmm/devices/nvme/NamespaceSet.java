package vmm.devices.nvme;

import java.nio.charset.StandardCharsets;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The namespaces of a controller; NSIDs are 1 and up without gaps. One thread. */
final class NamespaceSet implements AutoCloseable {
    /** The NSID that means all. */
    static final int ALL = -1;

    private final Namespace[] namespaces;

    /** @throws iommufd.api.IommufdException if one cannot be opened; then none is */
    NamespaceSet(NvmeOptions options) {
        namespaces = new Namespace[options.namespaces().size()];
        try {
            for (int i = 0; i < namespaces.length; i++) {
                int id = i + 1;
                UUID uuid = UUID.nameUUIDFromBytes((options.serial() + "/" + id).getBytes(StandardCharsets.US_ASCII));
                namespaces[i] = new Namespace(id, uuid, options.namespaces().get(i));
            }
        } catch (RuntimeException | Error failed) {
            close();
            throw failed;
        }
    }

    int count() {
        return namespaces.length;
    }

    boolean contains(int id) {
        return Integer.compareUnsigned(id - 1, namespaces.length) < 0;
    }

    /** One it {@link #contains}. */
    Namespace get(int id) {
        return namespaces[id - 1];
    }

    /** Makes everything durable. @return the first status that is no success */
    int flush() {
        int status = NvmeStatus.SUCCESS;
        for (Namespace namespace : namespaces) {
            int flushed = namespace.flush();
            status = status == NvmeStatus.SUCCESS ? flushed : status;
        }
        return status;
    }

    @Override
    public String toString() {
        return Stream.of(namespaces).map(Namespace::toString).collect(Collectors.joining(", ", namespaces.length + " namespaces [", "]"));
    }

    @Override
    public void close() {
        for (Namespace namespace : namespaces) {
            if (namespace != null) {   // the constructor failed before
                namespace.close();
            }
        }
    }
}
