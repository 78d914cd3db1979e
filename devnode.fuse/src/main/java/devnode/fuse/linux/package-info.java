/** The system calls of Linux that this bundle needs, by Java's foreign function API. */
package devnode.fuse.linux;
