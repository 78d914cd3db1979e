/**
 * Memory of other processes: {@link devnode.fuse.memory.ProcessMemory} and {@link devnode.fuse.memory.FileMemory} pin it,
 * {@link devnode.fuse.memory.SharedFiles} shows shared files in the physical window,
 * {@link devnode.fuse.memory.FarChunks} gives addresses to private memory.
 */
package devnode.fuse.memory;
