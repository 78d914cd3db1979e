package vfio.adapter.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.device.AtsCapability;
import vfio.device.Bar;
import vfio.device.MsiCapability;
import vfio.device.MsixCapability;
import vfio.device.PageRequestCapability;
import vfio.device.PasidCapability;
import vfio.device.PciExpressCapability;
import vfio.device.PciFunction;
import vfio.device.PciIds;
import vfio.device.PowerManagementCapability;
import vfio.device.SerialNumberCapability;
import vfio.device.SriovCapability;
import vfio.device.VendorCapability;

/** What a driver reads and writes in a configuration space. */
class ConfigSpaceTest {
    private static final int COMMAND = 0x04;
    private static final int BAR_0 = 0x10;

    private final List<String> effects = new ArrayList<>();
    private final ConfigSpace config = new ConfigSpace(function().build(), new BarAddresses(3), new ConfigEffects() {
        @Override
        public void lineDisabled(boolean disabled) {
            effects.add("line disabled " + disabled);
        }

        @Override
        public void mastershipChanged() {
            effects.add("mastership");
        }

        @Override
        public void functionLevelReset() {
            effects.add("reset");
        }
    });

    private static PciFunction.Builder function() {
        return PciFunction.at(RequesterId.of(0, 1, 2, 3), new PciIds(0x8086, 0x2021, 0x1AF4, 0x1100, 0x088000, 4))
                .bar(new Bar(0, Bar.Space.MEMORY_64, 1L << 33, true, List.of())).bar(new Bar(2, Bar.Space.MEMORY_32, 4096, false, List.of()))
                .bar(Bar.ports(3, 32)).bar(Bar.trapped(4, 4096))
                .capability(new PowerManagementCapability()).capability(new MsiCapability(8, true)).capability(new PciExpressCapability(false))
                .capability(new MsixCapability(5, 4, 0, 4, 2048)).capability(new VendorCapability(new byte[] {1, 2, 3}))
                .capability(new AtsCapability(32)).capability(new PasidCapability(20, true, true)).capability(new PageRequestCapability(64))
                .capability(new SriovCapability(4, 1, 1, 0x10CA)).capability(new SerialNumberCapability(0x0102030405060708L)).interruptPin();
    }

    /** Where a capability begins, by walking the chain as drivers do. */
    private int find(int id) {
        int offset = config.read(0x34, 1);
        while (offset != 0 && config.read(offset, 1) != id) {
            offset = config.read(offset + 1, 1);
        }
        return offset;
    }

    private List<Integer> extendedIds() {
        List<Integer> ids = new ArrayList<>();
        for (int offset = 0x100; offset != 0; offset = config.read(offset, 4) >>> 20) {
            ids.add(config.read(offset, 2) & 0xFFFF);
        }
        return ids;
    }

    @Test
    void theHeaderSaysWhatTheFunctionIs() {
        assertThat(config.read(0, 4)).isEqualTo(0x20218086);
        assertThat(config.read(8, 4)).isEqualTo(0x08800004);
        assertThat(config.read(0x2C, 4)).isEqualTo(0x11001AF4);
        assertThat(config.read(0x3D, 1)).isEqualTo(1);
        assertThat(config.read(0x0E, 1)).as("type 0").isZero();
        assertThat(config.read(COMMAND, 2)).as("decodes ports and memory, sends nothing").isEqualTo(3);
        assertThat(config.read(6, 2) & 0x10).isEqualTo(0x10);
        assertThat(config.lengthBytes()).isEqualTo(4096);
    }

    @Test
    void identityCannotBeWritten() {
        for (int offset : new int[] {0, 2, 8, 0x2C, 0x34, 0x3D}) {
            int before = config.read(offset, 1);
            config.write(offset, 1, ~before);
            assertThat(config.read(offset, 1)).isEqualTo(before);
        }
        config.write(0x3C, 1, 11);
        assertThat(config.read(0x3C, 1)).as("interrupt line").isEqualTo(11);
    }

    @Test
    void barsAreSizedByWritingOnes() {
        for (int i = 0; i < 6; i++) {
            config.write(BAR_0 + i * 4, 4, -1);
        }
        assertThat(config.read(BAR_0, 4)).isEqualTo(0xC);
        assertThat(config.read(BAR_0 + 4, 4)).as("8 GiB").isEqualTo(-2);
        assertThat(config.read(BAR_0 + 8, 4)).isEqualTo(0xFFFFF000);
        assertThat(config.read(BAR_0 + 12, 4)).isEqualTo(0xFFFFFFE1);
        assertThat(config.read(BAR_0 + 16, 4)).isEqualTo(0xFFFFF004);
        assertThat(config.read(0x30, 4)).as("no expansion ROM").isZero();
        config.write(BAR_0 + 8, 4, 0xFEB01234);
        assertThat(config.read(BAR_0 + 8, 4)).isEqualTo(0xFEB01000);
    }

