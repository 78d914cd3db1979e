package iommufd.core.node;

import static iommufd.core.node.Client.ARRAY;
import static iommufd.core.node.Client.BUFFER;
import static iommufd.core.node.Client.STRUCT;
import static iommufd.core.fake.Rig.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Access;
import iommufd.api.AccessClient;
import iommufd.api.BoundDevice;
import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.FaultQueue;
import iommufd.api.Ioas;
import iommufd.api.IovaRange;
import iommufd.api.hardware.ReservedRegion;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommuDestroy;
import iommufd.api.uapi.IommuIoasAlloc;
import iommufd.api.uapi.IommuIoasAllowIovas;
import iommufd.api.uapi.IommuIoasChangeProcess;
import iommufd.api.uapi.IommuIoasCopy;
import iommufd.api.uapi.IommuIoasIovaRanges;
import iommufd.api.uapi.IommuIoasMap;
import iommufd.api.uapi.IommuIoasMapFile;
import iommufd.api.uapi.IommuIoasNoiommuGetPa;
import iommufd.api.uapi.IommuIoasUnmap;
import iommufd.api.uapi.IommuIovaRange;
import iommufd.api.uapi.IommuOption;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Requests about IO address spaces: what is granted, and which of several errors a client sees. */
class IoasRequestsTest {
    private static final long PAGE = 4096;
    private static final int FIXED = IommuIoasMap.IOMMU_IOAS_MAP_FIXED_IOVA;
    private static final int BOTH = IommuIoasMap.IOMMU_IOAS_MAP_READABLE | IommuIoasMap.IOMMU_IOAS_MAP_WRITEABLE;
    private static final long IOVA = 1 << 24;
    private final Client client = new Client();
    private int ioas;

    @BeforeEach
    void open() {
        ioas = IommuIoasAlloc.outIoasId(client.granted(IommuIoasAlloc.IOMMU_IOAS_ALLOC, IommuIoasAlloc.SIZE_BYTES, struct -> { }));
    }

    @AfterEach
    void close() {
        client.close();
    }

    private String map(int flags, int id, long address, long length, long iova) {
        client.struct(IommuIoasMap.SIZE_BYTES, struct -> {
            IommuIoasMap.flags(struct, flags);
            IommuIoasMap.ioasId(struct, id);
            IommuIoasMap.userVa(struct, address);
            IommuIoasMap.length(struct, length);
            IommuIoasMap.iova(struct, iova);
        });
        return Client.name(client.raw(IommuIoasMap.IOMMU_IOAS_MAP, STRUCT));
    }

    private void mapped(long iova, int pages) {
        assertThat(map(FIXED | BOTH, ioas, BUFFER, pages * PAGE, iova)).isEqualTo("0");
    }

    private String unmap(long iova, long length) {
        client.struct(IommuIoasUnmap.SIZE_BYTES, struct -> {
            IommuIoasUnmap.ioasId(struct, ioas);
            IommuIoasUnmap.iova(struct, iova);
            IommuIoasUnmap.length(struct, length);
        });
        return Client.name(client.raw(IommuIoasUnmap.IOMMU_IOAS_UNMAP, STRUCT));
    }

    private long unmapped() {
        return IommuIoasUnmap.length(client.caller.at(STRUCT, 64));
    }

    private String copy(int flags, int from, int to, long length, long fromIova, long toIova) {
        client.struct(IommuIoasCopy.SIZE_BYTES, struct -> {
            IommuIoasCopy.flags(struct, flags);
            IommuIoasCopy.srcIoasId(struct, from);
            IommuIoasCopy.dstIoasId(struct, to);
            IommuIoasCopy.length(struct, length);
            IommuIoasCopy.srcIova(struct, fromIova);
            IommuIoasCopy.dstIova(struct, toIova);
        });
        return Client.name(client.raw(IommuIoasCopy.IOMMU_IOAS_COPY, STRUCT));
    }

    private Ioas object() {
        return (Ioas) client.file.context().object(ioas);
    }

