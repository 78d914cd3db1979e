package vfio.adapter;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.node.OpenNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;
import vfio.adapter.uapi.VfioIrqInfo;
import vfio.adapter.uapi.VfioIrqSet;
import vfio.device.Interrupts;

/** What a device does for each request of its driver allocates nothing. */
class HotPathTest {
    private static final int ROUNDS = 20_000;

    private static void run(DmaPort port, Interrupts interrupts, MemorySegment buffer) {
        for (int i = 0; i < ROUNDS; i++) {
            if (port.read(1 << 20, buffer, 0, 512) != DmaStatus.DONE || port.write((1 << 20) + 4096, buffer, 0, 512) != DmaStatus.DONE) {
                throw new AssertionError("DMA failed");
            }
            interrupts.message(0);
        }
    }

    @Test
    void dmaAndMessagesAllocateNothing() {
        try (Rig rig = new Rig()) {
            TestDevice model = TestDevice.at(0, 5);
            OpenNode file = rig.ready(rig.add(model));
            int eventfd = rig.client.eventfd();
            assertThat(rig.setIrqs(file, VfioIrqSet.VFIO_IRQ_SET_ACTION_TRIGGER | VfioIrqSet.VFIO_IRQ_SET_DATA_EVENTFD, VfioIrqInfo.VFIO_PCI_MSIX_IRQ_INDEX,
                    0, 1, eventfd)).isEqualTo("0");
            DmaPort port = model.running.port;
            Interrupts interrupts = model.running.host.interrupts();
            MemorySegment buffer = Arena.ofAuto().allocate(4096);
            for (int i = 0; i < 5; i++) {
                run(port, interrupts, buffer);
            }
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long before = threads.getCurrentThreadAllocatedBytes();
            run(port, interrupts, buffer);
            long allocated = threads.getCurrentThreadAllocatedBytes() - before;
            assertThat((double) allocated / ROUNDS).as("bytes for two requests and a message").isLessThan(1);
            assertThat(rig.client.eventfd(eventfd).read()).isEqualTo(6 * ROUNDS);
            file.close();
        }
    }
}
