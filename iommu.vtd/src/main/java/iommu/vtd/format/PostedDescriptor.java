package iommu.vtd.format;

/** Posted interrupt descriptor (§9.11): 512 bits. Words 0 to 3 are a bit per vector, word 4 is as here, the rest is reserved. */
public final class PostedDescriptor {
    /** Size, and alignment. */
    public static final int BYTES = 64;
    /** Offset of word 4. */
    public static final int CONTROL = 32;
    /** Word 4: a notification is under way. */
    public static final long OUTSTANDING = 1;
    /** Word 4: no notification for what is not urgent. */
    public static final long SUPPRESSED = 1L << 1;
    /** Word 4: lowest bit of the notification's vector. */
    public static final int VECTOR_SHIFT = 16;
    /** Word 4: lowest bit of its destination. */
    public static final int DESTINATION_SHIFT = 32;
    /** Word 4: must be 0. */
    public static final long RESERVED = 0xFF00_FFFCL;
    /** Word 4 without x2APIC: must be 0, too. */
    public static final long DESTINATION_RESERVED = 0xFFFF_00FFL << 32;

    private PostedDescriptor() {}
}
