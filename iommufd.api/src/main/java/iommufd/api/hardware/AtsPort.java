package iommufd.api.hardware;

import iommufd.api.DmaAccess;
import iommufd.api.FaultResponse;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.MemorySegment;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A port of a device that has address translation services (PCI Express 6, chapter 10): it keeps translations in a cache of its
 * own, gives translated addresses with its requests, and asks for pages that are absent. The requests it inherits are untranslated.
 */
@ConsumerType
public interface AtsPort extends HardwarePort {
    /**
     * Asks for the translation of the page at {@code iova}.
     *
     * @param access what the device wants to do; {@link DmaAccess#READ} is a request with No Write
     * @return the completion: what is granted, which may be less than was asked for, or nothing
     */
    Translation requestTranslation(long iova, DmaAccess access);

    /** Reads at a translated address. A unit that does not take translated requests from this device refuses it. */
    DmaStatus readTranslated(long address, MemorySegment target, long targetOffset, long lengthBytes);

    /** Writes at a translated address; see {@link #readTranslated}. */
    DmaStatus writeTranslated(long address, MemorySegment source, long sourceOffset, long lengthBytes);

    /**
     * Asks for an absent page. The answer comes to {@link Device#pageResponse}.
     *
     * @return false if the unit does not take it and nobody will answer; what the unit answers by itself has come before the return
     */
    boolean requestPage(PageRequest request);

    /**
     * The completion of a translation request.
     *
     * @param status how it ended
     * @param address translated address of the first byte of the granted range
     * @param lengthBytes size of the range, a power of two that {@code iova} lies in
     * @param read whether reading is granted
     * @param write whether writing is granted
     * @param untranslatedOnly whether the device must use untranslated requests there
     */
    record Translation(Status status, long address, long lengthBytes, boolean read, boolean write, boolean untranslatedOnly) {
        /** How a translation request ends. */
        public enum Status {
            /** Success; without permissions the page is absent, and may be asked for. */
            SUCCESS,
            /** Unsupported request: ATS is not enabled for the device. */
            UNSUPPORTED,
            /** Completer abort: the tables are broken. */
            ABORT
        }
    }

    /** The device behind the port, as its IOMMU talks to it. Called from any thread, without any of the unit's locks. */
    @ConsumerType
    interface Device {
        /**
         * Must drop cached translations of a range; on return it uses none of them.
         *
         * @param pasid the PASID, or {@link iommufd.api.dma.Pasid#NONE}
         * @param lengthBytes a power of two, {@code iova} a multiple; 0 means everything
         * @param global whether translations of all PASIDs go, if {@code pasid} is given
         * @return false if it did not answer in time
         */
        boolean invalidate(int pasid, long iova, long lengthBytes, boolean global);

        /** The answer to a group of {@link AtsPort#requestPage}. */
        void pageResponse(PageResponse response);

        /**
         * The answer that page requests of this device are not served at all (PCI Express 6, §10.4.2.2, Response Failure): it must
         * not ask again. Unless overridden it is told as {@link iommufd.api.FaultResponse#INVALID}.
         *
         * @param pasid the PASID, or {@link iommufd.api.dma.Pasid#NONE}
         */
        default void pageFailure(int pasid, int groupIndex) {
            pageResponse(new PageResponse(pasid, groupIndex, FaultResponse.INVALID));
        }
    }
}
