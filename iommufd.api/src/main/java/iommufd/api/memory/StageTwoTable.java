package iommufd.api.memory;

import iommufd.api.DmaAccess;
import org.osgi.annotation.versioning.ConsumerType;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The page table by which a hypervisor shows memory to a guest, offered for DMA: what it says of guest-physical addresses, devices
 * see as IOVA, without any mapping of their own. A VMM's memory manager registers one as an OSGi service, or hands it to
 * {@link iommufd.api.IommufdContext#allocateIoas(StageTwoTable)} itself. Thread-safe.
 *
 * <p>The table lies in {@link PhysicalMemory#tables()}, or other memory of the physical window, in its vendor's layout; hardware
 * reads it at any time, and writes nothing to it.
 */
@ConsumerType
public interface StageTwoTable {
    /** Layout of a table: what IOMMU hardware of the same vendor walks as well. */
    enum Format {
        /**
         * Intel EPT of 4 levels, 48 bits of input (Intel SDM volume 3, extended page tables); a second stage of VT-d: bit 0 read, bit 1
         * write, bit 7 a large page, no present bit. VT-d ignores execute, memory type and accessed bits.
         */
        EPT(48, 4),
        /** VMSAv8-64 stage 2, 4 KiB granule, 48 bits of input, starting at level 0; a second stage of SMMUv3. */
        ARM_STAGE_2(48, 4);

        private final int inputBits;
        private final int levels;

        Format(int inputBits, int levels) {
            this.inputBits = inputBits;
            this.levels = levels;
        }

        /** Width of addresses it translates. */
        public int inputBits() {
            return inputBits;
        }

        /** Tables one above the other. */
        public int levels() {
            return levels;
        }
    }

    /** Its layout. Constant. */
    Format format();

    /** Physical address of the top table. Constant. */
    long root();

    /**
     * From now on the listener is told of changes: after entries were taken away, or allow less, or lead elsewhere, and before what they
     * led to is used for anything else, tables included. What was absent and came needs no telling.
     */
    UserMemory.Subscription onChange(ChangeListener listener);

    /**
     * A device asks for an absent page, or for more than its entry allows. May wait, but for no DMA request.
     *
     * @param address guest-physical, a multiple of the page
     * @return whether it is there now
     */
    boolean populate(long address, DmaAccess access);

    /** Someone who caches entries. */
    @ProviderType
    @FunctionalInterface
    interface ChangeListener {
        /**
         * Entries for {@code [first, last]} changed. When it returns, no DMA uses the former ones. Takes no lock that
         * {@link StageTwoTable#populate} is called with.
         *
         * @param tables whether tables between were unlinked, not only leaves changed
         */
        void changed(long first, long last, boolean tables);
    }
}
