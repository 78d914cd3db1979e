package vfio.device;

import iommufd.api.Access;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.Pasid;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/** What a running device has of the world. Thread-safe; valid until the device was closed. */
@ProviderType
public interface DeviceHost {
    /**
     * A port for the device's DMA; one for each queue or thread. While the client has not attached the device, or the command
     * register forbids it, requests fail. Ports that are left open are closed after the device.
     */
    DmaPort openPort();

    /**
     * A port for requests with a PASID.
     *
     * @throws IommufdException {@link Errno#EINVAL} if it is wider than the function's PASID capability says, or the device's
     *         DMA goes through {@link DmaKind#ACCESS}
     */
    DmaPort openPort(Pasid pasid);

    /** Its interrupts. */
    Interrupts interrupts();

    /**
     * The memory behind a BAR with {@link Bar#shared() shared areas}, as long as the BAR. Clients map it; the device polls and
     * writes it, with ordered accesses ({@link java.lang.invoke.VarHandle}). Outside the shared areas it is the device's own.
     * Zero when the device starts; after that only the device clears it.
     *
     * @throws IommufdException {@link Errno#EINVAL} if the BAR shares nothing
     */
    MemorySegment sharedMemory(int bar);

    /** What a device with {@link DmaKind#ACCESS} pins and copies memory by. Empty for others. */
    Optional<Access> access();

    /** Whether the command register lets the device send requests now. */
    boolean busMaster();
}
