package devnode.fuse.server;

/** The number of a character device. */
public record DeviceNumber(int major, int minor) {
    /** As sysfs shows it. */
    @Override
    public String toString() {
        return major + ":" + minor;
    }
}
