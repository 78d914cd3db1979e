package iommu.s390.driver;

import static iommu.s390.driver.Rig.arrives;
import static iommu.s390.driver.Rig.map;
import static iommu.s390.driver.Rig.refused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommu.s390.Ram;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.hardware.ReservedRegion;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Which bytes the driver writes, which instructions it issues, and what it does with their condition codes. */
class ZpciDriverTest {
    private static final long PAGE = 4096;
    private static final long MEGABYTE = 1 << 20;

    private final Rig rig = new Rig();
    private final Rig.Device device = rig.new Device(1);
    private final PagingDomain domain = device.endpoint.allocatePaging(PagingOptions.PLAIN);
    private final HardwarePort port = device.port();

    @AfterEach
    void everythingIsGivenBack() {
        rig.close();
        domain.close();
        assertThat(rig.tables.bytesInUse()).as("bytes of table frames in use").isZero();
    }

    private void attach() {
        device.endpoint.attach(Pasid.NONE, domain);
        rig.between.issued.clear();
    }

    private static String bytes(long address, int count) {
        return HexFormat.of().formatHex(Ram.bytes(address, count).toArray(ValueLayout.JAVA_BYTE));
    }

    private static String bigEndian(long value) {
        return "%016x".formatted(value);
    }

    @Test
    void tablesAreInTheFormatsBytes() {
        // Region third index 3, segment index 5, page index 7.
        long iova = 3L << 31 | 5L << 20 | 7L << 12;
        long page = rig.ram.page();
        long frame = rig.ram.take(MEGABYTE);
        map(domain, iova, page, PAGE);
        domain.map(iova + PAGE, Rig.run(page, PAGE), DmaAccess.READ);
        map(domain, iova + MEGABYTE & -MEGABYTE, frame, MEGABYTE);
        domain.map((iova & -MEGABYTE) + 2 * MEGABYTE, Rig.run(frame, MEGABYTE), DmaAccess.READ);
        long region = ((ZpciDomain) domain).anchor() & ~0x3FFFL;
        assertThat(((ZpciDomain) domain).anchor() & 0x3FFF).as("T, and designation type 1").isEqualTo(0x804);
        long segment = Ram.word(region + 3 * 8) & ~0x3FFFL;
        assertThat(bytes(region + 3 * 8, 8)).isEqualTo(bigEndian(segment | 0x7));
        assertThat(bytes(region + 2 * 8, 8)).as("an absent entry").isEqualTo("0000000000000420");
        assertThat(bytes(region + 2047 * 8, 8)).as("an absent entry").isEqualTo("0000000000000420");
        long pages = Ram.word(segment + 5 * 8) & ~0x7FFL;
        assertThat(bytes(segment + 5 * 8, 8)).isEqualTo(bigEndian(pages));
        assertThat(bytes(segment + 6 * 8, 8)).as("a frame of 1 MiB").isEqualTo(bigEndian(frame | 0x400));
        assertThat(bytes(segment + 7 * 8, 8)).as("read-only").isEqualTo(bigEndian(frame | 0x600));
        assertThat(bytes(pages + 7 * 8, 8)).isEqualTo(bigEndian(page));
        assertThat(bytes(pages + 8 * 8, 8)).as("read-only").isEqualTo(bigEndian(page | 0x200));
        assertThat(bytes(pages + 9 * 8, 8)).as("an absent entry").isEqualTo("0000000000000420");
        domain.unmap(iova, iova + PAGE - 1);
        assertThat(bytes(pages + 7 * 8, 8)).as("unmapped").isEqualTo("0000000000000420");
    }

    @Test
    void fourLevelsAreMadeOfARegionSecondTable() {
        try (Rig four = new Rig(new ZpciDriverOptions("zpci8", 0, 4, 0, (1L << 53) - 1))) {
            Rig.Device other = four.new Device(1);
            PagingDomain table = other.endpoint.allocatePaging(PagingOptions.PLAIN);
            long iova = 9L << 42 | 3L << 31;
            map(table, iova, four.ram.page(), PAGE);
            long anchor = ((ZpciDomain) table).anchor();
            assertThat(anchor & 0x3FFF).as("T, and designation type 2").isEqualTo(0x808);
            long third = Ram.word((anchor & ~0x3FFFL) + 9 * 8) & ~0x3FFFL;
            assertThat(bytes((anchor & ~0x3FFFL) + 9 * 8, 8)).isEqualTo(bigEndian(third | 0xB));
            assertThat(Ram.word(third + 3 * 8) & 0x3FFF).isEqualTo(0x7);
            table.close();
        }
    }

