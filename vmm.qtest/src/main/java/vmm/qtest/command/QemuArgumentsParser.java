package vmm.qtest.command;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** Reads a QEMU command line. What asks for something that is not there is refused; what asks for nothing, or for less, is let through. */
public final class QemuArgumentsParser {
    /** Options without effect here, and with a value: no display, sound, network or processor is there in any case. */
    private static final Set<String> IGNORED_WITH_VALUE =
            Set.of("display", "audio", "audiodev", "accel", "smp", "cpu", "name", "trace", "rtc", "boot", "uuid");
    private static final Set<String> IGNORED_ALONE =
            Set.of("nodefaults", "no-user-config", "no-reboot", "no-shutdown", "nographic", "S", "enable-kvm");
    /** Options that are without effect with this value only. */
    private static final Map<String, String> ONLY_NONE =
            Map.of("net", "none", "nic", "none", "vga", "none", "serial", "none", "parallel", "none", "monitor", "none");
    /** Options of machines that change nothing that a board without processor has. */
    private static final Set<String> IGNORED_OF_MACHINE = Set.of("accel", "kernel-irqchip", "acpi", "gic-version", "its", "usb",
            "graphics", "hpet", "smm", "vmport", "pic", "pit", "virtualization", "secure", "ras", "mte", "highmem", "dump-guest-core",
            "mem-merge", "confidential-guest-support");

    private final Architecture architecture;
    private final List<DeviceOption> devices = new ArrayList<>();
    private final Map<String, Map<String, String>> globals = new HashMap<>();
    private final Map<String, Endpoint> sockets = new HashMap<>();
    private final List<String> monitorSockets = new ArrayList<>();
    private final List<Endpoint> monitors = new ArrayList<>();
    private Optional<Endpoint> text = Optional.empty();
    private Optional<Path> log = Optional.empty();
    private String machine = "";
    private boolean machineIommu;
    private boolean exitWithParent;
    private long ramBytes = QemuArguments.DEFAULT_RAM_BYTES;

    private QemuArgumentsParser(Architecture architecture) {
        this.architecture = architecture;
    }

    /** @throws UsageException if the arguments make no sense, or ask for what is not there */
    public static QemuArguments parse(Architecture architecture, List<String> arguments) throws UsageException {
        QemuArgumentsParser parser = new QemuArgumentsParser(architecture);
        for (int i = 0; i < arguments.size(); i++) {
            String name = option(arguments.get(i));
            if (!IGNORED_ALONE.contains(name)) {
                if (++i == arguments.size()) {
                    throw new UsageException("-" + name + ": requires an argument");
                }
                parser.accept(name, arguments.get(i));
            }
        }
        return parser.result();
    }

    private static String option(String word) throws UsageException {
        if (!word.startsWith("-") || word.length() < 2) {
            throw new UsageException("'%s' is no option, and no disk can be had here".formatted(word));
        }
        return word.substring(word.startsWith("--") ? 2 : 1);
    }

    private void accept(String name, String value) throws UsageException {
        switch (name) {
            case "qtest" -> text = Optional.of(endpoint(name, value));
            case "qtest-log" -> log = value.equals("none") ? Optional.empty() : Optional.of(Path.of(value));
            case "qmp" -> monitors.add(endpoint(name, value));
            case "chardev" -> socket(OptionList.parse(value));
            case "mon" -> monitor(OptionList.parse(value));
            case "machine", "M" -> machine(OptionList.parse(value));
            case "m" -> ramBytes = ramBytes(OptionList.parse(value));
            case "device" -> devices.add(device(OptionList.parse(value)));
            case "global" -> global(OptionList.parse(value));
            case "run-with" -> runWith(OptionList.parse(value));
            default -> {
                boolean nothing = IGNORED_WITH_VALUE.contains(name) || value.equals(ONLY_NONE.get(name));
                if (!nothing) {
                    throw new UsageException("-%s %s: not supported".formatted(name, value));
                }
            }
        }
    }

    /** {@code unix:PATH}, {@code unix:PATH,server=on,wait=off} or {@code stdio}. */
    private static Endpoint endpoint(String option, String value) throws UsageException {
        OptionList list = OptionList.parse(value);
        if (list.first().equals("stdio")) {
            return new Endpoint.Standard();
        }
        if (!list.first().startsWith("unix:")) {
            throw new UsageException("-%s %s: only unix:PATH and stdio are known".formatted(option, value));
        }
        return socket("-" + option, list.first().substring("unix:".length()), list);
    }

    private static Endpoint socket(String option, String path, OptionList list) throws UsageException {
        boolean server = on(option, "server", list.take("server", "off"));
        list.take("wait", "on");   // for a client is waited in any case
        list.end(option);
        return server ? new Endpoint.Listen(Path.of(path)) : new Endpoint.Connect(Path.of(path));
    }

    private void socket(OptionList list) throws UsageException {
        String id = list.take("id", "");
        if (list.first().equals("socket") && list.values().containsKey("path") && !id.isEmpty()) {
            sockets.put(id, socket("-chardev", list.take("path", ""), list));
        } else if (list.first().equals("stdio") && !id.isEmpty()) {
            sockets.put(id, new Endpoint.Standard());
        } else {
            throw new UsageException("-chardev: only socket,path=PATH,id=ID and stdio,id=ID are known");
        }
    }

