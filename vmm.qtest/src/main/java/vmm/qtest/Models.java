package vmm.qtest;

import iommufd.api.hardware.IommuModel;
import vmm.qtest.command.UsageException;

/** Who makes IOMMUs. */
@FunctionalInterface
interface Models {
    /** The maker of a vendor's IOMMUs. @throws UsageException if there is none */
    IommuModel of(String vendor) throws UsageException;
}
