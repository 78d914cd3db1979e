package iommufd.api.hardware;

import iommufd.api.dma.RequesterId;
import org.osgi.annotation.versioning.ConsumerType;

/** An IOMMU as a guest sees it: registers, and the requests of devices behind it. Thread-safe. */
@ConsumerType
public interface IommuUnit extends AutoCloseable {
    /** Size of its register space. */
    long registerBytes();

    /**
     * Reads a register. What does not exist, or not with this size or alignment, reads as the vendor's specification says, else 0.
     *
     * @param offset from the start of the register space
     * @param bytes 1, 2, 4 or 8
     */
    long read(long offset, int bytes);

    /** Writes a register. A command that it gives has been carried out, or refused in the vendor's way, on return. */
    void write(long offset, int bytes, long value);

    /**
     * A port for one queue of a device that does not translate by itself.
     *
     * @param pasid a PASID, or {@link iommufd.api.dma.Pasid#NONE}
     */
    HardwarePort openPort(RequesterId requester, int pasid);

    /** A port for a device that translates by itself (ATS), and asks for absent pages (PRI). */
    AtsPort openAtsPort(RequesterId requester, int pasid, AtsPort.Device device);

    /** As if power had gone and come; ports stay open. */
    void reset();

    /** Its end; its ports are closed. */
    @Override
    void close();
}
