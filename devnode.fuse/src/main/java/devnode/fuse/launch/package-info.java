/**
 * Runs programs that find nodes at their real paths: in a mount namespace of their own
 * ({@link devnode.fuse.launch.ClientNamespace}), with new files opened in them by seccomp's user notification
 * ({@link devnode.fuse.launch.DescriptorFilter}, {@link devnode.fuse.launch.DescriptorRequests}).
 */
package devnode.fuse.launch;
