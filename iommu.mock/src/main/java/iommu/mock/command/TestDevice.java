package iommu.mock.command;

import iommu.mock.hardware.MockBackend;
import iommu.mock.hardware.MockDevice;
import iommufd.api.Attachable;
import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IommufdObject;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFabric;
import iommufd.api.uapi.IommufdFile;
import java.util.Optional;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a driver would be: a mock device, plugged in and bound, under a number of its own (SELFTEST object). */
final class TestDevice implements IommufdFile.ExtensionObject {
    private static final Logger LOG = LoggerFactory.getLogger(TestDevice.class);

    private final MockBackend iommu;
    private final MockDevice device;
    private final Consumer<TestDevice> onEnd;
    private DmaEndpoint endpoint;
    private volatile BoundDevice bound;

    TestDevice(MockBackend iommu, MockDevice device, Consumer<TestDevice> onEnd) {
        this.iommu = iommu;
        this.device = device;
        this.onEnd = onEnd;
    }

    /** Finds one by its number. @throws IommufdException {@link Errno#ENOENT} */
    static TestDevice of(IommufdFile file, int id) {
        return file.extensionObject(id).filter(TestDevice.class::isInstance).map(TestDevice.class::cast).filter(found -> found.bound != null)
                .orElseThrow(() -> new IommufdException(Errno.ENOENT, "no mock device has the number " + Integer.toUnsignedString(id)));
    }

    /** What a number names that a device can be attached to. @throws IommufdException {@link Errno#ENOENT}; {@link Errno#EINVAL} */
    static Attachable target(IommufdFile file, int id) {
        if (file.extensionObject(id).isPresent()) {
            throw new IommufdException(Errno.EINVAL, "a device cannot be attached to a device");
        }
        IommufdObject found = file.context().object(id);
        if (found instanceof Attachable target) {
            return target;
        }
        throw new IommufdException(Errno.EINVAL, "a device cannot be attached to " + found);
    }

    /** Plugs it in and binds it. After a failure {@link #end} it. */
    void bind(IommufdFile file, DmaFabric fabric) {
        endpoint = fabric.plug(device.description());
        bound = file.context().bind(endpoint);
    }

    /** As the engine knows it; it is bound. */
    BoundDevice bound() {
        return Optional.ofNullable(bound).orElseThrow();
    }

    /** Unbinds and unplugs it. Never fails. */
    void end() {
        BoundDevice ending = bound;
        if (ending != null) {
            bound = null;
            try {
                ending.destroy();
            } catch (IommufdException runtimeEnded) {
                LOG.debug("the engine closed the context, and unbound the device", runtimeEnded);
            }
        }
        if (endpoint != null) {
            endpoint.close();
        }
        iommu.remove(device);
        onEnd.accept(this);
    }

    @Override
    public void destroyed() {
        end();
    }
}
