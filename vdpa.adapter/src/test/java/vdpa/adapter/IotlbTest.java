package vdpa.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import vdpa.adapter.uapi.VhostRequest;

/** Messages that fill address spaces. */
class IotlbTest {
    private static final int PAGE = 4096;
    private final Rig rig = Rig.owned(LoopbackDevice.full(4));
    private final MemorySegment bytes = Arena.ofAuto().allocate(8);

    @AfterEach
    void close() {
        rig.close();
    }

    private void withAsids() {
        assertThat(rig.requestLong(VhostRequest.VHOST_SET_BACKEND_FEATURES, 0xe)).isEqualTo("0");
    }

    private boolean reaches(long iova) {
        try (DmaPort port = rig.model.running.host.openPort(0)) {
            return port.read(iova, bytes, 0, 8) == DmaStatus.DONE;
        }
    }

    private boolean writes(long iova) {
        try (DmaPort port = rig.model.running.host.openPort(0)) {
            return port.write(iova, bytes, 0, 8) == DmaStatus.DONE;
        }
    }

    @Test
    void bothVersionsMap() {
        assertThat(rig.write(Rig.message(1, 99, 2, 0x1000, PAGE, TestClient.BUFFER, 3))).as("version 1 has no address spaces").isEqualTo("72");
        assertThat(rig.write(Rig.message(2, 99, 2, 0x2000, PAGE, TestClient.BUFFER, 3))).as("nor has version 2 unless negotiated").isEqualTo("72");
        assertThat(reaches(0x1000) && reaches(0x2000)).isTrue();
        assertThat(rig.write(Rig.message(1, 0, 3, 0x1000, PAGE, 0, 0))).isEqualTo("72");
        assertThat(reaches(0x1000)).isFalse();
        assertThat(reaches(0x2000)).isTrue();
    }

    @Test
    void accessIsWhatTheMessageSays() {
        assertThat(rig.update(0, 0x1000, PAGE, TestClient.BUFFER, 1)).isEqualTo("72");
        assertThat(reaches(0x1000)).isTrue();
        assertThat(writes(0x1000)).isFalse();
        assertThat(rig.update(0, 0x3000, PAGE, TestClient.BUFFER, 0)).isEqualTo("EFAULT");
        assertThat(rig.update(0, 0x3000, PAGE, TestClient.BUFFER, 4)).isEqualTo("EFAULT");
    }

    @Test
    void malformedMessages() {
        assertThat(rig.write(MemorySegment.ofArray(new byte[3]))).isEqualTo("EINVAL");
        assertThat(rig.write(MemorySegment.ofArray(new byte[0]))).isEqualTo("EINVAL");
        assertThat(rig.write(Rig.message(3, 0, 2, 0, PAGE, 0, 3))).isEqualTo("EINVAL");
        assertThat(rig.write(Rig.message(2, 0, 2, 0x1000, PAGE, TestClient.BUFFER, 3).asSlice(0, 39))).isEqualTo("EINVAL");
        assertThat(rig.write(Rig.message(2, 0, 2, 0x1000, PAGE, TestClient.BUFFER, 3).asSlice(0, 40))).isEqualTo("40");
        assertThat(rig.update(0, 0x5000, 0, TestClient.BUFFER, 3)).isEqualTo("EINVAL");
        assertThat(rig.write(Rig.message(2, 0, 1, 0x1000, PAGE, 0, 3))).as("a miss is the device's to say").isEqualTo("EFAULT");
        assertThat(rig.write(Rig.message(2, 0, 77, 0x1000, PAGE, 0, 3))).isEqualTo("EFAULT");
    }

    @Test
    void rangesThatCannotBe() {
        assertThat(rig.update(0, -PAGE, 2 * PAGE, TestClient.BUFFER, 3)).as("wraps around").isEqualTo("EFAULT");
        assertThat(rig.update(0, 1L << 60, PAGE, TestClient.BUFFER, 3)).as("beyond the IOMMU").isEqualTo("EFAULT");
        assertThat(rig.update(0, 0, -1, TestClient.BUFFER, 3)).isEqualTo("EFAULT");
        assertThat(rig.update(0, 0x1000, PAGE, 0x1000, 3)).as("no memory of the client").isEqualTo("EFAULT");
        assertThat(rig.update(0, 0x1000, PAGE, TestClient.BUFFER, 3)).isEqualTo("72");
        assertThat(rig.update(0, 0x1000, PAGE, TestClient.BUFFER, 3)).as("mapped").isEqualTo("EFAULT");
        assertThat(rig.update(0, 0, 16 * PAGE, TestClient.BUFFER, 3)).as("mapped, inside").isEqualTo("EFAULT");
        assertThat(reaches(0x1000)).isTrue();
        assertThat(reaches(0)).isFalse();
    }

    @Test
    void wholePagesAreMappedAndWholeMappingsUnmapped() {
        assertThat(rig.update(0, 0x1010, 0x20, TestClient.BUFFER, 3)).isEqualTo("72");
        assertThat(reaches(0x1800)).isTrue();
        assertThat(rig.update(0, 0x4000, 4 * PAGE, TestClient.BUFFER, 3)).isEqualTo("72");
        assertThat(rig.invalidate(0, 0x5000, 1)).isEqualTo("72");
        assertThat(reaches(0x4000)).isFalse();
        assertThat(rig.invalidate(0, 0x5000, 1)).as("nothing there").isEqualTo("72");
        assertThat(rig.invalidate(0, 0x1000, 0)).as("an empty range inside no mapping").isEqualTo("72");
        assertThat(reaches(0x1000)).isTrue();
        assertThat(rig.invalidate(0, 0, 0)).as("everything").isEqualTo("72");
        assertThat(reaches(0x1000)).isFalse();
    }

    @Test
    void addressSpacesAndBatches() {
        withAsids();
        assertThat(rig.invalidate(1, 0, PAGE)).as("never filled").isEqualTo("EFAULT");
        assertThat(rig.invalidate(0, 0, PAGE)).as("nor this one").isEqualTo("EFAULT");
        assertThat(rig.write(Rig.message(2, 0, 6, 0, 0, 0, 0))).as("a batch that nobody began").isEqualTo("EFAULT");
        assertThat(rig.update(3, 0x1000, PAGE, TestClient.BUFFER, 3)).isEqualTo("EFAULT");
        assertThat(rig.update(-1, 0x1000, PAGE, TestClient.BUFFER, 3)).isEqualTo("EFAULT");
        assertThat(rig.write(Rig.message(2, 1, 5, 0, 0, 0, 0))).isEqualTo("72");
        assertThat(rig.update(1, 0x1000, PAGE, TestClient.BUFFER, 3)).isEqualTo("72");
        assertThat(rig.update(0, 0x1000, PAGE, TestClient.BUFFER, 3)).as("of another address space").isEqualTo("EFAULT");
        assertThat(rig.write(Rig.message(2, 0, 6, 0, 0, 0, 0))).isEqualTo("EFAULT");
        assertThat(rig.write(Rig.message(2, 1, 6, 0, 0, 0, 0))).isEqualTo("72");
        assertThat(rig.update(0, 0x2000, PAGE, TestClient.BUFFER, 3)).isEqualTo("72");
        assertThat(reaches(0x2000)).isTrue();
        assertThat(reaches(0x1000)).as("that is in the other one").isFalse();
    }
}
