package vmm.qtest.device;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import vmm.qtest.TextClient;
import vmm.qtest.board.FakeIommu;
import vmm.qtest.board.Virt;

/** iommu-testdev as its document describes it, in front of an IOMMU that adds, and without one. */
class IommuTestDeviceTest {
    private static final long BAR = 0x1000_0000L;
    private static final long CONFIG = Virt.CONFIG + (1 << 15);
    private static final long RAM = Virt.RAM;
    private static final int NON_SECURE = 0xa;

    private static TextClient enabled(String machineOptions) throws Exception {
        TextClient client = TextClient.virt(machineOptions, "-m 4 -device iommu-testdev");
        client.tell("writel 0x%x 0x%x", CONFIG + 0x10, BAR);
        client.tell("writew 0x%x 6", CONFIG + 4);
        return client;
    }

    private static void prepare(TextClient client, long iova, long address, long length, int attributes) {
        client.tell("writel 0x%x 0x%x", BAR + 0x04, iova & 0xffff_ffffL);
        client.tell("writel 0x%x 0x%x", BAR + 0x08, iova >>> 32);
        client.tell("writel 0x%x 0x%x", BAR + 0x1c, address & 0xffff_ffffL);
        client.tell("writel 0x%x 0x%x", BAR + 0x20, address >>> 32);
        client.tell("writel 0x%x 0x%x", BAR + 0x0c, length);
        client.tell("writel 0x%x 0x%x", BAR + 0x18, attributes);
    }

    private static long run(TextClient client) {
        client.tell("writel 0x%x 1", BAR + 0x14);
        assertThat(client.number("readl 0x%x", BAR + 0x10)).isEqualTo(0xffff_fffeL);
        assertThat(client.number("readl 0x%x", BAR)).isZero();
        return client.number("readl 0x%x", BAR + 0x10);
    }

    @Test
    void writesThroughTheIommuAndLooksPastIt() throws Exception {
        try (TextClient client = enabled(",iommu=smmuv3")) {
            prepare(client, FakeIommu.DISTANCE + RAM + 0x123, RAM + 0x123, 6, NON_SECURE);
            assertThat(run(client)).isZero();
            assertThat(client.ask("read 0x%x 8", RAM + 0x122)).isEqualTo("OK 0x0078563412785600");
            prepare(client, RAM, RAM, 4, NON_SECURE);
            assertThat(run(client)).as("refused").isEqualTo(0xdead_0002L);
            prepare(client, FakeIommu.DISTANCE + RAM, RAM + 0x1000, 4, NON_SECURE);
            assertThat(run(client)).as("somewhere else").isEqualTo(0xdead_0004L);
            prepare(client, FakeIommu.DISTANCE + RAM, RAM - 4, 4, NON_SECURE);
            assertThat(run(client)).as("nowhere").isEqualTo(0xdead_0003L);
        }
    }

    @Test
    void longTransfersAreCompleteOrRefused() throws Exception {
        try (TextClient client = enabled(",iommu=smmuv3")) {
            prepare(client, FakeIommu.DISTANCE + RAM + 1, RAM + 1, 0x20_0001, NON_SECURE);
            assertThat(run(client)).isZero();
            assertThat(client.ask("read 0x%x 4", RAM + 0x20_0000)).isEqualTo("OK 0x12780000");
            prepare(client, FakeIommu.DISTANCE + RAM, RAM, 0xffff_ffffL, NON_SECURE);
            assertThat(run(client)).as("longer than RAM").isEqualTo(0xdead_0002L);
            prepare(client, -2, RAM, 0x4, NON_SECURE);
            assertThat(run(client)).as("around the end").isEqualTo(0xdead_0002L);
        }
    }

    @Test
    void withoutAnIommuAddressesAreAddresses() throws Exception {
        try (TextClient client = enabled("")) {
            prepare(client, RAM + 8, RAM + 8, 4, 0);
            assertThat(run(client)).isZero();
            prepare(client, RAM - 2, RAM - 2, 4, 0);
            assertThat(run(client)).isEqualTo(0xdead_0002L);
        }
    }

    @Test
    void whatIsNotArmedOrMakesNoSenseIsSaid() throws Exception {
        try (TextClient client = enabled(",iommu=smmuv3")) {
            assertThat(client.number("readl 0x%x", BAR + 0x10)).as("idle").isEqualTo(0xffff_ffffL);
            client.number("readl 0x%x", BAR);
            assertThat(client.number("readl 0x%x", BAR + 0x10)).isEqualTo(0xdead_0005L);
            prepare(client, FakeIommu.DISTANCE + RAM, RAM, 0, NON_SECURE);
            assertThat(run(client)).isEqualTo(0xdead_0001L);
            client.number("readl 0x%x", BAR);
            assertThat(client.number("readl 0x%x", BAR + 0x10)).as("an error disarms as well").isEqualTo(0xdead_0005L);
            prepare(client, FakeIommu.DISTANCE + RAM, RAM, 4, 0xb);
            assertThat(run(client)).as("secure, in the non-secure space").isEqualTo(0xdead_0006L);
            prepare(client, FakeIommu.DISTANCE + RAM, RAM, 4, 0x8);
            assertThat(run(client)).as("non-secure, in the secure space").isEqualTo(0xdead_0006L);
            prepare(client, FakeIommu.DISTANCE + RAM, RAM, 4, 0x9);
            assertThat(run(client)).as("secure: no such side").isEqualTo(0xdead_0002L);
            client.tell("writel 0x%x 1", BAR + 0x14);
            client.tell("writel 0x%x 0", BAR + 0x14);
            assertThat(client.number("readl 0x%x", BAR + 0x10)).isEqualTo(0xffff_ffffL);
            assertThat(client.number("readl 0x%x", RAM)).as("nothing was written").isZero();
        }
    }

    @Test
    void onlyABusMasterDoesDma() throws Exception {
        try (TextClient client = enabled("")) {
            client.tell("writew 0x%x 2", CONFIG + 4);
            prepare(client, RAM, RAM, 4, 0);
            assertThat(run(client)).isEqualTo(0xdead_0002L);
        }
    }

    @Test
    void registersAreWordsAndResetClearsThem() throws Exception {
        try (TextClient client = enabled("")) {
            prepare(client, 0x1122_3344_5566_7788L, 0x8877_6655_4433_2211L, 5, 0xff);
            assertThat(client.number("readq 0x%x", BAR + 4)).isEqualTo(0x1122_3344_5566_7788L);
            assertThat(client.number("readq 0x%x", BAR + 0x1c)).isEqualTo(0x8877_6655_4433_2211L);
            assertThat(client.number("readb 0x%x", BAR + 0x0c)).as("too small").isEqualTo(0xff);
            client.tell("writeb 0x%x 0", BAR + 0x0c);
            assertThat(client.number("readl 0x%x", BAR + 0x0c)).isEqualTo(5);
            assertThat(client.number("readl 0x%x", BAR + 0xffc)).isZero();
            client.board.reset();
            client.tell("writel 0x%x 0x%x", CONFIG + 0x10, BAR);
            client.tell("writew 0x%x 6", CONFIG + 4);
            assertThat(client.number("readq 0x%x", BAR + 4)).isZero();
            assertThat(client.number("readl 0x%x", BAR + 0x18)).isEqualTo(2);
        }
    }
}
