/** Device models; a package each. Here is what they share. */
package vmm.devices;
