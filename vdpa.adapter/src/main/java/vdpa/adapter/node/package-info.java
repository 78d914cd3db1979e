/** What clients do with {@code /dev/vhost-vdpa-N}: requests and messages, with the errno of Linux 7.3. */
package vdpa.adapter.node;
