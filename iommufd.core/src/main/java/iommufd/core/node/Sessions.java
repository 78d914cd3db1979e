package iommufd.core.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.uapi.IoctlExtension;
import iommufd.api.uapi.IommufdFile;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What extensions keep for one file. Thread-safe. */
final class Sessions {
    private static final Logger LOG = LoggerFactory.getLogger(Sessions.class);

    private final IommufdFile file;
    private final Map<IoctlExtension, IoctlExtension.Session> open = new HashMap<>();
    private boolean ended;

    Sessions(IommufdFile file) {
        this.file = file;
    }

    /** The extension's session, opened at its first request. */
    synchronized IoctlExtension.Session of(IoctlExtension extension) {
        if (ended) {
            throw new IommufdException(Errno.EBADF, "the file is closed");
        }
        return open.computeIfAbsent(extension, e -> e.open(file));
    }

    void end(IoctlExtension extension) {
        IoctlExtension.Session session;
        synchronized (this) {
            session = open.remove(extension);
        }
        if (session != null) {
            close(session);
        }
    }

    void endAll() {
        List<IoctlExtension.Session> ending;
        synchronized (this) {
            ended = true;
            ending = new ArrayList<>(open.values());
            open.clear();
        }
        ending.forEach(Sessions::close);
    }

    private static void close(IoctlExtension.Session session) {
        try {
            session.close();
        } catch (RuntimeException broken) {
            LOG.warn("an ioctl extension's session threw at its end; the context is closed all the same", broken);
        }
    }
}
