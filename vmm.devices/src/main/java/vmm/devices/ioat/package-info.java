/**
 * Intel's I/O Acceleration Technology (the "Crystal Beach" DMA engine), version 3.3 with one channel: it copies and fills memory by
 * chains of descriptors. Small, and known to unmodified drivers, such as DPDK's {@code dma_ioat}.
 */
package vmm.devices.ioat;
