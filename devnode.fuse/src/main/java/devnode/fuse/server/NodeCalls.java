package devnode.fuse.server;

import devnode.fuse.client.ClientCall;
import devnode.fuse.linux.ErrorNumber;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Calls into nodes, which are plugins: whatever they throw becomes an error number, a result out of range as well. */
final class NodeCalls {
    private static final Logger LOG = LoggerFactory.getLogger(NodeCalls.class);

    private NodeCalls() {}

    /** @return the result, or minus an error number */
    static int ioctl(OpenFile file, ClientCall call, int request, long argument) {
        CallTrace trace = file.owner.trace;
        if (trace.isOn()) {
            CallTrace.Pending pending = trace.ioctl(file, call, request, argument);
            int result = make(file, call, request, argument);
            trace.ended(file, call, pending, result);
            return result;
        }
        return make(file, call, request, argument);
    }

    private static int make(OpenFile file, ClientCall call, int request, long argument) {
        int result = enterIoctl(file, call, request, argument);
        file.owner.counts.ended(result);
        return result;
    }

    private static int enterIoctl(OpenFile file, ClientCall call, int request, long argument) {
        if (!file.gate.enter()) {
            return -ErrorNumber.ENODEV;
        }
        try {
            return checked(file, file.node.ioctl(call, request, argument), Integer.MAX_VALUE);
        } catch (Throwable thrown) {
            return failure(file, thrown);
        } finally {
            file.gate.leave();
        }
    }

    static int read(OpenFile file, ClientCall call, MemorySegment target, long offset) {
        int result = enterRead(file, call, target, offset);
        tell(file, call, "read", target.byteSize(), result);
        return result;
    }

    private static int enterRead(OpenFile file, ClientCall call, MemorySegment target, long offset) {
        if (!file.gate.enter()) {
            return -ErrorNumber.ENODEV;
        }
        try {
            return checked(file, file.node.read(call, target, file.positioned ? offset : 0), target.byteSize());
        } catch (Throwable thrown) {
            return failure(file, thrown);
        } finally {
            file.gate.leave();
        }
    }

    static int write(OpenFile file, ClientCall call, MemorySegment source, long offset) {
        int result = enterWrite(file, call, source, offset);
        tell(file, call, "write", source.byteSize(), result);
        return result;
    }

    private static int enterWrite(OpenFile file, ClientCall call, MemorySegment source, long offset) {
        if (!file.gate.enter()) {
            return -ErrorNumber.ENODEV;
        }
        try {
            return checked(file, file.node.write(call, source, file.positioned ? offset : 0), source.byteSize());
        } catch (Throwable thrown) {
            return failure(file, thrown);
        } finally {
            file.gate.leave();
        }
    }

    private static void tell(OpenFile file, ClientCall call, String what, long bytes, int result) {
        if (file.owner.trace.isOn()) {
            file.owner.trace.told(call, file.name(), what + " " + bytes, result);
        }
    }

    /** @return minus the error number that stands for what a plugin threw */
    static int failure(String path, boolean gone, Throwable thrown) {
        if (thrown instanceof IommufdException refused) {
            LOG.debug("{}: {}", path, refused.getMessage());
            return -refused.errno().number();
        }
        if (thrown instanceof InterruptedException) {
            return gone ? -ErrorNumber.ENODEV : -ErrorNumber.EINTR;
        }
        LOG.warn("{}: a call failed", path, thrown);
        return -ErrorNumber.EIO;
    }

    private static int failure(OpenFile file, Throwable thrown) {
        return failure(file.owner.path, file.gate.isShut(), thrown);
    }

    private static int checked(OpenFile file, long result, long most) {
        if (result < 0 || result > most) {
            LOG.warn("{}: a call returned {}, which is not in 0..{}", file.owner.path, result, most);
            return -ErrorNumber.EIO;
        }
        return (int) result;
    }
}
