package vdpa.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import vdpa.adapter.uapi.VhostRequest;
import vdpa.adapter.uapi.VirtioStatus;

/** Rings from end to end: what a client writes, maps, kicks, and is called for. */
class QueueTest {
    private final Rig rig = Rig.owned(LoopbackDevice.full(3));
    private final int kick = rig.client.eventfd();
    private final int call = rig.client.eventfd();
    private final int error = rig.client.eventfd();

    @AfterEach
    void close() {
        rig.close();
    }

    private void eventfds(int queue) {
        assertThat(rig.request(VhostRequest.VHOST_SET_VRING_KICK, queue, kick)).isEqualTo("0");
        assertThat(rig.request(VhostRequest.VHOST_SET_VRING_CALL, queue, call)).isEqualTo("0");
        assertThat(rig.request(VhostRequest.VHOST_SET_VRING_ERR, queue, error)).isEqualTo("0");
    }

    private void running(int queue, int base) {
        rig.negotiate();
        rig.placeQueue(queue, base);
        eventfds(queue);
        assertThat(rig.status(15)).isEqualTo("0");
    }

    private void passes(int index, int value) {
        rig.offer(index, (byte) value);
        rig.client.eventfd(kick).write();
        assertThat(rig.client.eventfd(call).read()).isEqualTo(1);
        assertThat(rig.arrived()).isEqualTo((byte) value);
        assertThat(rig.usedIndex()).isEqualTo(index + 1);
    }

    private int base(int queue) {
        assertThat(rig.request(VhostRequest.VHOST_GET_VRING_BASE, queue)).isEqualTo("0");
        return rig.answer(1);
    }

    @Test
    void buffersGoThroughTheIommu() {
        rig.map(0);
        running(0, 5);
        passes(5, 11);
        passes(6, 12);
        assertThat(base(0)).isEqualTo(7);
    }

    @Test
    void kicksBeforeTheDriverIsReadyAreNothing() {
        rig.map(0);
        rig.negotiate();
        rig.placeQueue(0, 0);
        eventfds(0);
        rig.offer(0, (byte) 1);
        rig.client.eventfd(kick).write();
        assertThat(rig.client.eventfd(call).read()).isZero();
        assertThat(rig.status(15)).isEqualTo("0");
        passes(0, 2);
    }

    @Test
    void enablingTwiceChangesNothingAndDisablingKeepsTheState() {
        rig.map(0);
        running(0, 0);
        passes(0, 1);
        assertThat(rig.request(VhostRequest.VHOST_VDPA_SET_VRING_ENABLE, 0, 1)).isEqualTo("0");
        passes(1, 2);
        assertThat(rig.request(VhostRequest.VHOST_VDPA_SET_VRING_ENABLE, 0, 0)).isEqualTo("0");
        rig.offer(2, (byte) 3);
        rig.client.eventfd(kick).write();
        assertThat(rig.client.eventfd(call).read()).isZero();
        assertThat(base(0)).isEqualTo(2);
        assertThat(rig.request(VhostRequest.VHOST_VDPA_SET_VRING_ENABLE, 0, 1)).isEqualTo("0");
        passes(2, 3);
    }

    @Test
    void aSuspendedDeviceKeepsStillAndMayBeMoved() {
        rig.map(0);
        running(0, 0);
        passes(0, 1);
        assertThat(rig.request(VhostRequest.VHOST_SET_VRING_BASE, 0, 9)).isEqualTo("EINVAL");
        assertThat(rig.request(VhostRequest.VHOST_VDPA_SUSPEND)).isEqualTo("0");
        rig.offer(1, (byte) 2);
        rig.client.eventfd(kick).write();
        assertThat(rig.client.eventfd(call).read()).isZero();
        assertThat(base(0)).isEqualTo(1);
        assertThat(rig.request(VhostRequest.VHOST_SET_VRING_BASE, 0, 20)).isEqualTo("0");
        assertThat(base(0)).isEqualTo(20);
        rig.offer(20, (byte) 7);
        assertThat(rig.request(VhostRequest.VHOST_VDPA_RESUME)).isEqualTo("0");
        assertThat(rig.client.eventfd(call).read()).as("resuming looks at the ring by itself").isEqualTo(1);
        assertThat(rig.arrived()).isEqualTo((byte) 7);
        assertThat(base(0)).isEqualTo(21);
    }

    @Test
    void stateMovesToAnotherInstance() {
        rig.map(0);
        running(0, 0);
        passes(0, 1);
        rig.request(VhostRequest.VHOST_VDPA_SUSPEND);
        int saved = base(0);
        assertThat(rig.status(0)).isEqualTo("0");
        assertThat(base(0)).as("after the reset").isZero();
        running(0, saved);
        passes(1, 2);
    }