    private Access access(AccessClient watcher) {
        Access access = client.file.context().createAccess(watcher);
        access.attach(object());
        return access;
    }

    @Test
    void anArrayIsWrittenUpToThePageThatCannotBe() {
        long address = ARRAY + PAGE - 8;
        client.caller.at(address, 8).fill((byte) 0x5a);
        client.caller.protect(ARRAY + PAGE);
        client.refused(Errno.EFAULT, IommuIoasIovaRanges.IOMMU_IOAS_IOVA_RANGES, IommuIoasIovaRanges.SIZE_BYTES, struct -> {
            IommuIoasIovaRanges.ioasId(struct, ioas);
            IommuIoasIovaRanges.numIovas(struct, 1);
            IommuIoasIovaRanges.allowedIovas(struct, address);
        });
        assertThat(client.caller.at(address, 8).get(ValueLayout.JAVA_LONG_UNALIGNED, 0)).as("start of the only range").isZero();
    }

    @Test
    void theNodeIsReadyForWhateverItIsAskedWithPoll() {
        assertThat(client.file.poll()).isEqualTo(OpenNode.READABLE | OpenNode.WRITABLE);
    }

    @Test
    void allocationKnowsNoFlagsAndNumbersCountUp() {
        client.refused(Errno.EOPNOTSUPP, IommuIoasAlloc.IOMMU_IOAS_ALLOC, IommuIoasAlloc.SIZE_BYTES, struct -> IommuIoasAlloc.flags(struct, 1));
        assertThat(IommuIoasAlloc.outIoasId(client.granted(IommuIoasAlloc.IOMMU_IOAS_ALLOC, IommuIoasAlloc.SIZE_BYTES, struct -> { }))).isEqualTo(2);
    }

    @Test
    void anAnswerThatCannotBeWrittenLeavesNothing() {
        client.struct(IommuIoasAlloc.SIZE_BYTES, struct -> { });
        client.caller.protect(STRUCT);
        assertThat(Client.name(client.raw(IommuIoasAlloc.IOMMU_IOAS_ALLOC, STRUCT))).isEqualTo("EFAULT");
        assertThat(client.file.context().allocateIoas().id()).as("the number is free again").isEqualTo(2);
    }

    @Test
    void mapChoosesAnIovaOrTakesOne() {
        assertThat(map(BOTH, ioas, BUFFER + 5, PAGE, 0)).isEqualTo("0");
        assertThat(IommuIoasMap.iova(client.caller.at(STRUCT, 64)) % PAGE).isEqualTo(5);
        assertThat(map(BOTH | FIXED, ioas, BUFFER, PAGE, IOVA)).isEqualTo("0");
        assertThat(object().mappedBytes()).isEqualTo(2 * PAGE);
    }

    @Test
    void mapRefusesInLinuxsOrder() {
        assertThat(map(8 | BOTH, 99, -1, -1, -1)).as("unknown flag").isEqualTo("EOPNOTSUPP");
        client.refused(Errno.EOPNOTSUPP, IommuIoasMap.IOMMU_IOAS_MAP, IommuIoasMap.SIZE_BYTES, struct -> IommuIoasMap.reserved(struct, 1));
        assertThat(map(FIXED, 99, BUFFER, PAGE, -1)).as("IOVA").isEqualTo("EOVERFLOW");
        assertThat(map(FIXED, 99, BUFFER, -1, 0)).as("length").isEqualTo("EOVERFLOW");
        assertThat(map(FIXED, 99, BUFFER, PAGE, 0)).as("no access").isEqualTo("EINVAL");
        assertThat(map(BOTH, 99, BUFFER, 0, 0)).as("no such IOAS").isEqualTo("ENOENT");
        assertThat(map(BOTH, ioas, BUFFER, 0, 0)).isEqualTo("EINVAL");
        assertThat(map(BOTH, ioas, -PAGE, 2 * PAGE, 0)).as("beyond 64 bits").isEqualTo("EOVERFLOW");
        assertThat(map(BOTH, ioas, 0, -2, 0)).as("more pages than there are").isEqualTo("EINVAL");
        assertThat(map(BOTH, ioas, 0, Long.MAX_VALUE, 0)).as("no hole can be so long").isEqualTo("EOVERFLOW");
        assertThat(map(BOTH | FIXED, ioas, BUFFER, 2 * PAGE, -PAGE)).as("beyond the IOVAs").isEqualTo("EOVERFLOW");
        mapped(IOVA, 2);
        assertThat(map(BOTH | FIXED, ioas, BUFFER, PAGE, IOVA + PAGE)).isEqualTo("EEXIST");
        assertThat(object().mappedBytes()).isEqualTo(2 * PAGE);
    }

