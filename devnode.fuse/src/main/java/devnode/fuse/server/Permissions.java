package devnode.fuse.server;

/**
 * Who may open a node.
 *
 * @param user owner
 * @param group group
 * @param mode permission bits, such as {@code 0660}
 */
public record Permissions(int user, int group, int mode) {
    /** As the kernel gives it to new nodes: the administrator alone. */
    public static final Permissions DEFAULT = new Permissions(0, 0, 0600);
}
