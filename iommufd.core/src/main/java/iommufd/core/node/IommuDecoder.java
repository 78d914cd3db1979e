package iommufd.core.node;

import iommufd.api.node.Caller;
import iommufd.api.node.IoctlDecoder;
import iommufd.api.uapi.IoctlText;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** Requests of {@code /dev/iommu} in words. */
final class IommuDecoder implements IoctlDecoder {
    static final IommuDecoder INSTANCE = new IommuDecoder();

    private IommuDecoder() {}

    @Override
    public Call begin(Caller caller, int request, long argument) {
        Optional<MemorySegment> before = IoctlText.snapshot(caller.memory(), request, argument);
        return result -> IoctlText.text(request, argument, before, IoctlText.snapshot(caller.memory(), request, argument), result);
    }
}