    @Test
    void memoryThatIsNotThereIsNoticedWhenADeviceNeedsIt() {
        BoundDevice device = client.bind(1);
        device.attach(object());
        client.caller.hole(BUFFER + PAGE);
        client.caller.protect(BUFFER + 3 * PAGE);
        assertThat(map(BOTH, ioas, BUFFER, 2 * PAGE, 0)).isEqualTo("EFAULT");
        assertThat(map(BOTH, ioas, BUFFER + 3 * PAGE, PAGE, 0)).isEqualTo("EFAULT");
        assertThat(map(IommuIoasMap.IOMMU_IOAS_MAP_READABLE, ioas, BUFFER + 3 * PAGE, PAGE, 0)).isEqualTo("0");
        assertThat(object().mappedBytes()).isEqualTo(PAGE);
        assertThat(client.caller.pinnedPages).hasValue(1);
    }

    @Test
    void unmapTellsHowMuchWasUnmapped() {
        mapped(IOVA, 1);
        mapped(IOVA + 3 * PAGE, 2);
        assertThat(unmap(IOVA, 5 * PAGE)).isEqualTo("0");
        assertThat(unmapped()).isEqualTo(3 * PAGE);
        assertThat(unmap(IOVA, 5 * PAGE)).as("nothing is left").isEqualTo("ENOENT");
        assertThat(unmap(0, -1)).as("all of nothing").isEqualTo("0");
        assertThat(unmapped()).isZero();
        assertThat(unmap(-1, 1)).isEqualTo("EOVERFLOW");
        assertThat(unmap(1, -1)).isEqualTo("EOVERFLOW");
        assertThat(unmap(IOVA, 0)).isEqualTo("EINVAL");
        assertThat(unmap(-PAGE, 2 * PAGE)).isEqualTo("EOVERFLOW");
        client.refused(Errno.ENOENT, IommuIoasUnmap.IOMMU_IOAS_UNMAP, IommuIoasUnmap.SIZE_BYTES, struct -> IommuIoasUnmap.ioasId(struct, 99));
    }

    @Test
    void aMappingThatWouldBeCutStopsUnmapAfterThoseBefore() {
        mapped(IOVA, 1);
        mapped(IOVA + PAGE, 2);
        mapped(IOVA + 3 * PAGE, 1);
        assertThat(unmap(IOVA, 2 * PAGE)).isEqualTo("ENOENT");
        assertThat(object().mappedBytes()).as("the first has gone").isEqualTo(3 * PAGE);
        assertThat(unmap(IOVA + 2 * PAGE, 2 * PAGE)).isEqualTo("ENOENT");
        assertThat(object().mappedBytes()).as("none lay before the one that would be cut").isEqualTo(3 * PAGE);
        assertThat(unmap(0, -1)).isEqualTo("0");
        assertThat(unmapped()).isEqualTo(3 * PAGE);
    }

    @Test
    void anAccessThatDoesNotLetGoStopsUnmapAfterThoseBefore() {
        mapped(IOVA, 1);
        mapped(IOVA + PAGE, 1);
        Access access = access((iova, length) -> { });
        PinnedRuns runs = new PinnedRuns(1);
        access.pin(IOVA + PAGE, PAGE, true, runs);
        assertThat(unmap(IOVA, 2 * PAGE)).isEqualTo("EDEADLOCK");
        assertThat(object().mappedBytes()).isEqualTo(PAGE);
        access.unpin(IOVA + PAGE, PAGE);
        assertThat(unmap(0, -1)).isEqualTo("0");
    }

