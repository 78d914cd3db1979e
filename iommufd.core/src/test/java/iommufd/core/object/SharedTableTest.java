package iommufd.core.object;

import static iommufd.core.fake.Rig.PAGE;
import static iommufd.core.fake.Rig.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.OnDemandOptions;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.StageTwoTable;
import iommufd.api.memory.UserMemory;
import iommufd.core.fake.FakeHardware;
import iommufd.core.fake.Rig;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A hypervisor's page table is a device's: what it shows, DMA reaches, without any mapping of iommufd's own. */
@Timeout(60)
class SharedTableTest {
    private static final long GUEST = 5 * PAGE;
    private final Rig rig = new Rig();
    /** The table lies in the first pages of the RAM: top to bottom, all of it for the first 2 MiB of guest addresses. */
    private final Ept ept = new Ept(rig.ram.physicalAddress());
    private DmaEndpoint endpoint;
    private BoundDevice device;
    private Ioas ioas;
    private DmaPort port;

    @BeforeEach
    void open() {
        endpoint = rig.plug(1, 1, 8, true);
        device = rig.context.bind(endpoint);
        ioas = rig.context.allocateIoas(ept);
        device.attach(ioas);
        port = endpoint.openPort();
    }

    @AfterEach
    void close() {
        rig.close();
        assertThat(ept.listeners).as("who still listens").isEmpty();
    }

    private static DmaStatus write(DmaPort where, long address) {
        return where.write(address, MemorySegment.ofArray(new byte[8]), 0, 8);
    }

    /** The common pool may have one thread only. */
    private static <T> CompletableFuture<T> onItsThread(Supplier<T> task) {
        return CompletableFuture.supplyAsync(task, run -> Thread.ofPlatform().daemon().start(run));
    }

