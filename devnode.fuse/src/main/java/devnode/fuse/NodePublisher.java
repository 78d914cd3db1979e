package devnode.fuse;

import devnode.fuse.client.ClientProcesses;
import devnode.fuse.memory.ClientPins;
import devnode.fuse.server.CallTrace;
import devnode.fuse.server.FuseServer;
import iommufd.api.IommufdException;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.NodeActivity.NodeCounts;
import iommufd.api.node.SysfsDirectory;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves nodes while there are any, and knows what a launcher needs. Where nothing can be mounted it only keeps the reason, which
 * whoever launches a program is told. Thread-safe.
 */
final class NodePublisher implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(NodePublisher.class);

    private final Optional<Path> point;
    private final PermissionRules permissions;
    private final long spinNanos;
    private final ClientPins pins = new ClientPins();
    private final ClientProcesses processes = new ClientProcesses(pins);
    private final CallTrace trace = new CallTrace();
    private final Map<DeviceNode, Registration> nodes = new HashMap<>();
    private final Map<SysfsDirectory, String> directories = new LinkedHashMap<>();
    private Optional<FuseServer> server = Optional.empty();
    private boolean refused;

    private record Registration(String path, List<Integer> requests, String driver) {}

    /**
     * @param point directory to mount at; empty for a private mount
     * @param spinNanos how long after a request processors stay awake for the next
     */
    NodePublisher(Optional<Path> point, PermissionRules permissions, long spinNanos) {
        this.spinNanos = spinNanos;
        this.point = point;
        this.permissions = permissions;
    }

    /**
     * @param requests that open files in the client
     * @param driver its name in {@code /proc/devices}
     */
    synchronized void add(String path, DeviceNode node, List<Integer> requests, String driver) {
        nodes.put(node, new Registration(path, requests, driver));
        if (server.isPresent()) {
            publish(node);
        } else if (!refused) {
            try {
                server();
            } catch (IommufdException refusal) {
                refused = true;
                LOG.info("device nodes are not published: {}", refusal.getMessage());
            }
        }
    }

    synchronized void remove(DeviceNode node) {
        nodes.remove(node);
        server.ifPresent(running -> running.withdraw(node));
    }

    /** @throws IllegalArgumentException if the path is none of sysfs */
    synchronized void add(String path, SysfsDirectory directory) {
        if (!path.startsWith("/sys/") || !path.equals(Path.of(path).normalize().toString())) {
            throw new IllegalArgumentException("property " + SysfsDirectory.PATH + " is a path below /sys, not " + path);
        }
        directories.put(directory, path);
        server.ifPresent(running -> running.show(path, directory));
    }

    synchronized void remove(SysfsDirectory directory) {
        directories.remove(directory);
        server.ifPresent(running -> running.hide(directory));
    }

    /** The server, which is started if need be. @throws IommufdException with the reason why it cannot be */
    synchronized FuseServer server() {
        if (server.isEmpty()) {
            server = Optional.of(FuseServer.start(point, processes, trace, spinNanos));
            pins.files().refuse(server.get().fileSystem());
            nodes.keySet().forEach(this::publish);
            directories.forEach((directory, path) -> server.get().show(path, directory));
        }
        return server.get();
    }

    private void publish(DeviceNode node) {
        Registration registration = nodes.get(node);
        server.orElseThrow().publish(registration.path(), node, permissions.of(registration.path()), registration.driver());
    }

    /** The ioctl requests that open files in clients. */
    synchronized SortedSet<Integer> descriptorRequests() {
        SortedSet<Integer> requests = new TreeSet<>();
        nodes.values().forEach(node -> requests.addAll(node.requests()));
        return requests;
    }

    /** What has happened to nodes; nothing as long as none is served. */
    synchronized List<NodeCounts> counts() {
        return server.map(FuseServer::counts).orElse(List.of());
    }

    CallTrace trace() {
        return trace;
    }

    ClientPins pins() {
        return pins;
    }

    ClientProcesses processes() {
        return processes;
    }

    @Override
    public synchronized void close() {
        server.ifPresent(FuseServer::stop);
        server = Optional.empty();
        processes.close();
        pins.files().close();
    }
}