    private void monitor(OptionList list) throws UsageException {
        String chardev = list.take("chardev", list.first());
        if (!list.take("mode", "readline").equals("control")) {
            throw new UsageException("-mon: only mode=control is known");
        }
        list.take("pretty", "off");
        list.end("-mon");
        monitorSockets.add(chardev);
    }

    private void machine(OptionList list) throws UsageException {
        machine = list.first().isEmpty() ? list.take("type", machine) : list.first();
        String iommu = list.take("iommu", "none");
        if (!iommu.equals("none") && !(iommu.equals(architecture.iommuVendor()) && architecture == Architecture.AARCH64)) {
            throw new UsageException("-machine: iommu=%s is not supported".formatted(iommu));
        }
        machineIommu |= !iommu.equals("none");
        list.values().keySet().removeAll(IGNORED_OF_MACHINE);
        list.end("-machine");
    }

    private static long ramBytes(OptionList list) throws UsageException {
        String size = list.first().isEmpty() ? list.take("size", "") : list.first();
        list.end("-m");
        long unit = 1L << 20;
        String digits = size;
        int suffix = size.isEmpty() ? -1 : "bkmgt".indexOf(Character.toLowerCase(size.charAt(size.length() - 1)));
        if (suffix >= 0) {
            unit = 1L << 10 * suffix;
            digits = size.substring(0, size.length() - 1);
        }
        try {
            long bytes = Math.multiplyExact(Long.parseLong(digits), unit);
            if (bytes >= 1 << 20 && bytes <= QemuArguments.MAX_RAM_BYTES && (bytes & 0xfff) == 0) {
                return bytes;
            }
        } catch (NumberFormatException | ArithmeticException wrong) {
            // said below
        }
        throw new UsageException("-m %s: RAM has 1 MiB to 64 GiB, in pages of 4 KiB".formatted(size));
    }

    private DeviceOption device(OptionList list) throws UsageException {
        String driver = list.first().isEmpty() ? list.take("driver", "") : list.first();
        if (!architecture.devices().contains(driver)) {
            throw new UsageException("-device %s: there is no such device; there are %s".formatted(driver, architecture.devices()));
        }
        for (String bus : List.of(list.take("bus", "pcie.0"), list.take("primary-bus", "pcie.0"))) {
            if (!bus.equals("pcie.0")) {
                throw new UsageException("-device %s: there is no bus '%s', only pcie.0".formatted(driver, bus));
            }
        }
        list.take("id", "");
        String place = list.take("addr", "");
        return new DeviceOption(driver, new LinkedHashMap<>(list.values()), place);
    }

    /** {@code driver.property=value}, or the three spelled out. */
    private void global(OptionList list) throws UsageException {
        if (list.values().keySet().equals(Set.of("driver", "property", "value"))) {
            put(list.take("driver", ""), list.take("property", ""), list.take("value", ""));
            return;
        }
        for (Map.Entry<String, String> entry : list.values().entrySet()) {
            int dot = entry.getKey().indexOf('.');
            if (dot <= 0) {
                throw new UsageException("-global %s: not DRIVER.PROPERTY=VALUE".formatted(entry.getKey()));
            }
            put(entry.getKey().substring(0, dot), entry.getKey().substring(dot + 1), entry.getValue());
        }
    }

    private void put(String driver, String property, String value) {
        globals.computeIfAbsent(driver, _ -> new LinkedHashMap<>()).put(property, value);
    }

    private void runWith(OptionList list) throws UsageException {
        exitWithParent |= on("-run-with", "exit-with-parent", list.take("exit-with-parent", "off"));
        list.end("-run-with");
    }

    static boolean on(String option, String key, String value) throws UsageException {
        return switch (value) {
            case "on", "yes", "true", "y" -> true;
            case "off", "no", "false", "n" -> false;
            default -> throw new UsageException("%s: '%s' is on or off, not '%s'".formatted(option, key, value));
        };
    }

    private QemuArguments result() throws UsageException {
        for (String name : monitorSockets) {
            Endpoint socket = sockets.get(name);
            if (socket == null) {
                throw new UsageException("-mon: there is no chardev '%s'".formatted(name));
            }
            monitors.add(socket);
        }
        if (machine.isEmpty()) {
            throw new UsageException("which machine? -machine %s, or none".formatted(architecture.machine()));
        }
        boolean none = machine.equals(QemuArguments.NO_MACHINE);
        if (!none && !machine.equals(architecture.machine())) {
            throw new UsageException("-machine %s: there is no such machine; %s has %s and none"
                    .formatted(machine, architecture.qemuName(), architecture.machine()));
        }
        if (none && !devices.isEmpty()) {
            throw new UsageException("-device %s: the machine 'none' has no bus for it".formatted(devices.getFirst().driver()));
        }
        long clients = monitors.size() + text.stream().count();
        long standard = Stream.concat(monitors.stream(), text.stream()).filter(Endpoint.Standard.class::isInstance).count();
        if (clients == 0 || standard > 1) {
            throw new UsageException(clients == 0 ? "nobody can drive the board: -qtest or -qmp says who does" : "stdio is for one only");
        }
        return new QemuArguments(architecture, machine, machineIommu, List.copyOf(devices), globals, ramBytes, text,
                List.copyOf(monitors), log, exitWithParent);
    }
}
