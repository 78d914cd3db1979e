package devnode.fuse.server;

import iommufd.api.node.SysfsDirectory;
import iommufd.api.node.SysfsEntry;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What programs see in place of the machine's own directories: those of services, each below its whole path, such as
 * {@code /sys/bus/pci/devices}. Nothing is kept but inode numbers, so that a path has the same as long as this lives. Thread-safe.
 */
final class SysfsTree {
    /** Ours are from here on. */
    static final long FIRST_INODE = 1L << 40;
    static final long ROOT = FIRST_INODE;
    static final String SYSFS = "/sys/";

    private static final Logger LOG = LoggerFactory.getLogger(SysfsTree.class);
    private static final SysfsEntry DIRECTORY = new SysfsEntry.Directory();

    private final Map<String, Long> inodes = new HashMap<>();
    private final List<String> paths = new ArrayList<>();
    private final List<Place> places = new ArrayList<>();

    private record Place(String path, SysfsDirectory service) {}

    /** Something as programs see it now. */
    record Entry(long inode, String name, SysfsEntry content) {
        boolean isDirectory() {
            return content instanceof SysfsEntry.Directory;
        }
    }

    SysfsTree() {
        inode("");
    }

    static boolean holds(long inode) {
        return inode >= FIRST_INODE && inode < FuseServer.AWAITED_INODES;
    }

    /** @param path absolute, without . and .. */
    synchronized void add(String path, SysfsDirectory service) {
        places.add(new Place(path, service));
    }

    synchronized void remove(SysfsDirectory service) {
        places.removeIf(place -> place.service == service);
    }

    /** Where services show something in sysfs; none is below another one. */
    synchronized SortedSet<String> paths() {
        SortedSet<String> outermost = new TreeSet<>();
        places.stream().map(Place::path).filter(path -> path.startsWith(SYSFS)).sorted().filter(path -> outermost.stream().noneMatch(outer -> isBelow(path, outer))).forEach(outermost::add);
        return outermost;
    }

    /** @param directory inode */
    Optional<Entry> lookUp(long directory, String name) {
        String path = path(directory) + "/" + name;
        return content(path).map(content -> new Entry(inode(path), name, content));
    }

    Optional<Entry> entry(long inode) {
        String path = path(inode);
        return content(path).map(content -> new Entry(inode, path.substring(path.lastIndexOf('/') + 1), content));
    }

    /** @param directory inode */
    List<Entry> list(long directory) {
        String path = path(directory);
        SortedMap<String, SysfsEntry> children = new TreeMap<>();
        for (Place place : placesNow()) {
            if (isBelow(place.path, path)) {
                children.putIfAbsent(firstName(place.path.substring(path.length() + 1)), DIRECTORY);
            } else if (path.equals(place.path) || isBelow(path, place.path)) {
                String prefix = path.equals(place.path) ? "" : path.substring(place.path.length() + 1) + "/";
                entries(place).forEach((name, content) -> {
                    if (name.startsWith(prefix) && name.length() > prefix.length()) {
                        String rest = name.substring(prefix.length());
                        children.putIfAbsent(firstName(rest), rest.indexOf('/') < 0 ? content : DIRECTORY);
                    }
                });
            }
        }
        return children.entrySet().stream().map(child -> new Entry(inode(path + "/" + child.getKey()), child.getKey(), child.getValue())).toList();
    }

    private Optional<SysfsEntry> content(String path) {
        if (path.isEmpty()) {
            return Optional.of(DIRECTORY);
        }
        for (Place place : placesNow()) {
            if (path.equals(place.path) || isBelow(place.path, path)) {
                return Optional.of(DIRECTORY);
            }
            if (isBelow(path, place.path)) {
                Map<String, SysfsEntry> entries = entries(place);
                String name = path.substring(place.path.length() + 1);
                SysfsEntry content = entries.get(name);
                if (content != null) {
                    return Optional.of(content);
                }
                if (entries.keySet().stream().anyMatch(other -> isBelow(other, name))) {
                    return Optional.of(DIRECTORY);
                }
            }
        }
        return Optional.empty();
    }

    private static Map<String, SysfsEntry> entries(Place place) {
        try {
            return place.service.entries();
        } catch (RuntimeException | Error failed) {
            LOG.warn("{}: a directory of sysfs does not tell what is in it", place.path, failed);
            return Map.of();
        }
    }

    private static boolean isBelow(String path, String directory) {
        return path.length() > directory.length() && path.startsWith(directory) && path.charAt(directory.length()) == '/';
    }

    private static String firstName(String path) {
        int slash = path.indexOf('/');
        return slash < 0 ? path : path.substring(0, slash);
    }

    private synchronized List<Place> placesNow() {
        return List.copyOf(places);
    }

    private synchronized String path(long inode) {
        return paths.get((int) (inode - FIRST_INODE));
    }

    private synchronized long inode(String path) {
        return inodes.computeIfAbsent(path, unused -> {
            paths.add(path);
            return FIRST_INODE + paths.size() - 1;
        });
    }
}