    @Test
    void capabilitiesAreChained() {
        assertThat(List.of(find(1), find(5), find(0x10), find(0x11), find(9))).doesNotContain(0).isSorted();
        assertThat(config.read(find(5) + 2, 2)).as("64 bits, maskable, 8 vectors").isEqualTo(0x186);
        assertThat(config.read(find(0x11) + 2, 2)).isEqualTo(4);
        assertThat(config.read(find(0x11) + 4, 4)).isEqualTo(4);
        assertThat(config.read(find(0x11) + 8, 4)).isEqualTo(2052);
        assertThat(extendedIds()).as("PASID is hidden, as in Linux").containsExactly(0x0F, 0x13, 0x10, 0x03);
    }

    @Test
    void commandBitsHaveEffects() {
        config.write(COMMAND, 2, 7);
        assertThat(config.mayMaster()).isTrue();
        config.write(COMMAND + 1, 1, 4);
        assertThat(config.read(COMMAND, 2)).isEqualTo(0x407);
        config.write(COMMAND, 2, 0xFFFF);
        assertThat(config.read(COMMAND, 2)).as("what there is").isEqualTo(0x547);
        config.write(COMMAND, 2, 0);
        assertThat(config.memoryEnabled()).isFalse();
        assertThat(effects).containsExactly("mastership", "line disabled true", "line disabled false", "mastership");
    }

    @Test
    void d3StopsTheFunction() {
        int control = find(1) + 4;
        config.write(COMMAND, 2, 7);
        config.write(control, 2, 3);
        assertThat(config.mayMaster()).isFalse();
        assertThat(config.memoryEnabled()).isFalse();
        config.wake();
        assertThat(config.memoryEnabled()).isTrue();
        assertThat(config.read(control, 2) & 3).isZero();
    }

    @Test
    void theResetBitResetsAndReadsAsZero() {
        int control = find(0x10) + 8;
        config.write(control, 2, config.read(control, 2) | 0x8000);
        assertThat(effects).containsExactly("reset");
        assertThat(config.read(control, 2) & 0x8000).isZero();
    }

    @Test
    void messagesAreEnabledByTheHostOnly() {
        int msi = find(5) + 2;
        int msix = find(0x11) + 2;
        config.write(msi, 2, 0x31);
        assertThat(config.read(msi, 2) & 0x71).as("not given any").isZero();
        config.write(msix, 2, 0x8000);
        assertThat(config.read(msix, 2)).isEqualTo(4);
        config.msiEnabled(true, 4);
        config.write(msi, 2, 0x31);
        assertThat(config.read(msi, 2) & 0x71).as("4 of 8").isEqualTo(0x21);
        config.msiEnabled(false, 0);
        assertThat(config.read(msi, 2) & 1).isZero();
        config.msixEnabled(true);
        assertThat(config.read(msix, 2)).isEqualTo(0x8004);
        config.write(find(5) + 4, 4, -1);
        assertThat(config.read(find(5) + 4, 4)).as("the address is the driver's").isEqualTo(-1);
    }

    @Test
    void outsideIsAFault() {
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> config.read(4096, 1)).returns(Errno.EFAULT, IommufdException::errno);
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> config.write(4094, 4, 0)).returns(Errno.EFAULT, IommufdException::errno);
        ConfigSpace conventional = new ConfigSpace(PciFunction.at(RequesterId.of(0, 0, 1, 0), new PciIds(1, 2, 3, 4, 5, 6)).build(), new BarAddresses(0),
                ConfigEffects.NONE);
        assertThat(conventional.lengthBytes()).isEqualTo(256);
        assertThat(conventional.read(6, 2)).as("no capabilities").isZero();
    }

    @Test
    void whatDoesNotFitIsRefused() {
        PciFunction extended = PciFunction.at(RequesterId.of(0, 0, 1, 0), new PciIds(1, 2, 3, 4, 5, 6)).capability(new AtsCapability(1)).build();
        assertThatExceptionOfType(IommufdException.class).isThrownBy(() -> new ConfigSpace(extended, new BarAddresses(0), ConfigEffects.NONE))
                .returns(Errno.EINVAL, IommufdException::errno);
    }

    /** Whatever is written, identity and chains stay, and writes of one width are as those of another. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void survivesRandomWrites(long seed) {
        Random random = new Random(seed);
        ConfigSpace twin = new ConfigSpace(function().build(), new BarAddresses(3), ConfigEffects.NONE);
        List<Integer> chain = extendedIds();
        for (int i = 0; i < 20_000; i++) {
            int offset = random.nextInt(1024) * 4;
            int value = random.nextInt();
            config.write(offset, 4, value);
            twin.write(offset, 2, value & 0xFFFF);
            twin.write(offset + 2, 1, value >>> 16 & 0xFF);
            twin.write(offset + 3, 1, value >>> 24);
        }
        assertThat(config.read(0, 4)).as("seed %d", seed).isEqualTo(0x20218086);
        assertThat(extendedIds()).as("seed %d", seed).isEqualTo(chain);
        assertThat(find(9)).as("seed %d", seed).isNotZero();
        assertThat(twin.copy()).as("seed %d", seed).isEqualTo(config.copy());
    }
}