    @Test
    void copySharesPagesAndRefusesInLinuxsOrder() {
        mapped(IOVA, 2);
        int other = client.file.context().allocateIoas().id();
        assertThat(copy(BOTH, ioas, other, 2 * PAGE, IOVA, 0)).isEqualTo("0");
        assertThat(IommuIoasCopy.dstIova(client.caller.at(STRUCT, 64))).isNotZero();
        assertThat(copy(BOTH | FIXED, ioas, other, PAGE, IOVA + PAGE, IOVA)).isEqualTo("0");
        assertThat(copy(BOTH | FIXED, ioas, other, PAGE, IOVA + PAGE, IOVA)).isEqualTo("EEXIST");
        assertThat(copy(16 | BOTH, ioas, other, -1, 0, 0)).isEqualTo("EOPNOTSUPP");
        assertThat(copy(FIXED, ioas, other, -1, 0, 0)).isEqualTo("EOVERFLOW");
        assertThat(copy(FIXED, ioas, other, PAGE, -1, 0)).isEqualTo("EOVERFLOW");
        assertThat(copy(FIXED, ioas, other, PAGE, 0, -1)).isEqualTo("EOVERFLOW");
        assertThat(copy(FIXED, 99, 99, PAGE, 0, 0)).isEqualTo("EINVAL");
        assertThat(copy(BOTH, 99, other, 0, IOVA, 0)).isEqualTo("ENOENT");
        assertThat(copy(BOTH, ioas, 99, 0, IOVA, 0)).as("the source comes before the target").isEqualTo("EINVAL");
        assertThat(copy(BOTH, ioas, 99, 3 * PAGE, IOVA, 0)).isEqualTo("ENOENT");
        assertThat(copy(BOTH, ioas, 99, PAGE, IOVA, 0)).isEqualTo("ENOENT");
        assertThat(map(IommuIoasMap.IOMMU_IOAS_MAP_READABLE | FIXED, ioas, BUFFER, PAGE, 0)).isEqualTo("0");
        assertThat(copy(BOTH, ioas, other, PAGE, 0, 0)).as("writing what may be read").isEqualTo("EPERM");
    }

    @Test
    void rangesAreToldAsFarAsThereIsRoom() {
        client.rig.hardware.reservedRegions = List.of(new ReservedRegion(
                new IovaRange(IOVA, IOVA + PAGE - 1), ReservedRegion.Kind.RESERVED));
        client.bind(1).attach(object());
        MemorySegment array = client.caller.at(ARRAY, 64);
        array.fill((byte) 0x55);
        MemorySegment struct = client.refused(Errno.EMSGSIZE, IommuIoasIovaRanges.IOMMU_IOAS_IOVA_RANGES, IommuIoasIovaRanges.SIZE_BYTES, s -> {
            IommuIoasIovaRanges.ioasId(s, ioas);
            IommuIoasIovaRanges.numIovas(s, 1);
            IommuIoasIovaRanges.allowedIovas(s, ARRAY);
        });
        assertThat(IommuIoasIovaRanges.numIovas(struct)).isEqualTo(2);
        assertThat(IommuIovaRange.last(array)).isEqualTo(IOVA - 1);
        assertThat(IommuIovaRange.start(array.asSlice(16))).as("beyond the room").isEqualTo(0x5555555555555555L);
        struct = client.granted(IommuIoasIovaRanges.IOMMU_IOAS_IOVA_RANGES, IommuIoasIovaRanges.SIZE_BYTES, s -> {
            IommuIoasIovaRanges.ioasId(s, ioas);
            IommuIoasIovaRanges.numIovas(s, 3);
            IommuIoasIovaRanges.allowedIovas(s, ARRAY);
        });
        assertThat(IommuIoasIovaRanges.numIovas(struct)).isEqualTo(2);
        assertThat(IommuIoasIovaRanges.outIovaAlignment(struct)).isEqualTo(PAGE);
        assertThat(IommuIovaRange.start(array.asSlice(16))).isEqualTo(IOVA + PAGE);
        client.refused(Errno.EFAULT, IommuIoasIovaRanges.IOMMU_IOAS_IOVA_RANGES, IommuIoasIovaRanges.SIZE_BYTES, s -> {
            IommuIoasIovaRanges.ioasId(s, ioas);
            IommuIoasIovaRanges.numIovas(s, 3);
        });
        client.refused(Errno.EOPNOTSUPP, IommuIoasIovaRanges.IOMMU_IOAS_IOVA_RANGES, IommuIoasIovaRanges.SIZE_BYTES, s -> IommuIoasIovaRanges.reserved(s, 1));
        client.refused(Errno.ENOENT, IommuIoasIovaRanges.IOMMU_IOAS_IOVA_RANGES, IommuIoasIovaRanges.SIZE_BYTES, s -> { });
    }