    @Test
    void whatIsNewNeedsNoRefreshWhatIsGoneNeedsOne() {
        attach();
        map(domain, 0, rig.ram.page(), PAGE);
        map(domain, MEGABYTE, rig.ram.take(MEGABYTE), MEGABYTE);
        assertThat(rig.between.issued).isEmpty();
        domain.unmap(0, PAGE - 1);
        domain.unmap(MEGABYTE, 3 * MEGABYTE - 1);
        domain.unmap(MEGABYTE, 2 * MEGABYTE - 1);
        assertThat(rig.between.issued).containsExactly("RPCIT 0x0+0x1000", "RPCIT 0x100000+0x200000");
    }

    @Test
    void everyFunctionOfATableIsRefreshed() {
        attach();
        Rig.Device other = rig.new Device(2);
        other.endpoint.attach(Pasid.NONE, domain);
        long page = rig.ram.page();
        map(domain, 0, page, PAGE);
        arrives(port, 0, page, 1);
        arrives(other.port(), 0, page, 2);
        rig.between.issued.clear();
        domain.unmap(0, PAGE - 1);
        assertThat(rig.between.issued).containsExactly("RPCIT 0x0+0x1000", "RPCIT 0x0+0x1000");
        other.endpoint.block(Pasid.NONE);
        map(domain, 0, page, PAGE);
        rig.between.issued.clear();
        domain.unmap(0, PAGE - 1);
        assertThat(rig.between.issued).containsExactly("RPCIT 0x0+0x1000");
    }

    @Test
    void insufficientResourcesMakeTheDriverRefreshEverything() {
        attach();
        for (int status : new int[] {4, 16}) {
            map(domain, 0, rig.ram.page(), PAGE);
            rig.between.issued.clear();
            rig.between.refreshAnswers.add(1 | status << 8);
            domain.unmap(0, PAGE - 1);
            assertThat(rig.between.issued).as("status %d", status).containsExactly("RPCIT 0x0+0x1000", "RPCIT 0x0+0x40000000000");
        }
    }

    @Test
    void busyInstructionsAreTriedAgain() {
        rig.between.modifyAnswers.add(2);
        device.endpoint.attach(Pasid.NONE, domain);
        long page = rig.ram.page();
        map(domain, 0, page, PAGE);
        arrives(port, 0, page, 1);
        rig.between.issued.clear();
        rig.between.refreshAnswers.add(2);
        rig.between.refreshAnswers.add(2);
        domain.unmap(0, PAGE - 1);
        assertThat(rig.between.issued).containsExactly("RPCIT 0x0+0x1000", "RPCIT 0x0+0x1000", "RPCIT 0x0+0x1000");
        refused(port, 0);
    }

    @Test
    void aFunctionInTheErrorStateIsResetBeforeItIsRegistered() {
        rig.between.modifyAnswers.add(1 | 40 << 8);
        device.endpoint.attach(Pasid.NONE, domain);
        assertThat(rig.between.issued).containsExactly("MPCIFC 4", "MPCIFC 7", "MPCIFC 4");
        long page = rig.ram.page();
        map(domain, 0, page, PAGE);
        arrives(port, 0, page, 1);
    }

    @Test
    void aRefreshThatFindsTheFunctionInTheErrorStateIsDone() {
        attach();
        map(domain, 0, rig.ram.page(), PAGE);
        rig.between.refreshAnswers.add(1 | 40 << 8);
        assertThat(domain.unmap(0, PAGE - 1)).isEqualTo(PAGE);
    }

