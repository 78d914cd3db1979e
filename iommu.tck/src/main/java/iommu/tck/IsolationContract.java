package iommu.tck;

import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import iommufd.api.dma.DmaFault;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Who is attached to what decides where DMA goes, and nothing else does. */
abstract class IsolationContract extends Contract {
    private static final PagingOptions WITH_PASID = new PagingOptions(false, false, true);

    @Test
    void aProbedEndpointIsBlocked() {
        Device device = machine.device(0);
        PagingDomain unattached = device.newDomain();
        long page = unattached.geometry().smallestPageBytes();
        Mapped mapped = machine.mapFresh(unattached, machine.iova(device, unattached, page, page), page, READ_WRITE);
        Traffic.isRefused(device.port(), mapped.iova());
    }

    @Test
    void endpointsWithOwnTablesReachOwnMemory() {
        Device first = machine.device(0);
        Device second = machine.device(1);
        PagingDomain firstDomain = first.attachNewDomain();
        PagingDomain secondDomain = second.attachNewDomain();
        long page = firstDomain.geometry().smallestPageBytes();
        long iova = machine.iova(first, firstDomain, 2 * page, page);
        Mapped one = machine.mapFresh(firstDomain, iova, page, READ_WRITE);
        Mapped other = machine.mapFresh(secondDomain, iova, page, READ_WRITE);
        Mapped firstOnly = machine.mapFresh(firstDomain, iova + page, page, READ_WRITE);
        HardwarePort firstPort = first.port();
        HardwarePort secondPort = second.port();
        traffic.passesThroughout(firstPort, one);
        traffic.passesThroughout(secondPort, other);
        traffic.passesThroughout(firstPort, firstOnly);
        Traffic.isRefused(secondPort, iova + page);
        secondDomain.unmap(iova, other.lastIova());
        Traffic.isRefused(secondPort, iova);
        traffic.passesThroughout(firstPort, one);
    }

    @Test
    void manyEndpointsShareOneTable() {
        Device first = machine.device(0);
        PagingDomain domain = first.attachNewDomain();
        long page = domain.geometry().smallestPageBytes();
        Mapped mapped = machine.mapFresh(domain, machine.iova(first, domain, page, page), page, READ_WRITE);
        HardwarePort[] ports = new HardwarePort[12];
        ports[0] = first.port();
        for (int i = 1; i < ports.length; i++) {
            Device device = machine.device(i);
            ports[i] = device.port();
            device.attach(domain);
        }
        for (HardwarePort port : ports) {
            traffic.passesThroughout(port, mapped);
        }
        domain.unmap(mapped.iova(), mapped.lastIova());
        for (HardwarePort port : ports) {
            Traffic.isRefused(port, mapped.iova());
        }
    }

    @Test
    void everyPortOfAnEndpointSeesItsAttachment() {
        Device device = machine.device(0);
        HardwarePort early = device.port();
        PagingDomain domain = device.attachNewDomain();
        HardwarePort late = device.port();
        long page = domain.geometry().smallestPageBytes();
        Mapped mapped = machine.mapFresh(domain, machine.iova(device, domain, page, page), page, READ_WRITE);
        traffic.passesThroughout(early, mapped);
        traffic.passesThroughout(late, mapped);
        device.endpoint.block(Pasid.NONE);
        Traffic.isRefused(early, mapped.iova());
        Traffic.isRefused(late, mapped.iova());
    }

    @Test
    void blockingOneEndpointLeavesTheOthersAlone() {
        Device first = machine.device(0);
        Device second = machine.device(1);
        PagingDomain domain = first.attachNewDomain();
        second.attach(domain);
        long page = domain.geometry().smallestPageBytes();
        Mapped mapped = machine.mapFresh(domain, machine.iova(first, domain, page, page), page, READ_WRITE);
        HardwarePort firstPort = first.port();
        HardwarePort secondPort = second.port();
        traffic.passesThroughout(firstPort, mapped);
        traffic.passesThroughout(secondPort, mapped);
        first.endpoint.block(Pasid.NONE);
        Traffic.isRefused(firstPort, mapped.iova());
        traffic.passesThroughout(secondPort, mapped);
        first.endpoint.block(Pasid.NONE);
        first.attach(domain);
        traffic.passesThroughout(firstPort, mapped);
    }

