package vmm.runtime;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * How {@code ./vmm exec} runs a program.
 *
 * @param bundles files of bundles to deploy besides
 * @param hardware vendor or name of the IOMMU that serves; empty for the best there is
 * @param devices what to plug in for it
 * @param characterDevices whether it sees nodes as character devices
 * @param trace whether every call of a device node is told
 * @param traceFile where; empty for the terminal
 * @param command the program and its arguments
 */
record ExecOptions(List<Path> bundles, Optional<String> hardware, List<DeviceOption> devices, boolean characterDevices, boolean trace,
        Optional<Path> traceFile, List<String> command) {
    static final String USAGE =
            "Usage: ./vmm exec [--with BUNDLE]... [--hardware NAME] [--device MODEL [--set KEY=VALUE]...]... [--char-devices] [--trace [FILE]] -- COMMAND [ARGUMENT...]";

    /**
     * A device.
     *
     * @param model what it is, such as {@code nvme}
     * @param settings its configuration; a key may have several values
     */
    record DeviceOption(String model, Map<String, List<String>> settings) {}

    private static final String END_OF_OPTIONS = "--";
    /** Followed by the file of one more bundle to deploy. */
    private static final String WITH = "--with";
    /** Followed by a vendor of IOMMUs, or the name of one. */
    private static final String HARDWARE = "--hardware";
    private static final String CHARACTER_DEVICES = "--char-devices";
    private static final String TRACE = "--trace";
    /** Followed by a model. */
    private static final String DEVICE = "--device";
    /** Followed by KEY=VALUE for the device before it. */
    private static final String SET = "--set";

    /** @throws IllegalArgumentException if the arguments make no sense */
    static ExecOptions parse(List<String> arguments) {
        List<Path> bundles = new ArrayList<>();
        Optional<String> hardware = Optional.empty();
        List<DeviceOption> devices = new ArrayList<>();
        boolean characterDevices = false;
        boolean trace = false;
        Optional<Path> traceFile = Optional.empty();
        int next = 0;
        while (next < arguments.size() && arguments.get(next).startsWith("-") && !arguments.get(next).equals(END_OF_OPTIONS)) {
            String option = arguments.get(next);
            boolean followed = !option.equals(CHARACTER_DEVICES) && next + 1 < arguments.size() && !arguments.get(next + 1).startsWith("-");
            if (option.equals(WITH) && followed) {
                bundles.add(Path.of(arguments.get(next + 1)));
            } else if (option.equals(HARDWARE) && followed) {
                hardware = Optional.of(arguments.get(next + 1));
            } else if (option.equals(DEVICE) && followed) {
                devices.add(new DeviceOption(arguments.get(next + 1), new LinkedHashMap<>()));
            } else if (option.equals(SET) && followed && !devices.isEmpty() && arguments.get(next + 1).indexOf('=') > 0) {
                set(devices.getLast(), arguments.get(next + 1));
            } else if (option.equals(CHARACTER_DEVICES)) {
                characterDevices = true;
            } else if (option.equals(TRACE)) {
                trace = true;
                traceFile = followed ? Optional.of(Path.of(arguments.get(next + 1))) : Optional.empty();
            } else {
                throw new IllegalArgumentException(USAGE);
            }
            next += followed ? 2 : 1;
        }
        if (next < arguments.size() && arguments.get(next).equals(END_OF_OPTIONS)) {
            next++;
        } else if (next > 0) {
            throw new IllegalArgumentException(USAGE);   // or the program would be taken for the file
        }
        List<String> command = arguments.subList(next, arguments.size());
        if (command.isEmpty()) {
            throw new IllegalArgumentException(USAGE);
        }
        return new ExecOptions(List.copyOf(bundles), hardware, List.copyOf(devices), characterDevices, trace, traceFile, List.copyOf(command));
    }

    private static void set(DeviceOption device, String setting) {
        int equals = setting.indexOf('=');
        device.settings().computeIfAbsent(setting.substring(0, equals), _ -> new ArrayList<>()).add(setting.substring(equals + 1));
    }
}
