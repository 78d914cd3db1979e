/**
 * The demonstration: two emulated devices do DMA through the deployed hardware while it is exchanged, and everything that is
 * claimed is checked from the outside. {@link vmm.runtime.demo.Demo} runs the steps, each a class of its own, or in short every
 * {@link vmm.runtime.demo.Promise} of iommufd.
 */
package vmm.runtime.demo;
