package devnode.fuse.server;

import devnode.fuse.linux.ErrorNumber;
import iommufd.api.IommufdException;
import iommufd.api.node.SysfsEntry;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Files of a {@link SysfsTree} that are open, and what they are read as. Thread-safe. */
final class SysfsFiles {
    private static final Logger LOG = LoggerFactory.getLogger(SysfsFiles.class);

    private final SysfsTree tree;
    private final NodeTree nodes;
    private final AtomicLong nextHandle = new AtomicLong();
    /** What was there when reading began, by handles. */
    private final Map<Long, byte[]> contents = new ConcurrentHashMap<>();

    /** @param nodes whose numbers files show */
    SysfsFiles(SysfsTree tree, NodeTree nodes) {
        this.tree = tree;
        this.nodes = nodes;
    }

    /** @return a handle */
    long open() {
        return nextHandle.incrementAndGet();
    }

    void release(long handle) {
        contents.remove(handle);
    }

    /** @return what is in the file from the offset on, at least @throws IommufdException the errno of the read */
    byte[] read(long inode, long handle, long offset) {
        byte[] content = contents.get(handle);
        if (content == null || offset == 0) {
            content = content(inode);
            contents.put(handle, content);
        }
        return content;
    }

    private byte[] content(long inode) {
        try {
            return switch (tree.entry(inode).map(SysfsTree.Entry::content).orElseThrow(SysfsFiles::gone)) {
                case SysfsEntry.Attribute(var content, var unused) -> content.get();
                case SysfsEntry.DeviceNumber(String path) ->
                        (nodes.number(path).orElseThrow(SysfsFiles::gone) + "\n").getBytes(StandardCharsets.US_ASCII);
                case SysfsEntry.Directory _, SysfsEntry.Link _ -> throw gone();
            };
        } catch (IommufdException refused) {
            throw refused;
        } catch (RuntimeException | Error failed) {
            LOG.warn("a file of sysfs cannot be read", failed);
            throw ErrorNumber.failure("a file of sysfs failed", -ErrorNumber.EIO);
        }
    }

    /** @throws IommufdException the errno of the write */
    void write(long inode, byte[] bytes, long offset) {
        try {
            switch (tree.entry(inode).map(SysfsTree.Entry::content).orElseThrow(SysfsFiles::gone)) {
                case SysfsEntry.Attribute(var unused, var store) when store.isPresent() -> store.get().write(bytes, offset);
                default -> throw ErrorNumber.failure("this file cannot be written", -ErrorNumber.EIO);
            }
        } catch (IommufdException refused) {
            LOG.debug("{}", refused.getMessage());
            throw refused;
        } catch (RuntimeException | Error failed) {
            LOG.warn("a file of sysfs cannot be written", failed);
            throw ErrorNumber.failure("a file of sysfs failed", -ErrorNumber.EIO);
        }
    }

    private static IommufdException gone() {
        return ErrorNumber.failure("what the file was of has gone", -ErrorNumber.ENODEV);
    }
}
