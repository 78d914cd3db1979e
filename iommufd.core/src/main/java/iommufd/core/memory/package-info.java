/** The host's physical memory: who uses which part of {@link iommufd.api.memory.HostMemory}. */
package iommufd.core.memory;
