package iommu.tck;

import static iommufd.api.DmaAccess.READ;
import static iommufd.api.DmaAccess.READ_WRITE;
import static iommufd.api.DmaAccess.WRITE;
import static iommufd.api.FaultResponse.INVALID;
import static iommufd.api.FaultResponse.SUCCESS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import iommufd.api.FaultResponse;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Requests that meet an absent page ask for it, wait outside every epoch, and end: with the page, with an answer, or in time. */
abstract class PageRequestContract extends Contract {
    private static final int PASID = 9;
    private static final long CLOSE_NANOS = TimeUnit.SECONDS.toNanos(2);
    private static final int PAGES = 6;
    /** Any number of asks that no user space would put up with. */
    private static final int MOST_ASKS = 100;

    private Device device;
    private PagingDomain domain;
    private HardwarePort port;
    private long page;
    private long iova;
    private long memory;

    @BeforeEach
    final void plugDeviceThatAsks() {
        assumeTrue(machine.capabilities.pageRequests(), "no page requests");
        device = plugAsking(machine, 0, machine.capabilities.pasidBits() > 0 ? Pasid.MAX_BITS : 0);
        domain = device.attachNewDomain();
        port = device.port();
        page = domain.geometry().smallestPageBytes();
        iova = machine.iova(device, domain, PAGES * page, PAGES * page);
        memory = machine.memory.take(PAGES * page, page);
        device.faults.acceptPageRequests(true);
    }

    private static Device plugAsking(Machine machine, int index, int pasidBits) {
        EndpointDescription plain = machine.describe(index);
        return machine.plug(new EndpointDescription(plain.requesterId(), plain.group(), pasidBits, true));
    }

    /** Page {@code index} of the test's memory, at its IOVA. */
    private Mapped pageAt(int index) {
        return Mapped.of(iova + index * page, memory + index * page, page);
    }

    private void mapPage(PagingDomain table, int index) {
        table.map(iova + index * page, pageAt(index).runs(), READ_WRITE);
    }

    private Waiting<DmaStatus> startWrite(HardwarePort where, long at, byte[] bytes) {
        return Waiting.start(() -> where.write(at, MemorySegment.ofArray(bytes), 0, bytes.length));
    }

    /** The requests of the next group, which is well-formed. */
    private List<PageRequest> nextGroup(Device asking) throws InterruptedException {
        List<PageRequest> group = new ArrayList<>();
        do {
            group.add(asking.faults.nextPageRequest());
            assertThat(group.getLast().groupIndex()).as("group of a request").isEqualTo(group.getFirst().groupIndex());
            assertThat(group.getLast().pasid()).as("PASID of a request").isEqualTo(group.getFirst().pasid());
        } while (!group.getLast().lastOfGroup());
        return group;
    }

    private static void answer(Device asking, PageRequest request, FaultResponse response) {
        asking.endpoint.respond(new PageResponse(request.pasid(), request.groupIndex(), response));
    }

    /** As user space does: maps what is asked for, and says so. @return the pages of the group */
    private Set<Integer> serve(Device asking, PagingDomain table) throws InterruptedException {
        List<PageRequest> group = nextGroup(asking);
        Set<Integer> pages = new TreeSet<>();
        for (PageRequest request : group) {
            assertThat(Math.floorMod(request.iova(), page)).as("offset in the page").isZero();
            assertThat(pages.add((int) ((request.iova() - iova) / page))).as("page 0x%x asked for once", request.iova()).isTrue();
            assertThat(request.iova()).as("page asked for").isBetween(iova, iova + (PAGES - 1) * page);
        }
        pages.forEach(index -> mapPage(table, index));
        answer(asking, group.getLast(), SUCCESS);
        return pages;
    }

    private void arrived(byte[] bytes, int offset) {
        for (int i = 0; i < bytes.length; i++) {
            assertThat(Traffic.byteAt(memory + offset + i)).as("byte %d", i).isEqualTo(bytes[i]);
        }
    }

