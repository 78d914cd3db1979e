package iommufd.core.node;

import static iommufd.core.node.Client.ARRAY;
import static iommufd.core.node.Client.BUFFER;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Access;
import iommufd.api.AccessClient;
import iommufd.api.Attachable;
import iommufd.api.BoundDevice;
import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.Pasid;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import iommufd.api.uapi.IommuDestroy;
import iommufd.api.uapi.IommuFaultAlloc;
import iommufd.api.uapi.IommuHwInfo;
import iommufd.api.uapi.IommuHwQueueAlloc;
import iommufd.api.uapi.IommuHwptAlloc;
import iommufd.api.uapi.IommuHwptGetDirtyBitmap;
import iommufd.api.uapi.IommuHwptInvalidate;
import iommufd.api.uapi.IommuHwptSetDirtyTracking;
import iommufd.api.uapi.IommuIoasAlloc;
import iommufd.api.uapi.IommuIoasAllowIovas;
import iommufd.api.uapi.IommuIoasChangeProcess;
import iommufd.api.uapi.IommuIoasCopy;
import iommufd.api.uapi.IommuIoasIovaRanges;
import iommufd.api.uapi.IommuIoasMap;
import iommufd.api.uapi.IommuIoasMapFile;
import iommufd.api.uapi.IommuIoasUnmap;
import iommufd.api.uapi.IommuOption;
import iommufd.api.uapi.IommuVdeviceAlloc;
import iommufd.api.uapi.IommuVeventqAlloc;
import iommufd.api.uapi.IommuVfioIoas;
import iommufd.api.uapi.IommuViommuAlloc;
import iommufd.core.fake.Sabotage;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The n-th thing that can fail does, for every n until nothing fails any more: copies from and to the client, pins, calls of the
 * hardware, new files, and what pins are charged to. The request gets that errno, the context goes on, nothing is left. The first eight scenarios are those of
 * Linux's own {@code iommufd_fail_nth}.
 */
class FaultInjectionTest {
    private static final int MORE_THAN_ENOUGH = 300;
    private static final int NEVER = 0;
    private static final int MAPPED_BYTES = 262_144;
    private static final long FIRST_IOVA = 1 << 24;
    private static final Set<Errno> INJECTED = Set.of(Errno.ENOMEM, Errno.EFAULT, Errno.EMFILE);

