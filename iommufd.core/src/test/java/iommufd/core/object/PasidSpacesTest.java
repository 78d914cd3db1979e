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
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.core.fake.FakeHardware;
import iommufd.core.fake.Rig;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Address spaces and page tables, several of them behind the PASIDs of one device. */
@Timeout(60)
class PasidSpacesTest {
    private static final long IOVA = 1 << 20;
    private static final int BITS = 8;
    private final Rig rig = new Rig();
    private DmaEndpoint endpoint;
    private BoundDevice device;

    @BeforeEach
    void open() {
        endpoint = rig.plug(1, 1, BITS, false);
        device = rig.context.bind(endpoint);
    }

    @AfterEach
    void close() {
        rig.close();
    }

    /** Shows one page of RAM, a different one each. */
    private Ioas space(int page) {
        Ioas ioas = rig.context.allocateIoas();
        ioas.setForPasids(true);
        ioas.mapAt(IOVA, rig.ram, page * PAGE, PAGE, DmaAccess.READ_WRITE);
        return ioas;
    }

    private DmaPort port(int pasid) {
        return endpoint.openPort(new Pasid(pasid));
    }

    /** The common pool may have one thread only. */
    private static <T> CompletableFuture<T> onItsThread(Supplier<T> task) {
        return CompletableFuture.supplyAsync(task, run -> Thread.ofPlatform().daemon().start(run));
    }

    @Test
    void everyPasidReachesItsOwnAddressSpaceAndNoOther() {
        DmaPort[] ports = new DmaPort[8];
        for (int pasid = 0; pasid < ports.length; pasid++) {
            Hwpt made = device.attach(new Pasid(pasid), space(pasid));
            assertThat(((PagingHwpt) made).automatic()).isTrue();
            assertThat(device.attached(new Pasid(pasid))).contains(made);
            ports[pasid] = port(pasid);
        }
        Ioas forRid = space(20);
        device.attach(forRid);
        assertThat(rig.reaches(endpoint.openPort(), IOVA, 20 * PAGE)).isTrue();
        for (int pasid = 0; pasid < ports.length; pasid++) {
            assertThat(rig.reaches(ports[pasid], IOVA, pasid * PAGE)).isTrue();
        }
        device.detach(new Pasid(3));
        assertThat(rig.reaches(ports[3], IOVA, 3 * PAGE)).isFalse();
        assertThat(ports[3].lastFault()).get().returns(DmaFault.Kind.BLOCKED, DmaFault::kind);
        assertThat(rig.reaches(ports[4], IOVA, 4 * PAGE)).isTrue();
        assertThat(device.attached(new Pasid(3))).isEmpty();
        device.detach();
        assertThat(rig.reaches(ports[5], IOVA, 5 * PAGE)).as("without the device's own attachment").isTrue();
    }

    @Test
    void twoPasidsMayShareAnAddressSpaceAndItsTable() {
        Ioas ioas = space(1);
        Hwpt first = device.attach(new Pasid(1), ioas);
        assertThat(device.attach(new Pasid(2), ioas)).isSameAs(first);
        assertThat(device.attach(ioas)).isSameAs(first);
        device.detach(new Pasid(1));
        assertThat(rig.reaches(port(2), IOVA, PAGE)).isTrue();
        device.detach();
        device.detach(new Pasid(2));
        ioas.destroy();   // its automatic table went with the last attachment
    }

    @Test
    void replaceLeavesNoMomentWithoutTranslation() throws Exception {
        Ioas first = space(1);
        Ioas second = space(2);
        Pasid pasid = new Pasid(7);
        device.attach(pasid, first);
        DmaPort port = port(7);
        AtomicBoolean stop = new AtomicBoolean();
        var writes = onItsThread(() -> {
            MemorySegment bytes = MemorySegment.ofArray(new byte[8]);
            DmaStatus last = DmaStatus.DONE;
            while (!stop.get() && last == DmaStatus.DONE) {
                last = port.write(IOVA, bytes, 0, 8);
            }
            return last;
        });
        for (int round = 0; round < 300; round++) {
            device.replace(pasid, round % 2 == 0 ? second : first);
        }
        stop.set(true);
        assertThat(writes.get(10, TimeUnit.SECONDS)).isEqualTo(DmaStatus.DONE);
        assertThat(rig.reaches(port, IOVA, PAGE)).isTrue();
        PagingHwpt own = rig.context.allocateHwpt(device, second, HwptOptions.forPasid());
        device.replace(pasid, own);
        assertThat(rig.reaches(port, IOVA, 2 * PAGE)).isTrue();
        device.replace(pasid, first);
        assertThat(rig.reaches(port, IOVA, PAGE)).isTrue();
        own.destroy();
        second.destroy();
    }

    @Test
    void withoutTheFlagTheAnswerIsThatOfLinux() {
        Ioas plain = rig.mappedIoas(1);
        assertRefused(Errno.EINVAL, () -> device.attach(new Pasid(1), plain));
        device.attach(plain);
        Ioas flagged = space(1);
        assertRefused(Errno.EINVAL, () -> device.attach(new Pasid(1), flagged));
        assertThat(device.attached(new Pasid(1))).isEmpty();
        assertThat(rig.reaches(endpoint.openPort(), IOVA, 0)).as("the device's own attachment").isTrue();
        plain.setForPasids(true);
        Hwpt former = device.attached().orElseThrow();
        assertThat(device.replace(plain)).as("a table that lets PASIDs be").isNotSameAs(former);
        device.attach(new Pasid(1), flagged);
        assertThat(rig.reaches(port(1), IOVA, PAGE)).isTrue();
        Ioas other = rig.mappedIoas(1);
        assertRefused(Errno.EINVAL, () -> device.replace(other));
        assertThat(rig.reaches(endpoint.openPort(), IOVA, 0)).isTrue();
        plain.setForPasids(false);
        assertRefused(Errno.EINVAL, () -> device.replace(new Pasid(1), plain));
        assertThat(rig.reaches(port(1), IOVA, PAGE)).isTrue();
    }

    @Test
    void badPasidsAreRefused() {
        Ioas ioas = space(1);
        assertRefused(Errno.EINVAL, () -> device.attach(new Pasid(1 << BITS), ioas));
        assertRefused(Errno.EINVAL, () -> device.replace(new Pasid(1 << BITS), ioas));
        assertRefused(Errno.EINVAL, () -> device.replace(new Pasid(1), ioas));
        device.attach(new Pasid((1 << BITS) - 1), ioas);
        assertRefused(Errno.EBUSY, () -> device.attach(new Pasid((1 << BITS) - 1), ioas));
        device.detach(new Pasid(1 << BITS - 1));   // attached to nothing: no error
        BoundDevice without = rig.bind(2);
        assertRefused(Errno.EINVAL, () -> without.attach(new Pasid(1), ioas));
        assertThat(ioas.forPasids()).isTrue();
        ioas.mapAt(IOVA + PAGE, rig.ram, 0, PAGE, DmaAccess.READ);
    }

    @Test
    void attachmentsOfPasidsMoveWithTheHardware() {
        device.attach(new Pasid(1), space(1));
        device.attach(new Pasid(2), space(2));
        DmaPort one = port(1);
        DmaPort two = port(2);
        rig.engine.add(new FakeHardware("second", "fake"));
        rig.engine.swap().swap("first", "second");
        assertThat(rig.reaches(one, IOVA, PAGE)).isTrue();
        assertThat(rig.reaches(two, IOVA, 2 * PAGE)).isTrue();
        device.destroy();
        assertThat(rig.reaches(one, IOVA, PAGE)).isFalse();
    }
}
