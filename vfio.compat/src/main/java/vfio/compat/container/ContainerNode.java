package vfio.compat.container;

import iommufd.api.IommufdService;
import iommufd.api.node.Caller;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.OpenNode;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Modified;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.metatype.annotations.Designate;

/**
 * {@code /dev/vfio/vfio}: a container per open file. It also names the requests of group nodes and devices that open files
 * (VFIO_GROUP_GET_DEVICE_FD 0x3B6A, VFIO_DEVICE_FEATURE 0x3B75), because those nodes may come after a program has started.
 */
@Component(service = DeviceNode.class, configurationPid = "vfio.compat", property = {DeviceNode.PATH + "=/dev/vfio/vfio",
        DeviceNode.DRIVER + "=misc", DeviceNode.DESCRIPTOR_REQUESTS + ":Integer=15210", DeviceNode.DESCRIPTOR_REQUESTS + ":Integer=15221"})
@Designate(ocd = CompatConfiguration.class)
public final class ContainerNode implements DeviceNode {
    private final IommufdService iommufd;
    private volatile ContainerOptions options;

    /** By SCR. */
    @Activate
    public ContainerNode(@Reference IommufdService iommufd, CompatConfiguration configuration) {
        this(iommufd, options(configuration));
    }

    /** Without OSGi. */
    public ContainerNode(IommufdService iommufd, ContainerOptions options) {
        this.iommufd = iommufd;
        this.options = options;
    }

    @Modified
    void modified(CompatConfiguration configuration) {
        options = options(configuration);
    }

    private static ContainerOptions options(CompatConfiguration configuration) {
        return new ContainerOptions(configuration.dma_entry_limit(), configuration.enable_unsafe_noiommu_mode());
    }

    @Override
    public OpenNode open(Caller caller) {
        return new Container(iommufd, () -> options);
    }
}
