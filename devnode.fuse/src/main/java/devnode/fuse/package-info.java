/**
 * Publishes the {@link iommufd.api.node.DeviceNode}s of this runtime to other processes, over FUSE, and runs unmodified programs
 * that find them at their paths. Knows nothing of what the nodes are for.
 */
package devnode.fuse;
