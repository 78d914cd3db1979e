/** How a function's interrupts reach the eventfds of its client. */
package vfio.adapter.interrupt;
