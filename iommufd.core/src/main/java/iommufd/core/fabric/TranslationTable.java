package iommufd.core.fabric;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.HardwareDomain;
import java.util.Optional;

/**
 * A page table endpoints are attached to; it outlives the hardware it lies on. Its place changes under the write half of
 * {@link HardwareRack#topology()}, or under the read half while nothing is attached to it.
 */
public abstract sealed class TranslationTable permits SpaceTable, NestedStage {
    private final Optional<PageRequestReceiver> receiver;
    /** Null while no hardware holds it. */
    private volatile BoundHardware hardware;

    TranslationTable(Optional<PageRequestReceiver> receiver) {
        this.receiver = receiver;
    }

    /** Who answers page requests that meet this table. */
    public final Optional<PageRequestReceiver> receiver() {
        return receiver;
    }

    /** Whether no hardware holds it now. */
    public final boolean orphaned() {
        return hardware == null;
    }

    /** Whether both lie, or the endpoint's next table would lie, on one hardware. */
    public final boolean suits(FabricEndpoint endpoint) {
        return orphaned() || endpoint.seat().on(hardware);
    }

    /** Null while orphaned. */
    final BoundHardware hardware() {
        return hardware;
    }

    final boolean on(BoundHardware other) {
        return hardware == other;
    }

    final void moveTo(BoundHardware next) {
        hardware = next;
    }

    /** The table that follows an address space: this one, or the second stage under it. */
    public abstract SpaceTable paging();

    /** The backend's object. @throws IommufdException {@link Errno#ENODEV} while {@link #orphaned()} */
    public abstract HardwareDomain bare();

    /** Gives up what lies on hardware. Never fails. */
    public abstract void close();

    static IommufdException noHardware(String what) {
        return new IommufdException(Errno.ENODEV, "no IOMMU hardware serves the device; " + what + " has to wait until some is deployed");
    }
}
