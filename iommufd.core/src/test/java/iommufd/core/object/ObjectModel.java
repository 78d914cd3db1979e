package iommufd.core.object;

import iommufd.api.Errno;
import iommufd.api.dma.Pasid;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** The rules of numbers, users and attachments, told once more and as plainly as possible. */
final class ObjectModel {
    private final int[] groups;
    private final int[] pasidBits;
    private final TreeMap<Integer, Object> objects = new TreeMap<>();
    /** By "group/pasid". */
    private final Map<String, Integer> inForce = new HashMap<>();
    private final Map<String, Set<Integer>> askedBy = new HashMap<>();

    private record Space(int page) {}

    record Table(int ioas, boolean forPasid, boolean automatic) {}

    private record Device(int number) {}

    record Outcome(Optional<Errno> refusal, int hwpt) {}

    ObjectModel(int[] groups, int[] pasidBits) {
        this.groups = groups;
        this.pasidBits = pasidBits;
    }

    int lowestFree() {
        int id = 1;
        while (objects.containsKey(id)) {
            id++;
        }
        return id;
    }

    void addIoas(int id, int page) {
        objects.put(id, new Space(page));
    }

    void addHwpt(int id, int ioas, boolean forPasid, boolean automatic) {
        objects.put(id, new Table(ioas, forPasid, automatic));
    }

    void addDevice(int id, int number) {
        objects.put(id, new Device(number));
    }

    private List<Integer> ids(Class<?>... types) {
        List<Integer> ids = new ArrayList<>();
        objects.forEach((id, object) -> {
            for (Class<?> type : types) {
                if (type.isInstance(object)) {
                    ids.add(id);
                }
            }
        });
        return ids;
    }

    List<Integer> devices() {
        return ids(Device.class);
    }

    List<Integer> ioases() {
        return ids(Space.class);
    }

    List<Integer> targets() {
        return ids(Space.class, Table.class);
    }

    boolean bound(int number) {
        return devices().stream().anyMatch(id -> number(id) == number);
    }

    int number(int device) {
        return ((Device) objects.get(device)).number();
    }

    int page(int ioas) {
        return ((Space) objects.get(ioas)).page();
    }

    private String key(int device, int pasid) {
        return groups[number(device)] + "/" + pasid;
    }

    Optional<Table> inForce(int number, int pasid) {
        return Optional.ofNullable(inForce.get(groups[number] + "/" + pasid)).map(id -> (Table) objects.get(id));
    }

    private boolean used(int id) {
        boolean attached = inForce.containsValue(id);
        boolean shown = objects.values().stream().anyMatch(object -> object instanceof Table table && table.ioas() == id);
        return attached || shown;
    }

    Optional<Errno> destroy(int id) {
        Object object = objects.get(id);
        if (object == null) {
            return Optional.of(Errno.ENOENT);
        }
        if (object instanceof Device) {
            for (int pasid = Pasid.NONE; pasid < 3; pasid++) {
                detach(id, pasid);
            }
        } else if (used(id)) {
            return Optional.of(Errno.EBUSY);
        }
        objects.remove(id);
        return Optional.empty();
    }

    private boolean attached(int device, int pasid) {
        return askedBy.getOrDefault(key(device, pasid), Set.of()).contains(device);
    }

    private boolean pasidsAllow(int device, int pasid, boolean forPasid) {
        int group = groups[number(device)];
        if (pasid != Pasid.NONE) {
            Integer plain = inForce.get(group + "/" + Pasid.NONE);
            return forPasid && (plain == null || ((Table) objects.get(plain)).forPasid());
        }
        return forPasid || inForce.keySet().stream().noneMatch(key -> key.startsWith(group + "/") && !key.endsWith("/" + Pasid.NONE));
    }

    Outcome attach(int device, int pasid, int target) {
        if (attached(device, pasid)) {
            return new Outcome(Optional.of(Errno.EBUSY), 0);
        }
        return choose(device, pasid, target, false);
    }

    Outcome replace(int device, int pasid, int target) {
        if (!attached(device, pasid)) {
            return new Outcome(Optional.of(Errno.EINVAL), 0);
        }
        return choose(device, pasid, target, true);
    }

    private Outcome choose(int device, int pasid, int target, boolean replace) {
        List<Integer> candidates = new ArrayList<>();
        boolean space = objects.get(target) instanceof Space;
        if (space) {
            automaticOf(target).forEach(candidates::add);
        } else {
            candidates.add(target);
        }
        for (int candidate : candidates) {
            if (put(device, pasid, candidate, ((Table) objects.get(candidate)).forPasid(), replace)) {
                return new Outcome(Optional.empty(), candidate);
            }
        }
        int made = lowestFree();
        if (space && put(device, pasid, made, false, replace)) {
            objects.put(made, new Table(target, false, true));
            creation.put(made, ++created);
            return new Outcome(Optional.empty(), made);
        }
        return new Outcome(Optional.of(Errno.EINVAL), 0);
    }

    private final Map<Integer, Integer> creation = new HashMap<>();
    private int created;

    private List<Integer> automaticOf(int ioas) {
        return ids(Table.class).stream().filter(id -> ((Table) objects.get(id)).automatic() && ((Table) objects.get(id)).ioas() == ioas)
                .sorted((a, b) -> creation.get(a) - creation.get(b)).toList();
    }

    private boolean put(int device, int pasid, int hwpt, boolean forPasid, boolean replace) {
        String key = key(device, pasid);
        Integer present = inForce.get(key);
        if (present != null && present == hwpt) {
            askedBy.get(key).add(device);
            return true;
        }
        if (present != null && !replace || !pasidsAllow(device, pasid, forPasid)) {
            return false;
        }
        inForce.put(key, hwpt);
        askedBy.computeIfAbsent(key, unused -> new HashSet<>()).add(device);
        dropIfAutomatic(present);
        return true;
    }

    void detach(int device, int pasid) {
        String key = key(device, pasid);
        if (!attached(device, pasid)) {
            return;
        }
        askedBy.get(key).remove(device);
        if (askedBy.get(key).isEmpty()) {
            Integer old = inForce.remove(key);
            askedBy.remove(key);
            dropIfAutomatic(old);
        }
    }

    private void dropIfAutomatic(Integer id) {
        if (id != null && objects.get(id) instanceof Table table && table.automatic() && !used(id)) {
            objects.remove(id);
        }
    }
}