    @Test
    void anAnswerThatNobodyExpectsIsADefect() {
        attach();
        map(domain, 0, rig.ram.page(), PAGE);
        rig.between.refreshAnswers.add(3);
        assertThatThrownBy(() -> domain.unmap(0, PAGE - 1)).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("condition code 3").hasMessageContaining("zpci7");
    }

    @Test
    void aRefusedRequestIsReportedOnceAndTheFunctionGoesOn() {
        attach();
        long page = rig.ram.page();
        map(domain, 0, page, PAGE);
        DmaFault fault = refused(port, 5 * PAGE + 8);
        assertThat(fault.code()).isEqualTo(7);
        assertThat(device.faults).containsExactly(new DmaFault("zpci7", Rig.requester(1), fault.pasid(), 5 * PAGE + 8, DmaAccess.WRITE,
                DmaFault.Kind.TRANSLATION, 7, fault.text()));
        assertThat(rig.between.issued).as("reset error").containsExactly("MPCIFC 7");
        arrives(port, 0, page, 1);
        assertThat(device.faults).hasSize(1);
    }

    @Test
    void exchangingTablesIsOneInstruction() {
        attach();
        PagingDomain next = device.endpoint.allocatePaging(PagingOptions.PLAIN);
        device.endpoint.attach(Pasid.NONE, next);
        device.endpoint.attach(Pasid.NONE, next);
        device.endpoint.block(Pasid.NONE);
        device.endpoint.block(Pasid.NONE);
        assertThat(rig.between.issued).containsExactly("MPCIFC 6", "MPCIFC 5");
        next.close();
    }

    @Test
    void whatZpciHasNotIsRefused() {
        assertErrno(Errno.EOPNOTSUPP, () -> device.endpoint.allocatePaging(new PagingOptions(false, true, false)));
        assertErrno(Errno.EOPNOTSUPP, () -> device.endpoint.allocatePaging(new PagingOptions(false, false, true)));
        assertErrno(Errno.EOPNOTSUPP, () -> device.endpoint.attach(1, domain));
        assertThat(device.endpoint.info()).isEqualTo(new HardwareInfo(0, new byte[0],
                java.util.Set.of(HardwareInfo.Capability.ATS_NOT_SUPPORTED), 0));
        assertThat(device.endpoint.offersViommu(2)).isFalse();
    }

    @Test
    void addressesBelowTheFirstAreReservedAndThoseBehindTheLastCannotBeMapped() {
        try (Rig narrow = new Rig(new ZpciDriverOptions("zpci9", 0, 3, 1L << 32, (1L << 33) - 1))) {
            Rig.Device other = narrow.new Device(1);
            assertThat(other.endpoint.reservedRegions())
                    .containsExactly(new ReservedRegion(new IovaRange(0, (1L << 32) - 1), ReservedRegion.Kind.RESERVED));
            PagingDomain table = other.endpoint.allocatePaging(PagingOptions.PLAIN);
            assertThat(table.geometry().aperture()).isEqualTo(new IovaRange(0, (1L << 33) - 1));
            long page = narrow.ram.page();
            assertErrno(Errno.ERANGE, () -> map(table, (1L << 33) - PAGE, page, 2 * PAGE));
            map(table, (1L << 33) - PAGE, page, PAGE);
            other.endpoint.attach(Pasid.NONE, table);
            arrives(other.port(), (1L << 33) - PAGE, page, 1);
            table.unmap(0, -1L);
            refused(other.port(), (1L << 33) - PAGE);
            other.endpoint.block(Pasid.NONE);
            table.close();
        }
    }

    @Test
    void optionsThatNoTablesServeAreRefused() {
        assertErrno(Errno.EINVAL, () -> new ZpciDriverOptions("zpci", 0, 5, 0, -1L));
        assertErrno(Errno.EINVAL, () -> new ZpciDriverOptions("zpci", 0, 2, 0, -1L));
        assertErrno(Errno.EINVAL, () -> new ZpciDriverOptions("zpci", 0, 3, 1L << 42, -1L));
    }

    private static void assertErrno(Errno errno, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call).asInstanceOf(InstanceOfAssertFactories.type(IommufdException.class)).extracting(IommufdException::errno)
                .isEqualTo(errno);
    }
}
