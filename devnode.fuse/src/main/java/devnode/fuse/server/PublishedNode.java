package devnode.fuse.server;

import iommufd.api.node.DeviceNode;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** A node service while it is there, and the files that are open of it. */
final class PublishedNode {
    final String path;
    final DeviceNode service;
    final Permissions permissions;
    final DeviceNumber number;
    /** Of calls to the service itself. */
    final CallGate opens = new CallGate();
    final Set<OpenFile> files = ConcurrentHashMap.newKeySet();

    final CallCounts counts = new CallCounts();
    final CallTrace trace;

    PublishedNode(String path, DeviceNode service, Permissions permissions, DeviceNumber number, CallTrace trace) {
        this.number = number;
        this.trace = trace;
        this.path = path;
        this.service = service;
        this.permissions = permissions;
    }
}