    @Test
    void aRequestNamesPageAndAccess() throws Exception {
        Waiting<DmaStatus> write = startWrite(port, iova + 5, new byte[3]);
        PageRequest asked = nextGroup(device).getLast();
        assertThat(asked).isEqualTo(new PageRequest(Pasid.NONE, asked.groupIndex(), iova, WRITE, false, asked.privileged(), true));
        answer(device, asked, INVALID);
        write.ends();
        Waiting<DmaStatus> read = Waiting.start(() -> port.read(iova + 2 * page - 1, MemorySegment.ofArray(new byte[1]), 0, 1));
        asked = nextGroup(device).getLast();
        assertThat(asked).isEqualTo(new PageRequest(Pasid.NONE, asked.groupIndex(), iova + page, READ, false, asked.privileged(), true));
        answer(device, asked, INVALID);
        read.ends();
    }

    @Test
    void aRequestNamesThePasid() throws Exception {
        assumeTrue(machine.capabilities.pasidBits() > 0, "no PASIDs");
        PagingDomain table = device.newDomain(new PagingOptions(false, false, true));
        device.endpoint.attach(PASID, table);
        HardwarePort pasidPort = device.port(PASID);
        byte[] bytes = traffic.randomBytes(16);
        Waiting<DmaStatus> write = startWrite(pasidPort, iova, bytes);
        PageRequest asked = nextGroup(device).getLast();
        assertThat(asked.pasid()).isEqualTo(PASID);
        mapPage(table, 0);
        answer(device, asked, SUCCESS);
        assertThat(write.ends()).isEqualTo(DmaStatus.DONE);
        arrived(bytes, 0);
        assertThat(domain.translate(iova)).as("the other table").isEqualTo(PagingDomain.UNMAPPED);
    }

    @Test
    void aWriteArrivesOnceThePageIsThere() throws Exception {
        byte[] bytes = traffic.randomBytes(100);
        Waiting<DmaStatus> write = startWrite(port, iova + 40, bytes);
        assertThat(serve(device, domain)).containsExactly(0);
        assertThat(write.ends()).isEqualTo(DmaStatus.DONE);
        arrived(bytes, 40);
        assertThat(port.lastFault()).as("fault of a request that succeeded").isEmpty();
        traffic.passesThroughout(port, pageAt(0));
        assertThat(device.faults.isEmpty()).as("nothing was refused").isTrue();
    }

    @Test
    void aReadSeesWhatThePageHolds() throws Exception {
        byte[] expected = traffic.randomBytes(64);
        for (int i = 0; i < expected.length; i++) {
            Traffic.putByte(memory + i, expected[i]);
        }
        byte[] target = new byte[64];
        Waiting<DmaStatus> read = Waiting.start(() -> port.read(iova, MemorySegment.ofArray(target), 0, 64));
        serve(device, domain);
        assertThat(read.ends()).isEqualTo(DmaStatus.DONE);
        assertThat(target).isEqualTo(expected);
    }

    @Test
    void aLongRequestAsksForEveryPageThatIsAbsent() throws Exception {
        mapPage(domain, 1);
        byte[] bytes = traffic.randomBytes((int) (4 * page + 20));   // ends in page 4
        Waiting<DmaStatus> write = startWrite(port, iova + 10, bytes);
        Set<Integer> asked = new TreeSet<>();
        while (asked.size() < 4) {
            asked.addAll(serve(device, domain));
        }
        assertThat(write.ends()).isEqualTo(DmaStatus.DONE);
        assertThat(asked).containsExactly(0, 2, 3, 4);
        assertThat(device.faults.hasPageRequests()).isFalse();
        arrived(bytes, 10);
    }

