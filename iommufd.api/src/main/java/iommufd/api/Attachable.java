package iommufd.api;

/** What a device can be attached to: an address space, which finds or makes a page table for it, or a page table. */
public sealed interface Attachable permits Ioas, Hwpt {
    /** The object's number in its context. */
    int id();
}
