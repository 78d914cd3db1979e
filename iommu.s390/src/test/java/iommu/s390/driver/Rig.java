package iommu.s390.driver;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.table.TablePool;
import iommu.s390.Ram;
import iommu.s390.format.PciInstructions;
import iommu.s390.unit.ZpciFeatures;
import iommu.s390.unit.ZpciUnit;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.MemoryMap;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** A unit and its driver, between which a test may stand. */
final class Rig implements AutoCloseable {
    final Ram ram = new Ram();
    final ScratchTables tables = new ScratchTables();
    final Between between;
    final ZpciDriver driver;
    private final ZpciUnit unit;

    Rig() {
        this(new ZpciDriverOptions("zpci7", 0, 3, 0, (1L << 42) - 1));
    }

    Rig(ZpciDriverOptions options) {
        List<ZpciDriver> wired = new ArrayList<>();
        unit = new ZpciUnit(options.name(), new ZpciFeatures(options.firstDma(), options.lastDma(), false), MemoryMap.HOST, pending -> {
            if (pending) {
                wired.getFirst().machineCheck();
            }
        });
        between = new Between(unit);
        driver = new ZpciDriver(between, new FunctionSlots() {
            @Override
            public int plug(RequesterId requester) {
                return unit.plug(requester);
            }

            @Override
            public void unplug(RequesterId requester) {
                unit.unplug(requester);
            }

            @Override
            public HardwarePort open(RequesterId requester, int pasid) {
                return unit.openPort(requester, pasid);
            }
        }, new TablePool(tables), options);
        wired.add(driver);
    }

    static RequesterId requester(int device) {
        return RequesterId.of(0, 2, device, 0);
    }

    /** A device, and what it is told of. */
    final class Device implements FaultSink {
        final List<DmaFault> faults = new ArrayList<>();
        final HardwareEndpoint endpoint;

        Device(int device) {
            endpoint = driver.probe(EndpointDescription.of(requester(device)), this);
        }

        @Override
        public void unrecoverable(DmaFault fault) {
            faults.add(fault);
        }

        @Override
        public boolean pageRequest(PageRequest request) {
            throw new AssertionError("zPCI has no page requests");
        }

        HardwarePort port() {
            return endpoint.openPort(Pasid.NONE);
        }
    }

    static PinnedRuns run(long address, long lengthBytes) {
        PinnedRuns runs = new PinnedRuns(1);
        runs.add(address, lengthBytes);
        return runs;
    }

    static void map(PagingDomain domain, long iova, long address, long lengthBytes) {
        domain.map(iova, run(address, lengthBytes), DmaAccess.READ_WRITE);
    }

    static void arrives(HardwarePort port, long iova, long where, int value) {
        assertThat(port.write(iova, MemorySegment.ofArray(new byte[] {(byte) value}), 0, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(Ram.octet(where)).isEqualTo(value);
    }

    static DmaFault refused(HardwarePort port, long iova) {
        assertThat(port.write(iova, MemorySegment.ofArray(new byte[1]), 0, 1)).isEqualTo(DmaStatus.FAULTED);
        return port.lastFault().orElseThrow();
    }

    @Override
    public void close() {
        driver.close();
    }

    /** Passes instructions on, notes them, and may answer some in the unit's place. */
    static final class Between implements PciInstructions {
        final List<String> issued = new ArrayList<>();
        /** Answers of the next refreshes, instead of the unit's. */
        final List<Integer> refreshAnswers = new ArrayList<>();
        /** Answers of the next MPCIFCs, instead of the unit's. */
        final List<Integer> modifyAnswers = new ArrayList<>();
        private final PciInstructions unit;

        Between(PciInstructions unit) {
            this.unit = unit;
        }

        @Override
        public synchronized int modifyControls(long request, long blockAddress) {
            issued.add("MPCIFC " + (request & 0xFF));
            return modifyAnswers.isEmpty() ? unit.modifyControls(request, blockAddress) : modifyAnswers.removeFirst();
        }

        @Override
        public int storeControls(long request, long blockAddress) {
            return unit.storeControls(request, blockAddress);
        }

        @Override
        public synchronized int refresh(long request, long iova, long lengthBytes) {
            issued.add("RPCIT 0x%x+0x%x".formatted(iova, lengthBytes));
            return refreshAnswers.isEmpty() ? unit.refresh(request, iova, lengthBytes) : refreshAnswers.removeFirst();
        }

        @Override
        public int callLogicalProcessor(long blockAddress) {
            return unit.callLogicalProcessor(blockAddress);
        }

        @Override
        public int storeEvent(long blockAddress) {
            return unit.storeEvent(blockAddress);
        }
    }
}
