/** Real programs that drive devices of this runtime through VFIO, unmodified: QEMU and its guests, DPDK. See itest/clients. */
package itest.clients;
