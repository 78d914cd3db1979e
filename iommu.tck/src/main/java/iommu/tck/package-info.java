/**
 * The compatibility kit (TCK): what every {@link iommufd.api.hardware.IommuHardware} must do, as one suite of JUnit tests that
 * all backends pass unchanged.
 *
 * <p>A backend's author describes the backend by a {@link iommu.tck.BackendUnderTest} and extends
 * {@link iommu.tck.IommuCompatibilityKit} in the test folder:
 * <pre>{@code
 * class VtdCompatibilityTest extends IommuCompatibilityKit {
 *     @Override protected BackendUnderTest backend() { return new VtdUnderTest(); }
 * }
 * }</pre>
 * Each {@code …Contract} is one area; its test names are the contract in short. The kit looks from outside only: bytes that
 * arrived, fault records, errno, frames in use.
 */
package iommu.tck;
