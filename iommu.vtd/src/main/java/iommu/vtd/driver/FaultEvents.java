package iommu.vtd.driver;

import iommu.common.unit.InterruptHandling;
import iommu.vtd.format.Capability;
import iommu.vtd.format.FaultReason;
import iommu.vtd.format.FaultRecord;
import iommu.vtd.format.RegisterAccess;
import iommu.vtd.format.Registers;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The handler of the fault event: takes the records out of the unit and reports them (§7.2.1). Thread-safe. */
final class FaultEvents implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FaultEvents.class);
    private static final int HIGH = 8;
    private static final int LAST_DWORD = 12;
    /** Rounds over the registers before a flood is left to a thread of its own. */
    private static final int MAX_ROUNDS = 8;

    private final ReentrantLock lock = new ReentrantLock();
    private final RegisterAccess registers;
    private final String hardware;
    private final IntFunction<Optional<VtdEndpoint>> endpoints;
    private final int offset;
    private final int count;
    private final InterruptHandling handling;

    /** @param endpoints finds an endpoint by source-id */
    FaultEvents(RegisterAccess registers, String hardware, long capability, IntFunction<Optional<VtdEndpoint>> endpoints) {
        this.registers = registers;
        this.hardware = hardware;
        this.endpoints = endpoints;
        offset = Capability.faultOffset(capability);
        count = Capability.faultCount(capability);
        handling = new InterruptHandling(hardware + "-faults", this::takeSome);
    }

    /** Reports what is recorded, and makes the registers free again. */
    void handle() {
        handling.raised();
    }

    /** @return whether more may be recorded */
    private boolean takeSome() {
        List<Record> records = new ArrayList<>();
        int status = status();
        lock.lock();
        try {
            for (int round = 0; round < MAX_ROUNDS && waiting(status); round++) {
                if ((status & Registers.FAULT_PENDING) != 0) {
                    take(status >>> Registers.FAULT_INDEX_SHIFT & 0xFF, records);
                }
                if ((status & Registers.FAULT_OVERFLOW) != 0) {
                    LOG.debug("{}: fault records were lost", hardware);
                    registers.write(Registers.FSTS, 4, Registers.FAULT_OVERFLOW);
                }
                status = status();
            }
        } finally {
            lock.unlock();
        }
        records.forEach(this::report);
        return waiting(status);
    }

    private static boolean waiting(int status) {
        return (status & (Registers.FAULT_PENDING | Registers.FAULT_OVERFLOW)) != 0;
    }

    /** Waits for the end of a flood; the unit records nothing any more. */
    @Override
    public void close() {
        handling.close();
    }

    private int status() {
        return (int) registers.read(Registers.FSTS, 4);
    }

    private void take(int first, List<Record> records) {
        for (int i = 0; i < count; i++) {
            int register = offset + (first + i) % count * FaultRecord.BYTES;
            long high = registers.read(register + HIGH, 8);
            if ((high & FaultRecord.FAULT) == 0) {
                return;
            }
            records.add(new Record(registers.read(register, 8), high));
            registers.write(register + LAST_DWORD, 4, FaultRecord.FAULT >>> 32);
        }
    }

    private void report(Record taken) {
        int sourceId = (int) (taken.high & FaultRecord.SOURCE);
        endpoints.apply(sourceId).ifPresent(endpoint -> endpoint.faulted(describe(endpoint, taken)));
    }

    private DmaFault describe(VtdEndpoint endpoint, Record taken) {
        FaultReason reason = FaultReason.of(FaultRecord.reason(taken.high));
        int pasid = FaultRecord.pasid(taken.high);
        long iova = taken.low & FaultRecord.ADDRESS;
        // Legacy mode reports a page that is not mapped as one without permission; the page table knows better.
        boolean absent = (reason == FaultReason.WRITE_DENIED || reason == FaultReason.READ_DENIED) && !endpoint.maps(iova);
        return new DmaFault(hardware, endpoint.requesterId(), pasid < 0 ? OptionalInt.empty() : OptionalInt.of(pasid),
                iova, (taken.high & FaultRecord.READ) != 0 ? DmaAccess.READ : DmaAccess.WRITE,
                absent ? DmaFault.Kind.TRANSLATION : reason.kind(), reason.code(), reason.text());
    }

    private record Record(long low, long high) {}
}
