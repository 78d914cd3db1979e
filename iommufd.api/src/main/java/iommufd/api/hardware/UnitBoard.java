package iommufd.api.hardware;

import iommufd.api.memory.MemoryMap;
import org.osgi.annotation.versioning.ConsumerType;

/** What an {@link IommuUnit} is wired to. Thread-safe; called without any of the unit's locks, on the thread that caused it. */
@ConsumerType
public interface UnitBoard {
    /** The guest's memory: all that the unit, its tables and its devices can reach. Constant. */
    MemoryMap memory();

    /**
     * A message-signaled interrupt: of the unit itself, or of a device, then as the unit remapped it.
     *
     * @param address where the DWORD is written, on the guest's bus
     */
    void message(long address, int data);

    /**
     * A wired output changes; a pulse is a change to {@code true} and back.
     *
     * @param line the vendor's number of it, as its bundle documents
     */
    void line(int line, boolean level);
}