    @Test
    void whatIsNotMappedMakesTheDeviceNeedAReset() {
        int config = rig.client.eventfd();
        assertThat(rig.request(VhostRequest.VHOST_VDPA_SET_CONFIG_CALL, config)).isEqualTo("0");
        rig.map(0);
        running(0, 0);
        passes(0, 1);
        assertThat(rig.invalidate(0, Rig.IOVA, 1)).isEqualTo("72");
        rig.client.eventfd(kick).write();
        assertThat(rig.status() & VirtioStatus.NEEDS_RESET).isNotZero();
        assertThat(rig.client.eventfd(config).read()).isEqualTo(1);
        assertThat(rig.client.eventfd(error).read()).isEqualTo(1);
        assertThat(rig.status(0)).isEqualTo("0");
        assertThat(rig.status()).isZero();
        rig.map(0);
        running(0, 0);
        passes(0, 5);
    }

    /** VMMs exchange it after DRIVER_OK; what the device called in between would be lost. */
    @Test
    void whoeverTakesTheCallsOfARunningQueueIsCalledOnce() {
        int next = rig.client.eventfd();
        rig.map(0);
        running(0, 0);
        passes(0, 1);
        assertThat(rig.request(VhostRequest.VHOST_SET_VRING_CALL, 0, next)).isEqualTo("0");
        assertThat(rig.client.eventfd(next).read()).isEqualTo(1);
        assertThat(rig.client.eventfd(call).read()).isZero();
        assertThat(rig.request(VhostRequest.VHOST_SET_VRING_CALL, 1, call)).isEqualTo("0");
        assertThat(rig.client.eventfd(call).read()).as("of a queue that does not run").isZero();
        rig.offer(1, (byte) 2);
        rig.client.eventfd(kick).write();
        assertThat(rig.client.eventfd(next).read()).isEqualTo(1);
    }

    private void batch(int type) {
        assertThat(rig.write(Rig.message(2, 0, type, 0, 0, 0, 0))).isEqualTo("72");
    }

    private void assertKicksAreKept(int index, int value) {
        rig.offer(index, (byte) value);
        rig.client.eventfd(kick).write();
        assertThat(rig.client.eventfd(call).read()).isZero();
        assertThat(rig.status() & VirtioStatus.NEEDS_RESET).isZero();
    }

    private void assertPassed(int index, int value) {
        assertThat(rig.client.eventfd(call).read()).isEqualTo(1);
        assertThat(rig.arrived()).isEqualTo((byte) value);
        assertThat(rig.usedIndex()).isEqualTo(index + 1);
    }

    /** As QEMU does when its guest moves a region: all memory goes, and comes again in other pieces. */
    @Test
    void aBatchThatUnmapsIsAllOrNothingForTheDevice() {
        rig.map(0);
        running(0, 0);
        passes(0, 1);
        batch(5);
        assertThat(rig.invalidate(0, Rig.IOVA, 1)).isEqualTo("72");
        assertKicksAreKept(1, 2);
        rig.map(0);
        assertKicksAreKept(1, 3);
        batch(6);
        assertPassed(1, 3);
        passes(2, 4);
        batch(6);
        passes(3, 5);
    }

    @Test
    void suspendingAndBatchesDoNotEndEachOther() {
        rig.map(0);
        running(0, 0);
        assertThat(rig.request(VhostRequest.VHOST_VDPA_SUSPEND)).isEqualTo("0");
        batch(5);
        assertThat(rig.invalidate(0, Rig.IOVA, 1)).isEqualTo("72");
        rig.map(0);
        batch(6);
        assertKicksAreKept(0, 1);
        batch(5);
        assertThat(rig.invalidate(0, Rig.IOVA, 1)).isEqualTo("72");
        assertThat(rig.request(VhostRequest.VHOST_VDPA_RESUME)).isEqualTo("0");
        assertKicksAreKept(0, 2);
        rig.map(0);
        batch(6);
        assertPassed(0, 2);
        batch(5);
        assertThat(rig.invalidate(0, Rig.IOVA, 1)).isEqualTo("72");
        assertThat(rig.status(0)).isEqualTo("0");
        rig.map(0);
        running(0, 0);
        passes(0, 6);
    }

    @Test
    void mappingsSurviveAReset() {
        rig.map(0);
        assertThat(rig.status(0)).isEqualTo("0");
        running(1, 0);
        passes(0, 1);
    }

    @Test
    void groupsAreInAddressSpacesOfTheirOwn() {
        rig.requestLong(VhostRequest.VHOST_SET_BACKEND_FEATURES, 0xe);
        assertThat(rig.request(VhostRequest.VHOST_VDPA_SET_GROUP_ASID, 1, 1)).isEqualTo("0");
        assertThat(rig.request(VhostRequest.VHOST_VDPA_SET_GROUP_ASID, 2, 2)).isEqualTo("0");
        rig.map(1);
        assertThat(rig.update(2, Rig.IOVA, 0x2000, TestClient.BUFFER, 3)).isEqualTo("72");
        running(2, 0);
        passes(0, 1);
        assertThat(rig.request(VhostRequest.VHOST_VDPA_SET_GROUP_ASID, 1, 0)).isEqualTo("EBUSY");
        assertThat(rig.invalidate(1, 0, 0)).isEqualTo("72");
        rig.offer(1, (byte) 9);
        rig.client.eventfd(kick).write();
        assertThat(rig.arrived()).isZero();
        assertThat(rig.status() & VirtioStatus.NEEDS_RESET).isNotZero();
    }
}
