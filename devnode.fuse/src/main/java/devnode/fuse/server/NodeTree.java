package devnode.fuse.server;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The directories and nodes below {@code /dev}. A path keeps its inode number when its node goes and comes back, so that what
 * is mounted over a real path works again. Thread-safe.
 */
final class NodeTree {
    static final String ROOT_PATH = "/dev/";
    static final long ROOT = 1;

    private final Map<Long, Inode> inodes = new HashMap<>();
    private final Inode root = new Inode(ROOT, "");

    /** A name that once was; a directory if it has children. */
    private static final class Inode {
        final long number;
        final String name;
        final TreeMap<String, Inode> children = new TreeMap<>();
        PublishedNode node;
        /** Of the node that is or was there. */
        Optional<DeviceNumber> device = Optional.empty();

        Inode(long number, String name) {
            this.number = number;
            this.name = name;
        }

        boolean isAlive() {
            return number == ROOT || node != null || children.values().stream().anyMatch(Inode::isAlive);
        }

        boolean isDirectory() {
            return number == ROOT || node == null && !children.isEmpty();
        }
    }

    /**
     * A name as clients see it now.
     *
     * @param node empty for a directory
     */
    record Entry(long inode, String name, Optional<PublishedNode> node) {
        boolean isDirectory() {
            return node.isEmpty();
        }
    }

    NodeTree() {
        inodes.put(ROOT, root);
    }

    /** @return false if the path is taken, is no path below {@link #ROOT_PATH}, or leads through a node */
    synchronized boolean add(PublishedNode node) {
        if (!isPath(node.path)) {
            return false;
        }
        Inode at = root;
        for (String name : node.path.substring(ROOT_PATH.length()).split("/")) {
            if (at.node != null) {
                return false;
            }
            at = at.children.computeIfAbsent(name, unused -> {
                Inode fresh = new Inode(inodes.size() + 1L, name);
                inodes.put(fresh.number, fresh);
                return fresh;
            });
        }
        if (at.isAlive()) {
            return false;
        }
        at.node = node;
        at.device = Optional.of(node.number);
        return true;
    }

    synchronized void remove(PublishedNode node) {
        inodes.values().stream().filter(inode -> inode.node == node).forEach(inode -> inode.node = null);
    }

    synchronized Optional<Entry> lookUp(long directory, String name) {
        Inode parent = inodes.get(directory);
        return parent == null ? Optional.empty() : alive(parent.children.get(name));
    }

    synchronized Optional<Entry> entry(long inode) {
        return alive(inodes.get(inode));
    }

    /** The number of the node that is or was there. */
    synchronized Optional<DeviceNumber> number(long inode) {
        return Optional.ofNullable(inodes.get(inode)).flatMap(known -> known.device);
    }

    /** The number of the node that is there. */
    synchronized Optional<DeviceNumber> number(String path) {
        return nodes().stream().filter(node -> node.path.equals(path)).findFirst().map(node -> node.number);
    }

    synchronized List<Entry> list(long directory) {
        Inode parent = inodes.get(directory);
        List<Entry> entries = new ArrayList<>();
        if (parent != null) {
            parent.children.values().forEach(child -> alive(child).ifPresent(entries::add));
        }
        return entries;
    }

    synchronized List<PublishedNode> nodes() {
        return inodes.values().stream().filter(inode -> inode.node != null).map(inode -> inode.node).toList();
    }

    private static Optional<Entry> alive(Inode inode) {
        if (inode == null || !inode.isAlive()) {
            return Optional.empty();
        }
        return Optional.of(new Entry(inode.number, inode.name, inode.isDirectory() ? Optional.empty() : Optional.of(inode.node)));
    }

    private static boolean isPath(String path) {
        if (!path.startsWith(ROOT_PATH)) {
            return false;
        }
        for (String name : path.substring(ROOT_PATH.length()).split("/", -1)) {
            if (name.isEmpty() || name.startsWith(".") || name.length() > 255) {
                return false;
            }
        }
        return true;
    }
}
