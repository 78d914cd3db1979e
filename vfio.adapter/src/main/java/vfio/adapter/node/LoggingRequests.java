package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import vfio.adapter.dma.DirtyReport;
import vfio.adapter.dma.DmaGate;
import vfio.adapter.dma.DmaLog;
import vfio.adapter.uapi.VfioDeviceFeatureDmaLoggingControl;
import vfio.adapter.uapi.VfioDeviceFeatureDmaLoggingRange;
import vfio.adapter.uapi.VfioDeviceFeatureDmaLoggingReport;

/** The features that record what DMA writes. Devices record it themselves, whatever they are attached to. */
final class LoggingRequests {
    /** As many as fit into a page. */
    private static final int MOST_RANGES = 4096 / VfioDeviceFeatureDmaLoggingRange.SIZE_BYTES;

    private LoggingRequests() {}

    private record Range(long start, long last) {
        boolean overlaps(Range other) {
            return Long.compareUnsigned(start, other.last) <= 0 && Long.compareUnsigned(other.start, last) <= 0;
        }
    }

    static void start(FeatureCall feature) {
        if (!feature.wanted(FeatureCall.SET, VfioDeviceFeatureDmaLoggingControl.SIZE_BYTES)) {
            return;
        }
        MemorySegment control = feature.read(VfioDeviceFeatureDmaLoggingControl.SIZE_BYTES);
        int count = VfioDeviceFeatureDmaLoggingControl.numRanges(control);
        if (count == 0) {
            throw new IommufdException(Errno.EINVAL, "no ranges");
        }
        if (Integer.compareUnsigned(count, MOST_RANGES) > 0) {
            throw new IommufdException(Errno.E2BIG, "%s ranges; there can be %d".formatted(Integer.toUnsignedString(count), MOST_RANGES));
        }
        long pageBytes = VfioDeviceFeatureDmaLoggingControl.pageSize(control);
        List<Range> ranges = ranges(feature, VfioDeviceFeatureDmaLoggingControl.ranges(control), count, pageBytes);
        DmaGate gate = feature.session().gate();
        synchronized (gate) {
            if (Long.bitCount(pageBytes) != 1 || gate.log().isOn()) {
                throw new IommufdException(Errno.EINVAL, "a page of 0x%x bytes, or DMA is recorded already".formatted(pageBytes));
            }
            ranges.sort((one, other) -> Long.compareUnsigned(one.start, other.start));
            DmaLog log = DmaLog.of(ranges.stream().mapToLong(Range::start).toArray(), ranges.stream().mapToLong(Range::last).toArray(), pageBytes);
            VfioDeviceFeatureDmaLoggingControl.pageSize(control, log.pageBytes());
            feature.respond(control);
            gate.log(log);
        }
    }

    private static List<Range> ranges(FeatureCall feature, long address, int count, long pageBytes) {
        List<Range> ranges = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            MemorySegment struct = MemorySegment.ofArray(new long[VfioDeviceFeatureDmaLoggingRange.SIZE_BYTES / Long.BYTES]);
            feature.call().memory().read(address + (long) i * VfioDeviceFeatureDmaLoggingRange.SIZE_BYTES, struct);
            long start = VfioDeviceFeatureDmaLoggingRange.iova(struct);
            long length = VfioDeviceFeatureDmaLoggingRange.length(struct);
            if (((start | length) & pageBytes - 1) != 0) {
                throw new IommufdException(Errno.EINVAL, "0x%x + 0x%x is not aligned to pages of 0x%x".formatted(start, length, pageBytes));
            }
            if (Long.compareUnsigned(start + length, start) < 0) {
                throw new IommufdException(Errno.EOVERFLOW, "0x%x + 0x%x".formatted(start, length));
            }
            Range range = new Range(start, start + length - 1);
            if (length == 0 || ranges.stream().anyMatch(range::overlaps)) {
                throw new IommufdException(Errno.EINVAL, "an empty range, or one that overlaps another");
            }
            ranges.add(range);
        }
        return ranges;
    }

    static void stop(FeatureCall feature) {
        if (feature.wanted(FeatureCall.SET, 0)) {
            feature.session().gate().log(DmaLog.OFF);
        }
    }

    static void report(FeatureCall feature) {
        if (!feature.wanted(FeatureCall.GET, VfioDeviceFeatureDmaLoggingReport.SIZE_BYTES)) {
            return;
        }
        MemorySegment struct = feature.read(VfioDeviceFeatureDmaLoggingReport.SIZE_BYTES);
        long start = VfioDeviceFeatureDmaLoggingReport.iova(struct);
        long length = VfioDeviceFeatureDmaLoggingReport.length(struct);
        long pageBytes = VfioDeviceFeatureDmaLoggingReport.pageSize(struct);
        if (Long.compareUnsigned(pageBytes, DmaLog.MIN_PAGE_BYTES) < 0 || Long.bitCount(pageBytes) != 1 || length == 0) {
            throw new IommufdException(Errno.EINVAL, "a page of 0x%x bytes, 0x%x bytes".formatted(pageBytes, length));
        }
        if (Long.compareUnsigned(start + length, start) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x + 0x%x".formatted(start, length));
        }
        DmaLog log = feature.session().gate().log();
        if (!log.isOn()) {
            throw new IommufdException(Errno.EINVAL, "DMA is not recorded");
        }
        new DirtyReport(feature.call().memory(), VfioDeviceFeatureDmaLoggingReport.bitmap(struct), start, pageBytes).fill(log, start + length - 1);
    }
}