    private String allow(int count, long... startsAndLasts) {
        for (int i = 0; i < startsAndLasts.length; i++) {
            client.caller.at(ARRAY + i * 8L, 8).set(ValueLayout.JAVA_LONG_UNALIGNED, 0, startsAndLasts[i]);
        }
        client.struct(IommuIoasAllowIovas.SIZE_BYTES, struct -> {
            IommuIoasAllowIovas.ioasId(struct, ioas);
            IommuIoasAllowIovas.numIovas(struct, count);
            IommuIoasAllowIovas.allowedIovas(struct, ARRAY);
        });
        return Client.name(client.raw(IommuIoasAllowIovas.IOMMU_IOAS_ALLOW_IOVAS, STRUCT));
    }

    @Test
    void allowedRangesDirectWhereMappingsGo() {
        assertThat(allow(1, IOVA, IOVA + PAGE - 1)).isEqualTo("0");
        assertThat(map(BOTH, ioas, BUFFER, PAGE, 0)).isEqualTo("0");
        assertThat(IommuIoasMap.iova(client.caller.at(STRUCT, 64))).isEqualTo(IOVA);
        assertThat(map(BOTH, ioas, BUFFER, PAGE, 0)).isEqualTo("ENOSPC");
        assertThat(allow(0)).as("all again").isEqualTo("0");
        assertThat(map(BOTH, ioas, BUFFER, PAGE, 0)).isEqualTo("0");
    }

    @Test
    void allowedRangesAreCheckedOneAfterTheOther() {
        assertThat(allow(1, 5, 5)).as("empty").isEqualTo("EINVAL");
        assertThat(allow(1, 6, 5)).isEqualTo("EINVAL");
        assertThat(allow(2, 0, 100, 50, 60)).as("overlap").isEqualTo("EINVAL");
        assertThat(allow(2, 50, 60, 0, 100)).as("overlap").isEqualTo("EINVAL");
        assertThat(allow(2, 101, 200, 0, 100)).as("neighbours").isEqualTo("0");
        client.caller.hole(ARRAY + PAGE);
        assertThat(allow(257, 5, 5)).as("a bad one before the hole").isEqualTo("EINVAL");
        for (int i = 0; i < 256; i++) {
            IommuIovaRange.start(client.caller.at(ARRAY + i * 16L, 16), i * 16L);
            IommuIovaRange.last(client.caller.at(ARRAY + i * 16L, 16), i * 16L + 1);
        }
        assertThat(allow(257)).isEqualTo("EFAULT");
        assertThat(allow(256)).isEqualTo("0");
        client.refused(Errno.EOPNOTSUPP, IommuIoasAllowIovas.IOMMU_IOAS_ALLOW_IOVAS, IommuIoasAllowIovas.SIZE_BYTES, s -> IommuIoasAllowIovas.reserved(s, 1));
        client.refused(Errno.ENOENT, IommuIoasAllowIovas.IOMMU_IOAS_ALLOW_IOVAS, IommuIoasAllowIovas.SIZE_BYTES, s -> IommuIoasAllowIovas.ioasId(s, 99));
    }

