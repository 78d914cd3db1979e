/** VFIO devices over iommufd: publishes the device models that are deployed. */
package vfio.adapter;