    @Test
    void pasidsOfOneEndpointReachOwnMemory() {
        assumePasids();
        Device device = machine.device(0);
        PagingDomain plain = device.attachNewDomain(WITH_PASID);
        long page = plain.geometry().smallestPageBytes();
        long iova = machine.iova(device, plain, page, page);
        int last = (1 << machine.capabilities.pasidBits()) - 1;
        int[] pasids = IntStream.of(1, 2, 63, 64, 65, last / 2, last - 1, last)
                .filter(pasid -> pasid > 0 && pasid <= last).distinct().toArray();
        HardwarePort[] ports = new HardwarePort[pasids.length];
        Mapped[] mappings = new Mapped[pasids.length];
        for (int i = 0; i < pasids.length; i++) {
            PagingDomain domain = device.newDomain(WITH_PASID);
            mappings[i] = machine.mapFresh(domain, iova, page, READ_WRITE);
            device.endpoint.attach(pasids[i], domain);
            ports[i] = device.port(pasids[i]);
        }
        Mapped plainMapped = machine.mapFresh(plain, iova, page, READ_WRITE);
        HardwarePort plainPort = device.port();
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < pasids.length; i++) {
                traffic.passesThroughout(ports[i], mappings[i]);
            }
            traffic.passesThroughout(plainPort, plainMapped);
        }
        for (int pasid : pasids) {
            device.endpoint.block(pasid);
        }
    }

    @Test
    void aPasidNobodyAttachedIsBlocked() {
        assumePasids();
        Device device = machine.device(0);
        PagingDomain domain = device.attachNewDomain(WITH_PASID);
        long page = domain.geometry().smallestPageBytes();
        Mapped mapped = machine.mapFresh(domain, machine.iova(device, domain, page, page), page, READ_WRITE);
        device.endpoint.attach(1, domain);
        HardwarePort stranger = device.port((1 << machine.capabilities.pasidBits()) - 1);
        Traffic.isRefused(stranger, mapped.iova());
        assertThat(stranger.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.BLOCKED);
        traffic.passesThroughout(device.port(1), mapped);
    }

    @Test
    void blockingAPasidLeavesTheOthersAlone() {
        assumePasids();
        Device device = machine.device(0);
        PagingDomain domain = device.attachNewDomain(WITH_PASID);
        long page = domain.geometry().smallestPageBytes();
        Mapped mapped = machine.mapFresh(domain, machine.iova(device, domain, page, page), page, READ_WRITE);
        device.endpoint.attach(1, domain);
        HardwarePort plain = device.port();
        HardwarePort pasid = device.port(1);
        traffic.passesThroughout(plain, mapped);
        traffic.passesThroughout(pasid, mapped);
        device.endpoint.block(1);
        Traffic.isRefused(pasid, mapped.iova());
        traffic.passesThroughout(plain, mapped);
        device.endpoint.attach(1, domain);
        device.endpoint.block(Pasid.NONE);
        Traffic.isRefused(plain, mapped.iova());
        traffic.passesThroughout(pasid, mapped);
    }

    @Test
    void pasidsOfTwoEndpointsAreDifferent() {
        assumePasids();
        Device first = machine.device(0);
        Device second = machine.device(1);
        PagingDomain firstDomain = first.newDomain(WITH_PASID);
        PagingDomain secondDomain = second.newDomain(WITH_PASID);
        first.endpoint.attach(1, firstDomain);
        second.endpoint.attach(1, secondDomain);
        long page = firstDomain.geometry().smallestPageBytes();
        long iova = machine.iova(first, firstDomain, page, page);
        Mapped one = machine.mapFresh(firstDomain, iova, page, READ_WRITE);
        Mapped other = machine.mapFresh(secondDomain, iova, page, READ_WRITE);
        traffic.passesThroughout(first.port(1), one);
        traffic.passesThroughout(second.port(1), other);
        first.endpoint.block(1);
        Traffic.isRefused(first.port(1), iova);
        traffic.passesThroughout(second.port(1), other);
    }

    private void assumePasids() {
        assumeTrue(machine.capabilities.pasidBits() > 0, "no PASIDs");
    }
}
