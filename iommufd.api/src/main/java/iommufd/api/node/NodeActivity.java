package iommufd.api.node;

import java.util.List;
import java.util.SortedMap;
import java.util.function.Consumer;
import org.osgi.annotation.versioning.ProviderType;

/** What clients do with the nodes: an OSGi service of who publishes them. Thread-safe. */
@ProviderType
public interface NodeActivity {
    /** What has happened so far to the nodes that are there now, by their paths. */
    List<NodeCounts> counts();

    /**
     * Tells every call from now on, decoded, when it has ended and before the client goes on: one line each, without a line break.
     * Calls are slower meanwhile.
     *
     * @param listener called by many threads at once; if it fails, the call it is told of does not
     * @return to be closed when nobody wants to know any more
     */
    Tracing trace(Consumer<String> listener);

    /** Calls are told until this is closed. */
    interface Tracing extends AutoCloseable {
        @Override
        void close();
    }

    /**
     * What happened to a node.
     *
     * @param path where clients find it
     * @param openFiles open now, with those that were opened by ioctls
     * @param opens files ever opened
     * @param granted ioctls that were
     * @param refused ioctls that were not, by the number of their errno
     */
    record NodeCounts(String path, long openFiles, long opens, long granted, SortedMap<Integer, Long> refused) {
        /** All ioctls. */
        public long ioctls() {
            return granted + refused.values().stream().mapToLong(Long::longValue).sum();
        }
    }
}
