/**
 * A qtest front: what stands where a QEMU binary is expected. Boards with our IOMMUs, driven over a socket by the qtest text protocol and
 * QMP, by QEMU's own test programs or by a script in any language (docs/qtest.md). No processor: the client does what software would do.
 */
package vmm.qtest;