    /** A request was refused with an errno that was injected. */
    private static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Refused(String what) {
            super(what, null, false, false);
        }
    }

    /** A client whose world fails from {@link #arm} on, and what it does with its devices. */
    private static final class World {
        final Client client = new Client();
        final DmaEndpoint[] endpoints = {client.rig.plug(1, 1, 8, true), client.rig.plug(2, 2, 8, true)};
        final Map<Integer, BoundDevice> devices = new TreeMap<>();
        private final int failAt;

        World(int failAt) {
            this.failAt = failAt;
            client.caller.sabotage = client.rig.hardware.sabotage;
        }

        void arm() {
            client.rig.hardware.sabotage.refuseAt(failAt);
        }

        MemorySegment ask(int request, int sizeBytes, Consumer<MemorySegment> fields) {
            MemorySegment struct = client.struct(sizeBytes, fields);
            long result = client.raw(request, Client.STRUCT);
            if (result < 0) {
                assertThat(INJECTED.stream().map(Errno::name)).as("request 0x%x", request).contains(Client.name(result));
                throw new Refused("request 0x%x: %s".formatted(request, Client.name(result)));
            }
            return struct;
        }

        <T> T attempt(Supplier<T> call) {
            try {
                return call.get();
            } catch (IommufdException refused) {
                assertThat(refused.errno()).as(refused.getMessage()).isIn(INJECTED);
                throw new Refused(refused.getMessage());
            }
        }

        void attempt(Runnable call) {
            attempt(() -> {
                call.run();
                return true;
            });
        }

        int ioas() {
            return IommuIoasAlloc.outIoasId(ask(IommuIoasAlloc.IOMMU_IOAS_ALLOC, IommuIoasAlloc.SIZE_BYTES, struct -> { }));
        }

        <T> T object(int id, Class<T> type) {
            return type.cast(client.file.context().object(id));
        }

        long map(int ioas, int lengthBytes) {
            return IommuIoasMap.iova(ask(IommuIoasMap.IOMMU_IOAS_MAP, IommuIoasMap.SIZE_BYTES, struct -> map(struct, ioas, lengthBytes, 6)));
        }

        void mapAt(int ioas, int lengthBytes) {
            ask(IommuIoasMap.IOMMU_IOAS_MAP, IommuIoasMap.SIZE_BYTES, struct -> map(struct, ioas, lengthBytes, 7));
        }

        private static void map(MemorySegment struct, int ioas, int lengthBytes, int flags) {
            IommuIoasMap.flags(struct, flags);
            IommuIoasMap.ioasId(struct, ioas);
            IommuIoasMap.userVa(struct, BUFFER);
            IommuIoasMap.length(struct, lengthBytes);
            IommuIoasMap.iova(struct, FIRST_IOVA);
        }

        long mapFile(int ioas) {
            int file = client.caller.openFile(new FailingFile(client.rig.ram, client.caller.sabotage));
            return IommuIoasMapFile.iova(ask(IommuIoasMapFile.IOMMU_IOAS_MAP_FILE, IommuIoasMapFile.SIZE_BYTES, struct -> {
                IommuIoasMapFile.flags(struct, 6);
                IommuIoasMapFile.ioasId(struct, ioas);
                IommuIoasMapFile.fd(struct, file);
                IommuIoasMapFile.length(struct, MAPPED_BYTES);
            }));
        }

        void unmap(int ioas, long iova, long lengthBytes) {
            ask(IommuIoasUnmap.IOMMU_IOAS_UNMAP, IommuIoasUnmap.SIZE_BYTES, struct -> {
                IommuIoasUnmap.ioasId(struct, ioas);
                IommuIoasUnmap.iova(struct, iova);
                IommuIoasUnmap.length(struct, lengthBytes);
            });
        }

        void destroy(int id) {
            ask(IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, struct -> IommuDestroy.id(struct, id));
        }

        /** What the selftests' device does when it is made: bound and attached, or not there. */
        BoundDevice device(int index, int target) {
            BoundDevice device = attempt(() -> client.file.context().bind(endpoints[index]));
            try {
                attempt(() -> device.attach(object(target, Attachable.class)));
            } catch (Refused refused) {
                device.destroy();
                throw refused;
            }
            devices.put(index, device);
            return device;
        }

        void remove(int index) {
            BoundDevice device = devices.remove(index);
            device.detach();
            device.destroy();
        }

        int hwpt(BoundDevice device, int parent, int flags, Consumer<MemorySegment> more) {
            return IommuHwptAlloc.outHwptId(ask(IommuHwptAlloc.IOMMU_HWPT_ALLOC, IommuHwptAlloc.SIZE_BYTES, struct -> {
                IommuHwptAlloc.devId(struct, device.id());
                IommuHwptAlloc.ptId(struct, parent);
                IommuHwptAlloc.flags(struct, flags);
                more.accept(struct);
            }));
        }

        /** A map that is shown at once finds out that the limit is another. */
        void raiseLimit(ContextOwner rich) {
            client.caller.owner = rich;
            int ioas = ioas();
            BoundDevice device = client.file.context().bind(client.rig.plug(3));
            device.attach(object(ioas, Ioas.class));
            mapAt(ioas, MAPPED_BYTES);
            device.detach();
            device.destroy();
            unmap(ioas, FIRST_IOVA, MAPPED_BYTES);
            destroy(ioas);
        }

        /** All is calm again: the context is as good as ever, then it ends and leaves nothing. */
        void checkAndClose() {
            client.rig.hardware.sabotage.calm();
            devices.values().forEach(device -> {
                if (device.attached().isPresent()) {
                    device.detach();
                }
                device.destroy();
            });
            devices.clear();
            int ioas = ioas();
            mapAt(ioas, MAPPED_BYTES);
            device(0, ioas);
            device(1, ioas);
            var port = endpoints[1].openPort();
            assertThat(client.rig.reaches(port, FIRST_IOVA, BUFFER - MemoryCaller.BASE)).as("DMA arrives").isTrue();
            port.close();
            remove(0);
            remove(1);
            unmap(ioas, FIRST_IOVA, MAPPED_BYTES);
            destroy(ioas);
            client.close();
        }
    }

    /** A file whose pages cannot always be pinned. */
    private record FailingFile(UserMemory content, Sabotage sabotage) implements UserMemory {
        @Override
        public Kind kind() {
            return Kind.FILE;
        }

        @Override
        public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
            sabotage.refusable("pin of a file", Errno.ENOMEM);
            content.pin(address, lengthBytes, writable, runs);
        }

        @Override
        public void unpin(long physicalAddress, long lengthBytes) {
            content.unpin(physicalAddress, lengthBytes);
        }
    }

    /** What is tried again and again. */
    enum Scenario {
        BASIC {
            @Override
            void run(World world) {
                world.arm();
                world.attempt(() -> world.client.node.open(world.client.caller).close());
                int ioas = world.ioas();
                world.ask(IommuIoasIovaRanges.IOMMU_IOAS_IOVA_RANGES, IommuIoasIovaRanges.SIZE_BYTES, struct -> {
                    IommuIoasIovaRanges.ioasId(struct, ioas);
                    IommuIoasIovaRanges.numIovas(struct, 10);
                    IommuIoasIovaRanges.allowedIovas(struct, ARRAY);
                });
                MemorySegment range = world.client.caller.at(ARRAY, 16);
                range.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, 16 << 10);
                range.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, (16 << 20) - 1);
                world.ask(IommuIoasAllowIovas.IOMMU_IOAS_ALLOW_IOVAS, IommuIoasAllowIovas.SIZE_BYTES, struct -> {
                    IommuIoasAllowIovas.ioasId(struct, ioas);
                    IommuIoasAllowIovas.numIovas(struct, 1);
                    IommuIoasAllowIovas.allowedIovas(struct, ARRAY);
                });
                long iova = world.map(ioas, MAPPED_BYTES);
                world.ask(IommuIoasCopy.IOMMU_IOAS_COPY, IommuIoasCopy.SIZE_BYTES, struct -> {
                    IommuIoasCopy.flags(struct, 6);
                    IommuIoasCopy.dstIoasId(struct, ioas);
                    IommuIoasCopy.srcIoasId(struct, ioas);
                    IommuIoasCopy.srcIova(struct, iova);
                    IommuIoasCopy.length(struct, 4096);
                });
                world.unmap(ioas, iova, MAPPED_BYTES);
            }
        },
        MAP_DOMAIN {
            @Override
            void run(World world) {
                int ioas = world.ioas();
                world.arm();
                world.device(0, ioas);
                world.map(ioas, MAPPED_BYTES);
                world.remove(0);
                world.device(0, ioas);
            }
        },
        MAP_FILE_DOMAIN {
            @Override
            void run(World world) {
                int ioas = world.ioas();
                world.arm();
                world.device(0, ioas);
                world.mapFile(ioas);
                world.remove(0);
                world.device(0, ioas);
            }
        },
        MAP_TWO_DOMAINS {
            @Override
            void run(World world) {
                int ioas = world.ioas();
                world.device(0, ioas);
                world.arm();
                world.device(1, ioas);
                world.map(ioas, MAPPED_BYTES);
                world.remove(0);
                world.remove(1);
                world.device(0, ioas);
                world.device(1, ioas);
            }
        },
        ACCESS_RW {
            @Override
            void run(World world) {
                int ioas = world.ioas();
                long iova = world.map(ioas, MAPPED_BYTES);
                world.arm();
                Access access = world.attempt(() -> world.client.file.context().createAccess(AccessClient.withoutPins()));
                world.attempt(() -> access.attach(world.object(ioas, Ioas.class)));
                for (int bytes : new int[] {64, 32_768}) {
                    MemorySegment part = MemorySegment.ofArray(new byte[bytes]);
                    world.attempt(() -> access.read(iova, part));
                    world.attempt(() -> access.write(iova, part));
                }
                world.attempt(access::destroy);
            }
        },
        ACCESS_PIN {
            @Override
            void run(World world) {
                accessPin(world, world.ioas());
            }
        },
        ACCESS_PIN_DOMAIN {
            @Override
            void run(World world) {
                int ioas = world.ioas();
                world.device(0, ioas);
                accessPin(world, ioas);
                world.remove(0);
            }
        },
        DEVICE {
            @Override
            void run(World world) {
                int ioas = world.ioas();
                int other = world.ioas();
                world.mapAt(ioas, 4096);
                world.mapAt(other, 4096);
                world.arm();
                BoundDevice device = world.device(0, ioas);
                world.ask(IommuHwInfo.IOMMU_GET_HW_INFO, IommuHwInfo.SIZE_BYTES, struct -> {
                    IommuHwInfo.devId(struct, device.id());
                    IommuHwInfo.dataLen(struct, 16);
                    IommuHwInfo.dataUptr(struct, ARRAY);
                });
                int forPasids = world.hwpt(device, ioas, IommuHwptAlloc.IOMMU_HWPT_ALLOC_PASID, struct -> { });
                world.attempt(() -> device.replace(world.object(other, Ioas.class)));
                world.attempt(() -> device.replace(world.object(forPasids, Attachable.class)));
                int parent = world.hwpt(device, ioas, IommuHwptAlloc.IOMMU_HWPT_ALLOC_NEST_PARENT | IommuHwptAlloc.IOMMU_HWPT_ALLOC_PASID, struct -> { });
                int viommu = IommuViommuAlloc.outViommuId(world.ask(IommuViommuAlloc.IOMMU_VIOMMU_ALLOC, IommuViommuAlloc.SIZE_BYTES, struct -> {
                    IommuViommuAlloc.type(struct, 1);
                    IommuViommuAlloc.devId(struct, device.id());
                    IommuViommuAlloc.hwptId(struct, parent);
                }));
                world.ask(IommuVdeviceAlloc.IOMMU_VDEVICE_ALLOC, IommuVdeviceAlloc.SIZE_BYTES, struct -> {
                    IommuVdeviceAlloc.viommuId(struct, viommu);
                    IommuVdeviceAlloc.devId(struct, device.id());
                });
                world.ask(IommuHwQueueAlloc.IOMMU_HW_QUEUE_ALLOC, IommuHwQueueAlloc.SIZE_BYTES, struct -> {
                    IommuHwQueueAlloc.viommuId(struct, viommu);
                    IommuHwQueueAlloc.type(struct, 1);
                    IommuHwQueueAlloc.nestingParentIova(struct, FIRST_IOVA);
                    IommuHwQueueAlloc.length(struct, 4096);
                });
                MemorySegment queue = world.ask(IommuFaultAlloc.IOMMU_FAULT_QUEUE_ALLOC, IommuFaultAlloc.SIZE_BYTES, struct -> { });
                int faultQueue = IommuFaultAlloc.outFaultId(queue);
                world.client.caller.close(IommuFaultAlloc.outFaultFd(queue));
                int nested = world.hwpt(device, parent, IommuHwptAlloc.IOMMU_HWPT_FAULT_ID_VALID, struct -> {
                    IommuHwptAlloc.faultId(struct, faultQueue);
                    IommuHwptAlloc.dataType(struct, 1);
                    IommuHwptAlloc.dataLen(struct, 8);
                    IommuHwptAlloc.dataUptr(struct, ARRAY);
                });
                world.ask(IommuHwptInvalidate.IOMMU_HWPT_INVALIDATE, IommuHwptInvalidate.SIZE_BYTES, struct -> {
                    IommuHwptInvalidate.hwptId(struct, nested);
                    IommuHwptInvalidate.dataUptr(struct, ARRAY);
                    IommuHwptInvalidate.dataType(struct, 1);
                    IommuHwptInvalidate.entryLen(struct, 16);
                    IommuHwptInvalidate.entryNum(struct, 4);
                });
                MemorySegment events = world.ask(IommuVeventqAlloc.IOMMU_VEVENTQ_ALLOC, IommuVeventqAlloc.SIZE_BYTES, struct -> {
                    IommuVeventqAlloc.viommuId(struct, viommu);
                    IommuVeventqAlloc.type(struct, 1);
                    IommuVeventqAlloc.veventqDepth(struct, 2);
                });
                world.client.caller.close(IommuVeventqAlloc.outVeventqFd(events));
                int second = world.hwpt(device, ioas, IommuHwptAlloc.IOMMU_HWPT_ALLOC_PASID, struct -> { });
                Pasid pasid = new Pasid(200);
                world.attempt(() -> device.attach(pasid, world.object(forPasids, Attachable.class)));
                try {
                    world.attempt(() -> device.replace(pasid, world.object(second, Attachable.class)));
                } finally {
                    device.detach(pasid);
                }
            }
        },
        /** The requests that Linux's eight leave out. */
        THE_OTHERS {
            @Override
            void run(World world) {
                world.arm();
                option(world, IommuOption.IOMMU_OPTION_RLIMIT_MODE, IommuOption.IOMMU_OPTION_OP_SET, 0, 1);
                int ioas = world.ioas();
                option(world, IommuOption.IOMMU_OPTION_HUGE_PAGES, IommuOption.IOMMU_OPTION_OP_SET, ioas, 1);
                option(world, IommuOption.IOMMU_OPTION_HUGE_PAGES, IommuOption.IOMMU_OPTION_OP_GET, ioas, 0);
                for (int operation : new int[] {IommuVfioIoas.IOMMU_VFIO_IOAS_SET, IommuVfioIoas.IOMMU_VFIO_IOAS_GET, IommuVfioIoas.IOMMU_VFIO_IOAS_CLEAR}) {
                    world.ask(IommuVfioIoas.IOMMU_VFIO_IOAS, IommuVfioIoas.SIZE_BYTES, struct -> {
                        IommuVfioIoas.op(struct, (short) operation);
                        IommuVfioIoas.ioasId(struct, ioas);
                    });
                }
                BoundDevice device = world.device(0, ioas);
                long iova = world.mapFile(ioas);
                int tracked = world.hwpt(device, ioas, IommuHwptAlloc.IOMMU_HWPT_ALLOC_DIRTY_TRACKING, struct -> { });
                world.attempt(() -> device.replace(world.object(tracked, Attachable.class)));
                for (int enable : new int[] {1, 0}) {
                    world.ask(IommuHwptSetDirtyTracking.IOMMU_HWPT_SET_DIRTY_TRACKING, IommuHwptSetDirtyTracking.SIZE_BYTES, struct -> {
                        IommuHwptSetDirtyTracking.flags(struct, enable);
                        IommuHwptSetDirtyTracking.hwptId(struct, tracked);
                    });
                    world.ask(IommuHwptGetDirtyBitmap.IOMMU_HWPT_GET_DIRTY_BITMAP, IommuHwptGetDirtyBitmap.SIZE_BYTES, struct -> {
                        IommuHwptGetDirtyBitmap.hwptId(struct, tracked);
                        IommuHwptGetDirtyBitmap.iova(struct, iova);
                        IommuHwptGetDirtyBitmap.length(struct, MAPPED_BYTES);
                        IommuHwptGetDirtyBitmap.pageSize(struct, 4096);
                        IommuHwptGetDirtyBitmap.data(struct, ARRAY);
                    });
                }
                world.ask(IommuIoasChangeProcess.IOMMU_IOAS_CHANGE_PROCESS, IommuIoasChangeProcess.SIZE_BYTES, struct -> { });
                world.unmap(ioas, 0, -1);
                world.remove(0);
                world.destroy(tracked);
                world.destroy(ioas);
            }
        };

        abstract void run(World world);

        private static void option(World world, int option, int operation, int object, long value) {
            world.ask(IommuOption.IOMMU_OPTION, IommuOption.SIZE_BYTES, struct -> {
                IommuOption.optionId(struct, option);
                IommuOption.op(struct, (short) operation);
                IommuOption.objectId(struct, object);
                IommuOption.val64(struct, value);
            });
        }

        private static void accessPin(World world, int ioas) {
            world.arm();
            long iova = world.map(ioas, MAPPED_BYTES);
            Access access = world.client.file.context().createAccess((from, bytes) -> { });
            access.attach(world.object(ioas, Ioas.class));
            try {
                world.attempt(() -> access.pin(iova, MAPPED_BYTES, true, new PinnedRuns(1)));
                access.unpin(iova, MAPPED_BYTES);
            } finally {
                access.destroy();
            }
        }
    }

    /** Limits on locked memory around every size that is charged at once. */
    @ParameterizedTest
    @EnumSource(value = Scenario.class, mode = EnumSource.Mode.EXCLUDE, names = {"BASIC", "ACCESS_RW"})
    void whateverCannotBePaidIsToldAndLeavesNothing(Scenario scenario) {
        List<Long> refusing = new ArrayList<>();
        for (long pages : new long[] {0, 1, 63, 64, 65, 127, 128, 1000}) {
            World world = new World(NEVER);
            ContextOwner rich = world.client.caller.owner;
            world.client.caller.owner = new ContextOwner(rich.processId(), rich.userId(), pages * UserMemory.PAGE_BYTES, rich.sysResource(), rich.rawIo());
            try {
                scenario.run(world);
            } catch (Refused expected) {
                refusing.add(pages);
            } catch (AssertionError | RuntimeException failed) {
                throw new AssertionError("%s with a limit of %d pages".formatted(scenario, pages), failed);
            }
            world.raiseLimit(rich);
            world.checkAndClose();
        }
        assertThat(refusing).as("limits that are too low").contains(0L).doesNotContain(1000L);
    }

    @ParameterizedTest
    @EnumSource(Scenario.class)
    void whateverFailsIsToldAndLeavesNothing(Scenario scenario) {
        boolean calm = false;
        int failures = 0;
        for (int n = 1; !calm && n < MORE_THAN_ENOUGH; n++) {
            World world = new World(n);
            try {
                scenario.run(world);
                calm = world.client.rig.hardware.sabotage.calm();   // else a second attempt made up for it, as of a struct that is shorter
            } catch (Refused expected) {
                failures++;
            } catch (AssertionError | RuntimeException failed) {
                throw new AssertionError("%s with failure %d".formatted(scenario, n), failed);
            }
            world.checkAndClose();
        }
        assertThat(calm).as("it works once nothing fails any more").isTrue();
        assertThat(failures).as("something could fail").isPositive();
    }
}
