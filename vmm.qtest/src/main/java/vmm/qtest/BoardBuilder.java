package vmm.qtest;

import iommufd.api.IommufdException;
import iommufd.api.memory.PhysicalMemory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import vmm.qtest.board.Board;
import vmm.qtest.board.IommuOrder;
import vmm.qtest.board.PciFunction;
import vmm.qtest.board.Q35;
import vmm.qtest.board.Virt;
import vmm.qtest.command.Architecture;
import vmm.qtest.command.DeviceOption;
import vmm.qtest.command.QemuArguments;
import vmm.qtest.command.UsageException;
import vmm.qtest.device.EduDevice;
import vmm.qtest.device.IommuTestDevice;

/** Makes the board that a command line asks for. */
final class BoardBuilder {
    /** What QEMU's board sets of the SMMU that the machine option asks for. */
    private static final Map<String, String> MACHINE_IOMMU = Map.of("stage", "nested");
    /** What QEMU has had for the IOMMU of a PC since 9.2. */
    private static final Map<String, String> PC_IOMMU = Map.of("aw-bits", "48");
    /** Names of QEMU 11 for properties that the models call as QEMU did before. */
    private static final Map<String, String> NEWER_NAMES = Map.of("scalable-mode", "x-scalable-mode", "flts", "x-flts", "fsts", "x-flts");
    private static final int DEVICES = 32;
    private static final int FUNCTIONS = 8;

    private final QemuArguments arguments;
    private final PhysicalMemory memory;
    private final Models models;

    private BoardBuilder(QemuArguments arguments, PhysicalMemory memory, Models models) {
        this.arguments = arguments;
        this.memory = memory;
        this.models = models;
    }

    /**
     * The board, after reset; empty for the machine {@code none}.
     *
     * @throws UsageException if it cannot be built; the message says why
     */
    static Optional<Board> build(QemuArguments arguments, PhysicalMemory memory, Models models) throws UsageException {
        if (arguments.machine().equals(QemuArguments.NO_MACHINE)) {
            return Optional.empty();
        }
        return Optional.of(new BoardBuilder(arguments, memory, models).build());
    }

    private Board build() throws UsageException {
        String iommuDriver = arguments.architecture().iommuDriver();
        List<DeviceOption> functions = new ArrayList<>(arguments.devices());
        List<DeviceOption> iommus = functions.stream().filter(device -> device.driver().equals(iommuDriver)).toList();
        functions.removeAll(iommus);
        if (iommus.size() + (arguments.machineIommu() ? 1 : 0) > 1) {
            throw new UsageException("a board has one IOMMU at most");
        }
        Optional<IommuOrder> order = Optional.empty();
        if (arguments.machineIommu()) {
            order = Optional.of(order(iommuDriver, MACHINE_IOMMU, Map.of()));
        } else if (!iommus.isEmpty()) {
            order = Optional.of(order(iommuDriver, arguments.architecture() == Architecture.X86_64 ? PC_IOMMU : Map.of(), iommus.getFirst().properties()));
        }
        try {
            Board board = arguments.architecture() == Architecture.X86_64
                    ? Q35.build(memory, arguments.ramBytes(), order)
                    : Virt.build(memory, arguments.ramBytes(), order, arguments.machineIommu() ? Virt.MACHINE_IOMMU : Virt.DEVICE_IOMMU);
            return plugged(board, functions);
        } catch (IommufdException refused) {
            throw new UsageException(refused.getMessage());
        }
    }

    private IommuOrder order(String driver, Map<String, String> usual, Map<String, String> properties) throws UsageException {
        Map<String, String> all = new LinkedHashMap<>(usual);
        withGlobals(driver, properties).forEach((name, value) -> all.put(NEWER_NAMES.getOrDefault(name, name), value));
        return new IommuOrder(driver, models.of(arguments.architecture().iommuVendor()), all);
    }

    private Map<String, String> withGlobals(String driver, Map<String, String> properties) {
        Map<String, String> all = new LinkedHashMap<>(arguments.globals().getOrDefault(driver, Map.of()));
        all.putAll(properties);
        return all;
    }

    private Board plugged(Board board, List<DeviceOption> functions) throws UsageException {
        try {
            for (DeviceOption option : functions) {
                PciFunction function = function(option);
                if (option.place().isEmpty()) {
                    board.plug(function);
                } else {
                    board.plug(function, place(option));
                }
            }
            return board;
        } catch (UsageException | IllegalArgumentException wrong) {
            board.close();
            throw wrong instanceof UsageException usage ? usage : new UsageException(wrong.getMessage());
        }
    }

    private PciFunction function(DeviceOption option) throws UsageException {
        Map<String, String> properties = withGlobals(option.driver(), option.properties());
        PciFunction function = switch (option.driver()) {
            case IommuTestDevice.NAME -> new IommuTestDevice();
            case EduDevice.NAME -> new EduDevice(mask(properties.remove("dma_mask")));
            default -> throw new UsageException("-device %s: this board has no place for it".formatted(option.driver()));
        };
        if (!properties.isEmpty()) {
            throw new UsageException("-device %s: there is no property '%s'".formatted(option.driver(), properties.keySet().iterator().next()));
        }
        return function;
    }

    private static long mask(String text) throws UsageException {
        try {
            return text == null ? EduDevice.DEFAULT_DMA_MASK
                    : text.startsWith("0x") ? Long.parseUnsignedLong(text.substring(2), 16) : Long.parseUnsignedLong(text);
        } catch (NumberFormatException wrong) {
            throw new UsageException("-device edu: dma_mask=%s is no number".formatted(text));
        }
    }

    private static int place(DeviceOption option) throws UsageException {
        String text = option.place().startsWith("0x") ? option.place().substring(2) : option.place();
        int dot = text.indexOf('.');
        try {
            int device = Integer.parseInt(dot < 0 ? text : text.substring(0, dot), 16);
            int function = dot < 0 ? 0 : Integer.parseInt(text.substring(dot + 1), 16);
            if (device >= 0 && device < DEVICES && function >= 0 && function < FUNCTIONS) {
                return device * FUNCTIONS + function;
            }
        } catch (NumberFormatException wrong) {
            // said below
        }
        throw new UsageException("-device %s: addr=%s is not DEVICE or DEVICE.FUNCTION in hexadecimal".formatted(option.driver(), option.place()));
    }
}
