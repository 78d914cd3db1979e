/**
 * A FUSE server ({@code linux/fuse.h}, protocol 7.x, raw over {@code /dev/fuse}): {@link devnode.fuse.server.NodeTree} is what
 * clients see, {@link devnode.fuse.server.FuseServer} what answers them.
 */
package devnode.fuse.server;
