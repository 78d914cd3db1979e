package iommufd.core.object;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Attachable;
import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.Pasid;
import iommufd.core.fake.FakeHardware;
import iommufd.core.fake.Rig;
import iommufd.core.object.ObjectModel.Table;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Random calls on a context, hardware coming and going meanwhile, against {@link ObjectModel}. */
class ObjectPropertyTest {
    private static final long IOVA = 1 << 20;
    private static final int STEPS = 400;
    private static final int[] GROUPS = {1, 1, 3, 4};
    private static final int[] PASID_BITS = {4, 4, 4, 0};

    static LongStream seeds() {
        return LongStream.concat(LongStream.of(1, 2, 3), new Random().longs(3));
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void behavesAsTheModel(long seed) {
        try (Rig rig = new Rig()) {
            new Run(rig, new Random(seed), "seed " + seed).go();
        }
    }

    /** One sequence. */
    private static final class Run {
        private final Rig rig;
        private final Random random;
        private final String name;
        private final ObjectModel model = new ObjectModel(GROUPS, PASID_BITS);
        private final FakeHardware second = new FakeHardware("second", "fake");
        private final List<DmaEndpoint> endpoints = new ArrayList<>();
        private final Map<Integer, Map<Integer, DmaPort>> ports = new HashMap<>();
        private final Map<Integer, Object> objects = new HashMap<>();
        private int pages;

        Run(Rig rig, Random random, String name) {
            this.rig = rig;
            this.random = random;
            this.name = name;
        }

        void go() {
            rig.engine.add(second);
            for (int d = 0; d < GROUPS.length; d++) {
                DmaEndpoint endpoint = rig.plug(d + 1, GROUPS[d], PASID_BITS[d], false);
                endpoints.add(endpoint);
                Map<Integer, DmaPort> opened = new HashMap<>(Map.of(Pasid.NONE, endpoint.openPort()));
                if (PASID_BITS[d] > 0) {
                    opened.put(1, endpoint.openPort(new Pasid(1)));
                    opened.put(2, endpoint.openPort(new Pasid(2)));
                }
                ports.put(d, opened);
            }
            for (int step = 0; step < STEPS; step++) {
                String what = name + ", step " + step;
                act(what);
                if (step % 5 == 0) {
                    checkDma(what);
                }
            }
            rig.context.close();
            assertThat(rig.hardware.domainCount() + second.domainCount()).as(name).isZero();
        }

        private void act(String what) {
            switch (random.nextInt(12)) {
                case 0 -> allocateIoas(what);
                case 1, 2 -> allocateHwpt(what);
                case 3 -> bind(what);
                case 4 -> destroy(what);
                case 5, 6 -> attach(what, false);
                case 7, 8 -> attach(what, true);
                case 9, 10 -> detach(what);
                default -> changeHardware();
            }
        }

        private void allocateIoas(String what) {
            int id = model.lowestFree();
            Ioas ioas = rig.context.allocateIoas();
            int page = pages++ % 2000;
            ioas.mapAt(IOVA, rig.ram, page * Rig.PAGE, Rig.PAGE, DmaAccess.READ_WRITE);
            assertThat(ioas.id()).as(what).isEqualTo(id);
            model.addIoas(id, page);
            objects.put(id, ioas);
        }

        private void allocateHwpt(String what) {
            Integer device = pick(model.devices());
            Integer ioas = pick(model.ioases());
            if (device == null || ioas == null) {
                return;
            }
            boolean pasid = random.nextBoolean();
            int id = model.lowestFree();
            PagingHwpt hwpt = rig.context.allocateHwpt((BoundDevice) objects.get(device), (Ioas) objects.get(ioas),
                    pasid ? HwptOptions.forPasid() : HwptOptions.none());
            assertThat(hwpt.id()).as(what).isEqualTo(id);
            model.addHwpt(id, ioas, pasid, false);
            objects.put(id, hwpt);
        }

        private void bind(String what) {
            int number = random.nextInt(GROUPS.length);
            int id = model.lowestFree();
            Optional<Errno> expected = model.bound(number) ? Optional.of(Errno.EBUSY) : Optional.empty();
            expect(what + " bind", expected, () -> rig.context.bind(endpoints.get(number))).ifPresent(device -> {
                assertThat(device.id()).as(what).isEqualTo(id);
                model.addDevice(id, number);
                objects.put(id, device);
            });
        }

        private void destroy(String what) {
            int id = 1 + random.nextInt(20);
            expect(what + " destroy " + id, model.destroy(id), () -> {
                rig.context.destroy(id);
                return id;
            });
        }

        private int randomPasid() {
            return random.nextInt(3) == 0 ? 1 + random.nextInt(2) : Pasid.NONE;
        }

        private void attach(String what, boolean replace) {
            Integer id = pick(model.devices());
            Integer target = pick(model.targets());
            if (id == null || target == null) {
                return;
            }
            BoundDevice device = (BoundDevice) objects.get(id);
            int pasid = PASID_BITS[model.number(id)] == 0 ? Pasid.NONE : randomPasid();
            ObjectModel.Outcome outcome = replace ? model.replace(id, pasid, target) : model.attach(id, pasid, target);
            Attachable wanted = (Attachable) objects.get(target);
            expect(what + (replace ? " replace " : " attach ") + id + " pasid " + pasid + " by " + target, outcome.refusal(), () -> {
                if (pasid == Pasid.NONE) {
                    return replace ? device.replace(wanted) : device.attach(wanted);
                }
                return replace ? device.replace(new Pasid(pasid), wanted) : device.attach(new Pasid(pasid), wanted);
            }).ifPresent(hwpt -> {
                assertThat(hwpt.id()).as(what).isEqualTo(outcome.hwpt());
                objects.put(hwpt.id(), hwpt);
            });
        }

        private void detach(String what) {
            Integer id = pick(model.devices());
            if (id == null) {
                return;
            }
            int pasid = PASID_BITS[model.number(id)] == 0 ? Pasid.NONE : randomPasid();
            BoundDevice device = (BoundDevice) objects.get(id);
            model.detach(id, pasid);
            if (pasid == Pasid.NONE) {
                device.detach();
            } else {
                device.detach(new Pasid(pasid));
            }
            Optional<Hwpt> attached = pasid == Pasid.NONE ? device.attached() : device.attached(new Pasid(pasid));
            assertThat(attached).as(what).isEmpty();
        }

        private void changeHardware() {
            boolean onFirst = rig.hardware.endpointCount() > 0;
            FakeHardware serving = onFirst ? rig.hardware : second;
            switch (random.nextInt(3)) {
                case 0 -> rig.engine.swap().swap(serving.name(), (onFirst ? second : rig.hardware).name());
                case 1 -> {
                    rig.engine.remove(serving);
                    rig.engine.add(serving);
                }
                default -> {
                    rig.engine.remove(rig.hardware);
                    rig.engine.remove(second);
                    rig.engine.add(second);
                    rig.engine.add(rig.hardware);
                }
            }
        }

        private void checkDma(String what) {
            ports.forEach((number, byPasid) -> byPasid.forEach((pasid, port) -> {
                Optional<Table> table = model.inForce(number, pasid);
                int page = table.map(t -> model.page(t.ioas())).orElse(2047);
                assertThat(rig.reaches(port, IOVA, page * Rig.PAGE)).as("%s, DMA of %d pasid %d", what, number, pasid).isEqualTo(table.isPresent());
            }));
        }

        private <T> Optional<T> expect(String what, Optional<Errno> refusal, Supplier<T> call) {
            List<T> answer = new ArrayList<>();
            Optional<Errno> refused = Refusal.of(() -> answer.add(call.get()));
            assertThat(refused).as(what).isEqualTo(refusal);
            return answer.stream().findFirst();
        }

        private Integer pick(List<Integer> ids) {
            return ids.isEmpty() ? null : ids.get(random.nextInt(ids.size()));
        }
    }
}