    private String mapFile(int descriptor, long start, long length) {
        client.struct(IommuIoasMapFile.SIZE_BYTES, struct -> {
            IommuIoasMapFile.flags(struct, BOTH);
            IommuIoasMapFile.ioasId(struct, ioas);
            IommuIoasMapFile.fd(struct, descriptor);
            IommuIoasMapFile.start(struct, start);
            IommuIoasMapFile.length(struct, length);
        });
        return Client.name(client.raw(IommuIoasMapFile.IOMMU_IOAS_MAP_FILE, STRUCT));
    }

    @Test
    void filesAreMappedByDescriptor() {
        int memory = client.caller.openFile(client.rig.ram);
        int other = client.caller.openFile(null);
        assertThat(mapFile(memory, 0, PAGE)).isEqualTo("0");
        assertThat(mapFile(memory, 0, 0)).isEqualTo("EINVAL");
        assertThat(mapFile(memory, -PAGE, 2 * PAGE)).isEqualTo("EOVERFLOW");
        assertThat(mapFile(-1, 0, PAGE)).isEqualTo("EBADF");
        assertThat(mapFile(-1, -PAGE, 2 * PAGE)).as("the length comes before the file").isEqualTo("EOVERFLOW");
        assertThat(mapFile(other, 0, PAGE)).as("nothing needs its pages yet").isEqualTo("0");
        assertThat(unmap(0, -1)).isEqualTo("0");
        client.bind(1).attach(object());
        assertThat(mapFile(other, 0, PAGE)).as("a device needs them").isEqualTo("EINVAL");
        assertThat(mapFile(memory, 0, PAGE)).isEqualTo("0");
        assertThat(unmap(0, -1)).isEqualTo("0");
    }

    @Test
    void physicalAddressesAreForTheRightClients() {
        mapped(IOVA, 1);
        Consumer<MemorySegment> sound = struct -> {
            IommuIoasNoiommuGetPa.ioasId(struct, ioas);
            IommuIoasNoiommuGetPa.iova(struct, IOVA);
            IommuIoasNoiommuGetPa.length(struct, PAGE);
        };
        int request = IommuIoasNoiommuGetPa.IOMMU_IOAS_NOIOMMU_GET_PA;
        int size = IommuIoasNoiommuGetPa.SIZE_BYTES;
        client.refused(Errno.EOPNOTSUPP, request, size, sound);
        client.refused(Errno.ENOENT, request, size, sound.andThen(s -> IommuIoasNoiommuGetPa.iova(s, 0)));
        client.refused(Errno.ENOENT, request, size, sound.andThen(s -> IommuIoasNoiommuGetPa.ioasId(s, 99)));
        client.refused(Errno.EOVERFLOW, request, size, sound.andThen(s -> IommuIoasNoiommuGetPa.iova(s, -1)));
        client.refused(Errno.EINVAL, request, size, sound.andThen(s -> IommuIoasNoiommuGetPa.length(s, 0)));
        client.refused(Errno.EOPNOTSUPP, request, size, sound.andThen(s -> IommuIoasNoiommuGetPa.flags(s, 1)).andThen(s -> IommuIoasNoiommuGetPa.length(s, 0)));
        client.caller.owner = new ContextOwner(77, 1000, ContextOwner.UNLIMITED, true, false);
        client.refused(Errno.EPERM, request, size, s -> IommuIoasNoiommuGetPa.flags(s, 1));
    }

    @Test
    void whoMapsPays() {
        client.bind(1).attach(object());
        client.caller.owner = new ContextOwner(78, 1001, PAGE, false, false);
        assertThat(map(BOTH, ioas, BUFFER, PAGE, 0)).isEqualTo("0");
        assertThat(map(BOTH, ioas, BUFFER, PAGE, 0)).isEqualTo("ENOMEM");
        client.caller.owner = new ContextOwner(78, 1001, 2 * PAGE, false, false);
        assertThat(map(BOTH, ioas, BUFFER, PAGE, 0)).as("the limit was raised").isEqualTo("0");
        assertThat(unmap(0, -1)).isEqualTo("0");
    }

