package vfio.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A PCI function as its maker describes it. The adapter makes the configuration space of it: header, BARs, capability chains.
 *
 * @param address where it sits; also what its DMA requests say
 * @param group IOMMU group: functions with one number go to one user together
 * @param ids what drivers recognise it by
 * @param bars its base address registers, by ascending index
 * @param capabilities in the order of their chains
 * @param interruptPin whether it has an INTx line
 * @param dma how its DMA finds memory
 * @param pinsMemory whether it pins memory ({@link DmaKind#ACCESS} only); see {@link RunningDevice#unmapping}
 */
public record PciFunction(RequesterId address, int group, PciIds ids, List<Bar> bars, List<PciCapability> capabilities,
        boolean interruptPin, DmaKind dma, boolean pinsMemory) {
    /** @throws IommufdException {@link Errno#EINVAL} if BARs overlap, or an MSI-X table lies in none */
    public PciFunction {
        bars = List.copyOf(bars);
        capabilities = List.copyOf(capabilities);
        int next = 0;
        for (Bar bar : bars) {
            if (bar.index() < next) {
                throw new IommufdException(Errno.EINVAL, "%s: BAR %d takes a register that is taken, or comes out of order".formatted(address, bar.index()));
            }
            next = bar.index() + (bar.space() == Bar.Space.MEMORY_64 ? 2 : 1);
        }
        for (PciCapability capability : capabilities) {
            if (capability instanceof MsixCapability msix) {
                msix.checkInside(bars);
            }
        }
    }

    /** Starts a description of a function alone in its IOMMU group. */
    public static Builder at(RequesterId address, PciIds ids) {
        return new Builder(address, ids);
    }

    /** Its capability of a kind. */
    public <T extends PciCapability> Optional<T> capability(Class<T> kind) {
        return capabilities.stream().filter(kind::isInstance).map(kind::cast).findFirst();
    }

    /** Its BAR of that index. */
    public Optional<Bar> bar(int index) {
        return bars.stream().filter(bar -> bar.index() == index).findFirst();
    }

    /** What it says of itself when it is plugged in; PASIDs and page requests follow from its capabilities. */
    public EndpointDescription endpoint() {
        int pasidBits = capability(PasidCapability.class).map(PasidCapability::widthBits).orElse(0);
        return new EndpointDescription(address, group, pasidBits, capability(PageRequestCapability.class).isPresent());
    }

    /** Collects a description. Not thread-safe. */
    public static final class Builder {
        private final RequesterId address;
        private final PciIds ids;
        private final List<Bar> bars = new ArrayList<>();
        private final List<PciCapability> capabilities = new ArrayList<>();
        private int group;
        private boolean interruptPin;
        private DmaKind dma = DmaKind.ENDPOINT;
        private boolean pinsMemory;

        private Builder(RequesterId address, PciIds ids) {
            this.address = address;
            this.ids = ids;
            this.group = address.value();
        }

        /** Puts it into an IOMMU group with others of that number. */
        public Builder group(int number) {
            group = number;
            return this;
        }

        /** Adds a BAR. */
        public Builder bar(Bar bar) {
            bars.add(bar);
            return this;
        }

        /** Adds a capability to the end of its chain. */
        public Builder capability(PciCapability capability) {
            capabilities.add(capability);
            return this;
        }

        /** Gives it an INTx line. */
        public Builder interruptPin() {
            interruptPin = true;
            return this;
        }

        /** Its DMA goes through an access. @param pins whether it pins memory */
        public Builder access(boolean pins) {
            dma = DmaKind.ACCESS;
            pinsMemory = pins;
            return this;
        }

        /** The description. */
        public PciFunction build() {
            return new PciFunction(address, group, ids, bars, capabilities, interruptPin, dma, pinsMemory);
        }
    }
}
