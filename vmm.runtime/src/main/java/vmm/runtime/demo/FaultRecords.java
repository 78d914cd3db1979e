package vmm.runtime.demo;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaFaultListener;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.memory.GuestRam;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.osgi.framework.ServiceRegistration;

/** Step 4: requests that must not go through do not, and the hardware, of either vendor, records why. */
final class FaultRecords implements Step {
    private static final long READ_ONLY_IOVA = Testbed.SPARE_IOVA + 0x123;
    private static final long UNMAPPED_IOVA = Testbed.SPARE_IOVA + (1L << 30) + 0x40;
    private static final int REQUEST_BYTES = 64;
    private static final int RAM_BYTES = 4096;
    private static final byte CANARY = 0x5A;
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    @Override
    public String title() {
        return "What is not allowed is refused, and the hardware records why";
    }

    @Override
    public void run(Testbed bed, Screen screen) throws InterruptedException {
        List<DmaFault> heard = new CopyOnWriteArrayList<>();
        ServiceRegistration<DmaFaultListener> listener =
                bed.services().bundles().registerService(DmaFaultListener.class, heard::add, null);
        try (GuestRam readOnly = bed.services().memory().allocateGuestRam(RAM_BYTES, false)) {
            readOnly.segment().fill(CANARY);
            bed.ioas().mapAt(Testbed.SPARE_IOVA, readOnly, 0, RAM_BYTES, DmaAccess.READ);
            try {
                bed.onBoth(hardware -> provoke(hardware, bed, readOnly, heard, screen));
            } finally {
                bed.ioas().unmap(Testbed.SPARE_IOVA, RAM_BYTES);
            }
        } finally {
            listener.unregister();
        }
    }

    private static void provoke(String hardware, Testbed bed, GuestRam readOnly, List<DmaFault> heard, Screen screen) throws InterruptedException {
        MemorySegment buffer = Arena.ofAuto().allocate(REQUEST_BYTES);
        DmaPort port = bed.devices().getFirst().port();

        DmaStatus writing = port.write(READ_ONLY_IOVA, buffer, 0, REQUEST_BYTES);
        boolean untouched = isFilledWith(readOnly.segment(), CANARY);
        record(hardware + ": a write to a read-only page is refused", writing, untouched, READ_ONLY_IOVA, DmaFault.Kind.PERMISSION, port, heard, screen);

        buffer.fill(CANARY);
        DmaStatus reading = port.read(UNMAPPED_IOVA, buffer, 0, REQUEST_BYTES);
        record(hardware + ": a read where nothing is mapped is refused", reading, isFilledWith(buffer, (byte) 0), UNMAPPED_IOVA, DmaFault.Kind.TRANSLATION, port, heard, screen);
    }

    private static void record(String claim, DmaStatus status, boolean nothingMoved, long iova, DmaFault.Kind kind, DmaPort port,
            List<DmaFault> heard, Screen screen) throws InterruptedException {
        Optional<DmaFault> last = port.lastFault();
        if (status != DmaStatus.FAULTED || last.isEmpty()) {
            screen.check(claim, false, "ended as " + status + ", record: " + last);
            return;
        }
        DmaFault fault = last.get();
        boolean right = fault.kind() == kind && samePage(fault.iova(), iova);
        boolean recorded = fault.code() != 0;
        boolean told = Waiting.until(() -> heard.stream().anyMatch(other -> sameRecord(other, fault)), PATIENCE);
        String problem = nothingMoved ? "" : ", but bytes moved";
        if (!right) {
            problem += ", expected kind " + kind + " at 0x%x".formatted(iova);
        }
        if (!recorded) {
            problem += ", no record of the hardware's own";
        }
        if (!told) {
            problem += ", and no listener heard of it";
        }
        screen.check(claim, right && recorded && told && nothingMoved, "%s, code 0x%x%s".formatted(fault.kind(), fault.code(), problem));
        screen.note("   record: " + fault);
    }

    /** The port knows the address, the hardware's own record may hold the page only. */
    private static boolean sameRecord(DmaFault heard, DmaFault fault) {
        return heard.hardware().equals(fault.hardware()) && heard.requesterId().equals(fault.requesterId())
                && heard.kind() == fault.kind() && heard.code() == fault.code() && samePage(heard.iova(), fault.iova());
    }

    /** Hardware may record the page only. */
    private static boolean samePage(long recorded, long requested) {
        return recorded >>> 12 == requested >>> 12;
    }

    private static boolean isFilledWith(MemorySegment segment, byte value) {
        MemorySegment expected = Arena.ofAuto().allocate(segment.byteSize());
        expected.fill(value);
        return segment.mismatch(expected) < 0;
    }
}
