package devnode.fuse.server;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Gives nodes the numbers of character devices. A driver keeps its major number, and a path its minor number with it, as long as
 * this lives. Thread-safe.
 */
final class DeviceNumbers {
    /** What the kernel gives to drivers that want any number, from the upper end on. */
    private static final int LAST_DYNAMIC_MAJOR = 511;
    /** Minor numbers of drivers that the machine has as well start in the middle, where its own devices do not get. */
    private static final int SHARED_FIRST_MINOR = 1 << 19;
    static final Path DEVICES = Path.of("/proc/devices");
    private static final String BLOCK_DEVICES = "Block devices:";

    private final Map<String, Driver> drivers = new HashMap<>();
    private int nextMajor = LAST_DYNAMIC_MAJOR;

    private static final class Driver {
        final int major;
        final boolean shared;
        final Map<String, Integer> minors = new HashMap<>();

        Driver(int major, boolean shared) {
            this.major = major;
            this.shared = shared;
        }
    }

    /** @param driver its name in {@code /proc/devices} */
    synchronized DeviceNumber of(String driver, String path) {
        Driver known = drivers.computeIfAbsent(driver, this::driver);
        int minor = known.minors.computeIfAbsent(path, unused -> known.minors.size() + (known.shared ? SHARED_FIRST_MINOR : 0));
        return new DeviceNumber(known.major, minor);
    }

    private Driver driver(String name) {
        Map<Integer, String> taken = characterDevices(lines());
        for (Map.Entry<Integer, String> device : taken.entrySet()) {
            if (device.getValue().equals(name)) {
                return new Driver(device.getKey(), true);
            }
        }
        while (taken.containsKey(nextMajor)) {
            nextMajor--;
        }
        return new Driver(nextMajor--, false);
    }

    /** What {@code /proc/devices} says, with our drivers. */
    synchronized String devices() {
        List<String> lines = new ArrayList<>(lines());
        Map<Integer, String> ours = new TreeMap<>();
        drivers.forEach((name, driver) -> {
            if (!driver.shared) {
                ours.put(driver.major, name);
            }
        });
        int end = lines.indexOf(BLOCK_DEVICES);
        int at = end < 0 ? lines.size() : end > 0 && lines.get(end - 1).isEmpty() ? end - 1 : end;
        lines.addAll(at, ours.entrySet().stream().map(driver -> "%3d %s".formatted(driver.getKey(), driver.getValue())).toList());
        return String.join("\n", lines) + "\n";
    }

    /** The machine's character devices; several names may have one number, the last one is kept. */
    private static Map<Integer, String> characterDevices(List<String> lines) {
        Map<Integer, String> devices = new HashMap<>();
        for (String line : lines) {
            if (line.equals(BLOCK_DEVICES)) {
                return devices;
            }
            String[] fields = line.strip().split(" +", 2);
            if (fields.length == 2 && fields[0].chars().allMatch(Character::isDigit)) {
                devices.put(Integer.parseInt(fields[0]), fields[1]);
            }
        }
        return devices;
    }

    private static List<String> lines() {
        try {
            return Files.readAllLines(DEVICES);
        } catch (IOException noProc) {
            return List.of("Character devices:", "", BLOCK_DEVICES);
        }
    }
}
