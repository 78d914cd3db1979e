/**
 * A context and its numbered objects: who holds whom, and the errno and lifetime rules of Linux's iommufd
 * ({@code drivers/iommu/iommufd}, 7.3). What lies on hardware is in {@link iommufd.core.fabric}.
 */
package iommufd.core.object;
