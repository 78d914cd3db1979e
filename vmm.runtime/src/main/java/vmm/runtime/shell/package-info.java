/** Commands of the Gogo shell, scope {@code iommu}. They reach the engine by services alone. */
package vmm.runtime.shell;
