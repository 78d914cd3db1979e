/** The processes behind calls: who they are, their memory and their files, as nodes see them. */
package devnode.fuse.client;