    @Test
    void scatteredPiecesAndAtomicsWaitToo() throws Exception {
        byte[] bytes = traffic.randomBytes(30);
        ScatterList list = new ScatterList(3).add(iova, 10).add(iova + 2 * page, 10).add(iova + 20, 10);
        Waiting<DmaStatus> write = Waiting.start(() -> port.write(list, MemorySegment.ofArray(bytes), 0));
        Set<Integer> asked = new TreeSet<>(serve(device, domain));
        if (!asked.contains(2)) {
            asked.addAll(serve(device, domain));
        }
        assertThat(write.ends()).isEqualTo(DmaStatus.DONE);
        assertThat(asked).containsExactly(0, 2);
        byte[] back = new byte[30];
        assertThat(port.read(list, MemorySegment.ofArray(back), 0)).isEqualTo(DmaStatus.DONE);
        assertThat(back).isEqualTo(bytes);
        Traffic.putLong(memory + 4 * page, 40);
        Waiting<Long> sum = Waiting.start(() -> port.fetchAndAdd(iova + 4 * page, 2));
        serve(device, domain);
        assertThat(sum.ends()).isEqualTo(40);
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
        assertThat(Traffic.longAt(memory + 4 * page)).isEqualTo(42);
    }

    @Test
    void anInvalidAnswerIsAFault() throws Exception {
        byte[] target = traffic.randomBytes(16);
        Waiting<DmaStatus> read = Waiting.start(() -> port.read(iova, MemorySegment.ofArray(target), 0, 16));
        answer(device, nextGroup(device).getLast(), INVALID);
        assertThat(read.ends()).isEqualTo(DmaStatus.FAULTED);
        assertThat(target).containsOnly(0);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.TRANSLATION);
        DmaFault reported = device.faults.next();
        assertThat(reported.iova() & -page).isEqualTo(iova);
        assertThat(reported.access()).isEqualTo(READ);
        assertThat(device.faults.hasPageRequests()).as("asked again").isFalse();
    }

    @Test
    void whereNobodyAnswersTheRequestFaultsAtOnce() {
        device.faults.acceptPageRequests(false);
        Waiting<DmaStatus> write = startWrite(port, iova, new byte[8]);
        assertThat(write.endsWithin(machine.capabilities.pageRequestTimeout().dividedBy(2))).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.TRANSLATION);
    }

    @Test
    void anEndpointThatCannotAskFaults() {
        Device plain = machine.device(1);
        plain.faults.acceptPageRequests(true);
        plain.attach(domain);
        HardwarePort plainPort = plain.port();
        Waiting<DmaStatus> write = startWrite(plainPort, iova, new byte[8]);
        assertThat(write.endsWithin(machine.capabilities.pageRequestTimeout().dividedBy(2))).isEqualTo(DmaStatus.FAULTED);
        assertThat(plain.faults.hasPageRequests()).isFalse();
    }

    @Test
    void whereNothingIsAttachedNoPageIsAskedFor() {
        device.endpoint.block(Pasid.NONE);
        Waiting<DmaStatus> write = startWrite(port, iova, new byte[8]);
        assertThat(write.endsWithin(machine.capabilities.pageRequestTimeout().dividedBy(2))).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.BLOCKED);
        assertThat(device.faults.hasPageRequests()).isFalse();
    }

    @Test
    void changesDoNotWaitForUserSpace() throws Exception {
        mapPage(domain, 1);
        traffic.passesThroughout(port, pageAt(1));
        byte[] bytes = traffic.randomBytes(8);
        Waiting<DmaStatus> write = startWrite(port, iova, bytes);
        PageRequest asked = nextGroup(device).getLast();
        Waiting<Long> unmap = Waiting.start(() -> domain.unmap(iova + page, iova + 2 * page - 1));
        assertThat(unmap.endsWithin(machine.capabilities.pageRequestTimeout().dividedBy(2))).isEqualTo(page);
        mapPage(domain, 0);
        answer(device, asked, SUCCESS);
        assertThat(write.ends()).isEqualTo(DmaStatus.DONE);
        arrived(bytes, 0);
    }

    @Test
    void wrongAnswersAreIgnored() throws Exception {
        Waiting<DmaStatus> write = startWrite(port, iova, new byte[8]);
        PageRequest asked = nextGroup(device).getLast();
        for (int group : new int[] {asked.groupIndex() ^ 1, -1, 1 << 20, Integer.MAX_VALUE}) {
            device.endpoint.respond(new PageResponse(Pasid.NONE, group, INVALID));
        }
        for (int pasid : new int[] {0, 1, PASID}) {
            device.endpoint.respond(new PageResponse(pasid, asked.groupIndex(), INVALID));
        }
        assertThat(write.isOver()).as("ended by an answer to somebody else").isFalse();
        mapPage(domain, 0);
        answer(device, asked, SUCCESS);
        answer(device, asked, INVALID);
        assertThat(write.ends()).isEqualTo(DmaStatus.DONE);
        answer(device, asked, INVALID);
        traffic.passesThroughout(port, pageAt(0));
    }

    @Test
    void answersComeInAnyOrder() throws Exception {
        HardwarePort second = device.port();
        Waiting<DmaStatus> early = startWrite(port, iova, traffic.randomBytes(8));
        PageRequest earlyAsk = nextGroup(device).getLast();
        byte[] bytes = traffic.randomBytes(8);
        Waiting<DmaStatus> late = startWrite(second, iova + page, bytes);
        PageRequest lateAsk = nextGroup(device).getLast();
        assertThat(lateAsk.groupIndex()).as("groups that wait at once").isNotEqualTo(earlyAsk.groupIndex());
        mapPage(domain, 1);
        answer(device, lateAsk, SUCCESS);
        assertThat(late.ends()).isEqualTo(DmaStatus.DONE);
        arrived(bytes, (int) page);
        assertThat(early.isOver()).isFalse();
        answer(device, earlyAsk, INVALID);
        assertThat(early.ends()).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void withoutAnAnswerTheRequestFaultsInTime() throws Exception {
        Waiting<DmaStatus> write = startWrite(port, iova, new byte[8]);
        PageRequest asked = nextGroup(device).getLast();
        assertThat(write.endsWithin(machine.capabilities.pageRequestTimeout().multipliedBy(2).plusSeconds(2))).isEqualTo(DmaStatus.FAULTED);
        answer(device, asked, SUCCESS);
        mapPage(domain, 0);
        traffic.passesThroughout(port, pageAt(0));
    }

    @Test
    void aPageThatIsPromisedAndDoesNotComeIsAFaultInTheEnd() {
        Waiting<DmaStatus> write = startWrite(port, iova, new byte[8]);
        int asks = 0;
        while (!write.isOver() && asks < MOST_ASKS) {
            var asked = device.faults.pageRequestNow();
            asks += asked.isPresent() ? 1 : 0;
            asked.ifPresent(request -> answer(device, request, SUCCESS));
        }
        assertThat(asks).isLessThan(MOST_ASKS);
        assertThat(write.ends()).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void blockEndsTheWait() throws Exception {
        Waiting<DmaStatus> write = startWrite(port, iova, new byte[8]);
        PageRequest asked = nextGroup(device).getLast();
        device.endpoint.block(Pasid.NONE);
        assertThat(write.endsWithin(machine.capabilities.pageRequestTimeout().dividedBy(2))).isEqualTo(DmaStatus.FAULTED);
        answer(device, asked, SUCCESS);
        assertThat(device.faults.hasPageRequests()).as("asked again").isFalse();
        device.attach(domain);
        mapPage(domain, 0);
        traffic.passesThroughout(port, pageAt(0));
    }

    @Test
    void attachSendsWhoWaitsThroughTheNewTable() throws Exception {
        byte[] bytes = traffic.randomBytes(8);
        Waiting<DmaStatus> write = startWrite(port, iova, bytes);
        PageRequest asked = nextGroup(device).getLast();
        PagingDomain next = device.newDomain();
        mapPage(next, 0);
        device.attach(next);
        machine.close(domain);
        answer(device, asked, SUCCESS);
        assertThat(write.ends()).isEqualTo(DmaStatus.DONE);
        arrived(bytes, 0);
    }

    @Test
    void closingThePortEndsTheWait() throws Exception {
        Waiting<DmaStatus> write = startWrite(port, iova, new byte[8]);
        PageRequest asked = nextGroup(device).getLast();
        assertThat(port.close(CLOSE_NANOS)).as("closed in time").isTrue();
        assertThat(write.endsWithin(machine.capabilities.pageRequestTimeout().dividedBy(2))).isEqualTo(DmaStatus.CLOSED);
        answer(device, asked, SUCCESS);
        mapPage(domain, 0);
        traffic.passesThroughout(device.port(), pageAt(0));
    }

    @Test
    void releaseEndsTheWait() throws Exception {
        Waiting<DmaStatus> write = startWrite(port, iova, new byte[8]);
        PageRequest asked = nextGroup(device).getLast();
        device.release();
        assertThat(write.endsWithin(machine.capabilities.pageRequestTimeout().dividedBy(2))).isEqualTo(DmaStatus.CLOSED);
        answer(device, asked, SUCCESS);
        Device again = plugAsking(machine, 0, 0);
        again.faults.acceptPageRequests(true);
        again.attach(domain);
        HardwarePort fresh = again.port();
        Waiting<DmaStatus> second = startWrite(fresh, iova, new byte[8]);
        assertThat(serve(again, domain)).containsExactly(0);
        assertThat(second.ends()).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void hardwareIsExchangedUnderARequestThatWaits() throws Exception {
        byte[] bytes = traffic.randomBytes((int) (2 * page));
        try (Machine neighbour = new Machine(backend(), machine)) {
            PortFront front = new PortFront(port);
            Waiting<DmaStatus> write = Waiting.start(() -> front.write(iova, MemorySegment.ofArray(bytes), 0, bytes.length));
            PageRequest asked = nextGroup(device).getLast();
            Device successor = plugAsking(neighbour, 0, 0);
            successor.faults.acceptPageRequests(true);
            PagingDomain table = successor.attachNewDomain();
            HardwarePort next = successor.port();
            assertThat(port.close(CLOSE_NANOS)).as("drained").isTrue();
            front.switchTo(next);
            Set<Integer> served = new TreeSet<>(serve(successor, table));
            while (served.size() < 2) {
                served.addAll(serve(successor, table));
            }
            assertThat(write.ends()).isEqualTo(DmaStatus.DONE);
            arrived(bytes, 0);
            answer(device, asked, SUCCESS);
        }
    }

    @Test
    void pagesComeAndGoUnderDevicesThatAsk() throws Exception {
        long[][] sent = new long[3][PAGES];
        List<DmaThread> threads = new ArrayList<>();
        try {
            for (int number = 0; number < sent.length; number++) {
                HardwarePort own = device.port();
                long[] sums = sent[number];
                int offset = 8 * number;
                int[] turn = {number};
                threads.add(DmaThread.repeat(() -> {
                    int index = turn[0]++ % PAGES;
                    own.fetchAndAdd(iova + index * page + offset, 1);
                    assertThat(own.status()).as("status of a request for page %d", index).isEqualTo(DmaStatus.DONE);
                    sums[index]++;
                }));
            }
            for (int round = 0; round < 200; round++) {
                answerUntilQuiet();
                domain.unmap(iova + round % PAGES * page, iova + round % PAGES * page + page - 1);
            }
        } finally {
            // Whoever still waits is served until all have stopped.
            Waiting<Boolean> stopped = Waiting.start(() -> {
                threads.forEach(DmaThread::close);
                return true;
            });
            while (!stopped.isOver()) {
                answerUntilQuiet();
            }
            assertThat(stopped.ends()).isTrue();
        }
        for (int number = 0; number < sent.length; number++) {
            for (int index = 0; index < PAGES; index++) {
                assertThat(Traffic.longAt(memory + index * page + 8 * number)).as("additions to page %d", index).isEqualTo(sent[number][index]);
            }
        }
    }

    private void answerUntilQuiet() {
        for (var asked = device.faults.pageRequestNow(); asked.isPresent(); asked = device.faults.pageRequestNow()) {
            PageRequest request = asked.get();
            if (domain.translate(request.iova()) == PagingDomain.UNMAPPED) {
                mapPage(domain, (int) ((request.iova() - iova) / page));
            }
            if (request.lastOfGroup()) {
                answer(device, request, SUCCESS);
            }
        }
    }
}
