/**
 * Devices, and who has them: published devices, their groups, what binds them to an iommufd, what runs while a client has them.
 *
 * <p>Locks, outermost first: a group's monitor, a reset set's lock, a session's lifecycle lock, its memory lock, what is inside of
 * configuration space and interrupts. Device models are called without any of them but the memory lock.
 */
package vfio.adapter.device;
