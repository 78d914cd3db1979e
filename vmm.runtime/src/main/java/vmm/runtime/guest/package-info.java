/** Memory of a guest, as a VMM's memory manager keeps it: its own page table, which devices may go through as well. */
package vmm.runtime.guest;
