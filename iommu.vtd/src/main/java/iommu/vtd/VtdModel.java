package iommu.vtd;

import iommu.vtd.driver.VtdDriver;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.IommuModel;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.UnitBoard;
import java.util.Map;
import org.osgi.service.component.annotations.Component;

/** Makes VT-d units in front of guests; see {@link ModelProperties} for what they can be built with. */
@Component(property = IommuModel.VENDOR + "=" + VtdDriver.VENDOR_NAME)
public final class VtdModel implements IommuModel {
    @Override
    public String vendor() {
        return VtdDriver.VENDOR_NAME;
    }

    @Override
    public IommuUnit create(String name, Map<String, String> properties, UnitBoard board) {
        try {
            VtdFeatures features = ModelProperties.features(properties);
            return new GuestUnit(name, features, board);
        } catch (IllegalArgumentException unknown) {
            throw new IommufdException(Errno.EINVAL, "%s: %s".formatted(name, unknown.getMessage()));
        }
    }
}
