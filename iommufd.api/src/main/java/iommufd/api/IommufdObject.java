package iommufd.api;

/** A numbered object of one {@link IommufdContext}; it dies with the context at the latest. */
public sealed interface IommufdObject
        permits Ioas, Hwpt, BoundDevice, Access, FaultQueue, Viommu, Vdevice, EventQueue, HwQueue {
    /** The object's number: positive, unique in its context, the lowest that was free. Stays readable after destruction. */
    int id();

    /**
     * Destroys the object ({@code IOMMU_DESTROY}).
     *
     * @throws IommufdException {@link Errno#EBUSY} if another object still uses it; {@link Errno#ENOENT} if it was
     *         destroyed already
     */
    void destroy();
}
