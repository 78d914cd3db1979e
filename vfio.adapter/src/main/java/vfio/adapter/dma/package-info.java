/** The ports of a running device: gated by its command register, and recorded while somebody wants to know what it wrote. */
package vfio.adapter.dma;
