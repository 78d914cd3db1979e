/** Boards: memory maps, PCI, interrupts and time, all as a client drives them. One lock, the board's, guards all that is not final. */
package vmm.qtest.board;
