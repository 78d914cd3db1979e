package vfio.compat;

import iommufd.api.uapi.IommufdFile;
import iommufd.api.uapi.IoctlExtension;
import org.osgi.service.component.annotations.Component;

/** The container's requests (0x3B64 to 0x3B66, 0x3B70 to 0x3B72) on every open {@code /dev/iommu}. */
@Component(service = IoctlExtension.class, property = {IoctlExtension.REQUESTS + ":Integer=15204", IoctlExtension.REQUESTS + ":Integer=15205",
        IoctlExtension.REQUESTS + ":Integer=15206", IoctlExtension.REQUESTS + ":Integer=15216", IoctlExtension.REQUESTS + ":Integer=15217",
        IoctlExtension.REQUESTS + ":Integer=15218"})
public final class Type1Extension implements IoctlExtension {
    @Override
    public Session open(IommufdFile file) {
        return new Type1Container(file);
    }
}
