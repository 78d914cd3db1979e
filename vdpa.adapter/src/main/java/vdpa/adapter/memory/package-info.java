/** Memory that clients and device models share: the pages by which queues are kicked without a system call. */
package vdpa.adapter.memory;
