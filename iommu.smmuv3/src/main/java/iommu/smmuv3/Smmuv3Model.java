package iommu.smmuv3;

import iommu.smmuv3.driver.SmmuDriver;
import iommu.smmuv3.unit.SmmuProperties;
import iommufd.api.hardware.IommuModel;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.UnitBoard;
import java.util.Map;
import org.osgi.service.component.annotations.Component;

/** SMMUv3s for guests, as a service. Properties are those of {@link SmmuProperties}. */
@Component(service = IommuModel.class, property = IommuModel.VENDOR + "=" + SmmuDriver.SMMUV3)
public final class Smmuv3Model implements IommuModel {
    @Override
    public String vendor() {
        return SmmuDriver.SMMUV3;
    }

    @Override
    public IommuUnit create(String name, Map<String, String> properties, UnitBoard board) {
        return new GuestSmmu(name, SmmuProperties.parse(properties), board);
    }
}
