package iommu.smmuv3.unit;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PageRequest;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** A port of a device that translates by itself. One device thread at a time; {@link #close} from any thread. */
final class DevicePort implements AtsPort {
    private final SmmuUnit unit;
    private final int streamId;
    private final Device device;
    private final SmmuPort requests;
    private final HardwarePort untranslated;
    private final TranslatedRequests translated;
    private boolean lastWasTranslated;

    DevicePort(SmmuUnit unit, RequesterId requester, int pasid, Device device) {
        this.unit = unit;
        streamId = requester.value();
        this.device = device;
        requests = new SmmuPort(unit, requester, pasid);
        untranslated = new AnsweringPort(unit, requests);
        translated = new TranslatedRequests(unit, requester);
        requests.open();
        translated.open();
        unit.devices().add(streamId, device);
    }

    @Override
    public Translation requestTranslation(long iova, DmaAccess access) {
        return requests.requestTranslation(iova, access);
    }

    @Override
    public boolean requestPage(PageRequest request) {
        return unit.pageRequests().request(streamId, request, device);
    }

    @Override
    public DmaStatus readTranslated(long address, MemorySegment target, long targetOffset, long lengthBytes) {
        lastWasTranslated = true;
        return translated.read(address, target, targetOffset, lengthBytes);
    }

    @Override
    public DmaStatus writeTranslated(long address, MemorySegment source, long sourceOffset, long lengthBytes) {
        lastWasTranslated = true;
        return translated.writeOrSignal(address, source, sourceOffset, lengthBytes);
    }

    private HardwarePort untranslated() {
        lastWasTranslated = false;
        return untranslated;
    }

    private HardwarePort last() {
        return lastWasTranslated ? translated : untranslated;
    }

    @Override
    public DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        return untranslated().read(iova, target, targetOffset, lengthBytes);
    }

    @Override
    public DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        return untranslated().write(iova, source, sourceOffset, lengthBytes);
    }

    @Override
    public DmaStatus read(ScatterList list, MemorySegment target, long targetOffset) {
        return untranslated().read(list, target, targetOffset);
    }

    @Override
    public DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset) {
        return untranslated().write(list, source, sourceOffset);
    }

    @Override
    public long compareAndSwap(long iova, long expected, long desired) {
        return untranslated().compareAndSwap(iova, expected, desired);
    }

    @Override
    public long fetchAndAdd(long iova, long addend) {
        return untranslated().fetchAndAdd(iova, addend);
    }

    @Override
    public long swap(long iova, long desired) {
        return untranslated().swap(iova, desired);
    }

    @Override
    public DmaStatus status() {
        return last().status();
    }

    @Override
    public Optional<DmaFault> lastFault() {
        return last().lastFault();
    }

    @Override
    public boolean close(long timeoutNanos) {
        unit.devices().remove(streamId, device);
        long deadlineNanos = System.nanoTime() + timeoutNanos;
        boolean drained = untranslated.close(timeoutNanos);
        drained &= translated.close(Math.max(0, deadlineNanos - System.nanoTime()));
        if (drained) {
            unit.forget(this);
        }
        return drained;
    }
}
