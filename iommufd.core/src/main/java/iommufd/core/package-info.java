/**
 * The engine as a whole, and as OSGi services: {@link iommufd.core.Engine} puts the parts together without OSGi, the
 * components publish them.
 */
package iommufd.core;
