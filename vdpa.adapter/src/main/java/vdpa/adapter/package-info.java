/** vDPA devices over iommufd: publishes the device models that are deployed. */
package vdpa.adapter;