    @Test
    void theLimitIsThatOfTheMomentWhenPagesArePinned() {
        var device = client.bind(1);
        client.caller.owner = new ContextOwner(78, 1001, PAGE, false, false);
        mapped(IOVA, 2);   // without a device nothing is pinned
        assertRefused(Errno.ENOMEM, () -> device.attach(object()));
        client.caller.owner = new ContextOwner(78, 1001, 2 * PAGE, false, false);
        device.attach(object());
        device.detach();
        client.caller.owner = new ContextOwner(78, 1001, PAGE, false, false);
        assertRefused(Errno.ENOMEM, () -> device.attach(object()));
        assertThat(unmap(0, -1)).isEqualTo("0");
    }

    @Test
    void onlyFilesMoveToAnotherProcess() {
        client.bind(1).attach(object());
        int memory = client.caller.openFile(client.rig.ram);
        Consumer<MemorySegment> nothing = struct -> { };
        mapped(IOVA, 1);
        client.refused(Errno.EINVAL, IommuIoasChangeProcess.IOMMU_IOAS_CHANGE_PROCESS, IommuIoasChangeProcess.SIZE_BYTES, nothing);
        assertThat(unmap(0, -1)).isEqualTo("0");
        client.granted(IommuIoasChangeProcess.IOMMU_IOAS_CHANGE_PROCESS, IommuIoasChangeProcess.SIZE_BYTES, nothing);
        assertThat(mapFile(memory, 0, PAGE)).isEqualTo("0");
        client.refused(Errno.EOPNOTSUPP, IommuIoasChangeProcess.IOMMU_IOAS_CHANGE_PROCESS, IommuIoasChangeProcess.SIZE_BYTES,
                struct -> IommuIoasChangeProcess.reserved(struct, 1));
    }

    @Test
    void hugePagesAreAnOptionOfEachAddressSpace() {
        for (int value = 1; value >= 0; value--) {
            int wanted = value;
            client.granted(IommuOption.IOMMU_OPTION, IommuOption.SIZE_BYTES, struct -> option(struct, IommuOption.IOMMU_OPTION_OP_SET, wanted));
            MemorySegment told = client.granted(IommuOption.IOMMU_OPTION, IommuOption.SIZE_BYTES, struct -> option(struct, IommuOption.IOMMU_OPTION_OP_GET, 9));
            assertThat(IommuOption.val64(told)).isEqualTo(wanted);
        }
        client.refused(Errno.EINVAL, IommuOption.IOMMU_OPTION, IommuOption.SIZE_BYTES, struct -> option(struct, IommuOption.IOMMU_OPTION_OP_SET, 2));
        client.refused(Errno.EOPNOTSUPP, IommuOption.IOMMU_OPTION, IommuOption.SIZE_BYTES, struct -> option(struct, 2, 0));
        client.refused(Errno.EOPNOTSUPP, IommuOption.IOMMU_OPTION, IommuOption.SIZE_BYTES, struct -> IommuOption.reserved(struct, (short) 1));
    }

    private void option(MemorySegment struct, int operation, long value) {
        IommuOption.optionId(struct, IommuOption.IOMMU_OPTION_HUGE_PAGES);
        IommuOption.objectId(struct, ioas);
        IommuOption.op(struct, (short) operation);
        IommuOption.val64(struct, value);
    }

    private void destroyed(int id) {
        client.granted(IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, struct -> IommuDestroy.id(struct, id));
    }

    private void notDestroyed(Errno errno, int id) {
        client.refused(errno, IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, struct -> IommuDestroy.id(struct, id));
    }

    @Test
    void whatADriverMadeOnlyTheDriverDestroys() {
        BoundDevice device = client.bind(1);
        Access access = access(AccessClient.withoutPins());
        FaultQueue queue = client.file.context().allocateFaultQueue();
        notDestroyed(Errno.EBUSY, device.id());
        notDestroyed(Errno.EBUSY, access.id());
        notDestroyed(Errno.EBUSY, ioas);
        destroyed(queue.id());
        notDestroyed(Errno.ENOENT, queue.id());
        access.detach();
        destroyed(ioas);
        assertThat(device.attached()).isEmpty();
    }
}