    @Test
    void whatTheHypervisorMapsDevicesReach() {
        ept.map(GUEST, 64, true);
        assertThat(rig.reaches(port, GUEST + 16, 64 * PAGE + 16)).isTrue();
        assertThat(write(port, GUEST + PAGE)).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.lastFault()).get().returns(DmaFault.Kind.TRANSLATION, DmaFault::kind);
        ept.map(GUEST, 65, true);
        assertThat(rig.reaches(port, GUEST, 65 * PAGE)).as("moved").isTrue();
        ept.map(GUEST, 65, false);
        assertThat(write(port, GUEST)).as("read-only now").isEqualTo(DmaStatus.FAULTED);
        ept.unmap(GUEST);
        assertThat(port.read(GUEST, MemorySegment.ofArray(new byte[8]), 0, 8)).isEqualTo(DmaStatus.FAULTED);
        assertThat(ioas.mappedBytes()).isZero();
    }

    @Test
    void nothingIsMappedThroughIommufd() {
        assertRefused(Errno.EOPNOTSUPP, () -> ioas.map(rig.ram, 0, PAGE, DmaAccess.READ));
        assertRefused(Errno.EOPNOTSUPP, () -> ioas.mapAt(0, rig.ram, 0, PAGE, DmaAccess.READ));
        assertRefused(Errno.EOPNOTSUPP, () -> ioas.mapOnDemand(0, rig.ram, 0, PAGE, DmaAccess.READ, OnDemandOptions.PAGES));
        Ioas source = rig.mappedIoas(1);
        assertRefused(Errno.EOPNOTSUPP, () -> ioas.copy(source, 1 << 20, PAGE, DmaAccess.READ));
        assertRefused(Errno.EOPNOTSUPP, () -> ioas.copyAt(0, source, 1 << 20, PAGE, DmaAccess.READ));
        assertRefused(Errno.ENOENT, () -> ioas.unmap(0, PAGE));
        assertThat(ioas.unmapAll()).isZero();
        assertRefused(Errno.EOPNOTSUPP, () -> rig.context.allocateHwpt(device, ioas, HwptOptions.withDirtyTracking()));
        PagingHwpt hwpt = (PagingHwpt) device.attached().orElseThrow();
        assertRefused(Errno.EOPNOTSUPP, () -> hwpt.split(0, PAGE, PAGE));
    }

    @Test
    void absentPagesAreFaultedInByTheHypervisor() throws Exception {
        ept.populates = true;
        assertThat(rig.reaches(port, GUEST, 32 * PAGE + GUEST)).isTrue();
        assertThat(ept.asked).containsExactly(GUEST);
        ept.populates = false;
        ept.unmap(GUEST);
        assertThat(write(port, GUEST)).isEqualTo(DmaStatus.FAULTED);
        ept.breaks = true;
        assertThat(write(port, GUEST)).as("whose table throws").isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void pasidsAndNestedTablesGoThroughItToo() {
        ept.map(GUEST, 70, true);
        device.detach();
        Hwpt forPasids = rig.context.allocateHwpt(device, ioas, HwptOptions.forPasid());
        device.attach(new Pasid(4), forPasids);
        assertThat(rig.reaches(endpoint.openPort(new Pasid(4)), GUEST, 70 * PAGE)).isTrue();
        device.detach(new Pasid(4));
        PagingHwpt parent = rig.context.allocateHwpt(device, ioas, HwptOptions.asNestParent());
        device.attach(rig.context.allocateNestedHwpt(device, parent, Rig.shiftedBy(3 * PAGE), Optional.empty()));
        assertThat(rig.reaches(port, GUEST - 3 * PAGE, 70 * PAGE)).isTrue();
        ept.map(GUEST, 71, true);
        assertThat(rig.reaches(port, GUEST - 3 * PAGE, 71 * PAGE)).isTrue();
    }

    @Test
    void onceChangedNoDmaReachesWhatWasThere() throws Exception {
        ept.populates = true;
        AtomicBoolean stop = new AtomicBoolean();
        var adds = onItsThread(() -> {
            long done = 0;
            while (!stop.get()) {
                port.fetchAndAdd(GUEST, 1);
                assertThat(port.status()).isEqualTo(DmaStatus.DONE);
                done++;
            }
            return done;
        });
        long sum = 0;
        for (int round = 0; round < 300; round++) {
            sum += ept.take(GUEST);   // the word of the page that is gone, read when nobody can write it any more
        }
        stop.set(true);
        long sent = adds.get(20, TimeUnit.SECONDS);
        assertThat(sum + ept.take(GUEST)).as("additions").isEqualTo(sent);
    }

    @Test
    void itMovesToHardwareThatWalksItAndToNoOther() {
        ept.map(GUEST, 80, true);
        FakeHardware second = new FakeHardware("second", "fake");
        second.walks = StageTwoTable.Format.ARM_STAGE_2;
        rig.engine.add(second);
        assertRefused(Errno.EOPNOTSUPP, () -> rig.engine.swap().swap("first", "second"));
        assertThat(rig.reaches(port, GUEST, 80 * PAGE)).isTrue();
        second.walks = StageTwoTable.Format.EPT;
        rig.engine.swap().swap("first", "second");
        assertThat(rig.reaches(port, GUEST, 80 * PAGE)).isTrue();
        assertThat(ept.listeners).as("one table each").hasSize(1);
        ept.map(GUEST, 81, true);
        assertThat(rig.reaches(port, GUEST, 81 * PAGE)).isTrue();
        rig.hardware.walks = StageTwoTable.Format.ARM_STAGE_2;
        BoundDevice other = rig.bind(2);
        assertThat(other.attached()).isEmpty();
    }

    /** Four tables one below the other, in guest RAM of the test. */
    private final class Ept implements StageTwoTable {
        private static final int TABLES = 4;
        final List<ChangeListener> listeners = new CopyOnWriteArrayList<>();
        final List<Long> asked = new CopyOnWriteArrayList<>();
        volatile boolean populates;
        volatile boolean breaks;
        private final long root;
        private final long leaves;

        Ept(long root) {
            this.root = root;
            leaves = root + (TABLES - 1) * PAGE;
            for (int table = 0; table < TABLES - 1; table++) {
                HostMemory.WINDOW.set(ValueLayout.JAVA_LONG, root + table * PAGE, root + (table + 1) * PAGE | 7);
            }
        }

        synchronized void map(long guest, int ramPage, boolean writable) {
            HostMemory.WINDOW.set(ValueLayout.JAVA_LONG, leaves + guest / PAGE * 8, root + ramPage * PAGE | (writable ? 3 : 1));
            changed(guest);
        }

        synchronized void unmap(long guest) {
            HostMemory.WINDOW.set(ValueLayout.JAVA_LONG, leaves + guest / PAGE * 8, 0);
            changed(guest);
        }

        /** Unmaps, and takes what was counted in the page. */
        synchronized long take(long guest) {
            unmap(guest);
            long word = 32 * PAGE + guest;
            long found = rig.ram.segment().get(ValueLayout.JAVA_LONG, word);
            rig.ram.segment().set(ValueLayout.JAVA_LONG, word, 0);
            return found;
        }

        private void changed(long guest) {
            listeners.forEach(listener -> listener.changed(guest, guest + PAGE - 1, false));
        }

        @Override
        public Format format() {
            return Format.EPT;
        }

        @Override
        public long root() {
            return root;
        }

        @Override
        public UserMemory.Subscription onChange(ChangeListener listener) {
            listeners.add(listener);
            return () -> listeners.remove(listener);
        }

        @Override
        public synchronized boolean populate(long address, DmaAccess access) {
            if (breaks) {
                throw new IllegalStateException("a hypervisor that breaks");
            }
            if (populates) {
                asked.add(address);
                HostMemory.WINDOW.set(ValueLayout.JAVA_LONG, leaves + address / PAGE * 8, root + 32 * PAGE + address | 3);
            }
            return populates;
        }
    }
}
