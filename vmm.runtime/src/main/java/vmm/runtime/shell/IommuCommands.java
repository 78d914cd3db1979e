package vmm.runtime.shell;

import iommufd.api.Errno;
import iommufd.api.HardwareSwap;
import iommufd.api.HardwareSwap.HardwareState;
import iommufd.api.HardwareSwap.SwapReport;
import iommufd.api.IommufdException;
import iommufd.api.node.NodeActivity;
import iommufd.api.node.NodeActivity.NodeCounts;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.felix.service.command.Descriptor;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import vmm.runtime.text.Quantity;
import vmm.runtime.text.TextTable;

/** The shell's {@code iommu:} commands. Each answers the text it wants shown, also when something is refused. */
@Component(service = IommuCommands.class, property = {
        "osgi.command.scope=iommu",
        "osgi.command.function=hardware",
        "osgi.command.function=swap",
        "osgi.command.function=faults",
        "osgi.command.function=nodes"})
public final class IommuCommands {
    private static final String NO_ENGINE = "The engine is not running: no service iommufd.api.HardwareSwap. "
            + "Start the bundle iommufd.core (`lb` lists the bundles, `start ID` starts one).";
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm:ss.SSS").withZone(ZoneId.systemDefault());

    private static final String NO_NODES = "No device nodes are published: no service iommufd.api.node.NodeActivity. "
            + "Start the bundle devnode.fuse (`lb` lists the bundles, `start ID` starts one).";

    private final FaultLog faultLog;

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    private volatile HardwareSwap engine;

    @Reference(cardinality = ReferenceCardinality.OPTIONAL, policy = ReferencePolicy.DYNAMIC, policyOption = ReferencePolicyOption.GREEDY)
    private volatile NodeActivity activity;

    /** @param faultLog what {@code iommu:faults} shows */
    @Activate
    public IommuCommands(@Reference FaultLog faultLog) {
        this.faultLog = faultLog;
    }

    /** {@code iommu:hardware}. */
    @Descriptor("lists the deployed IOMMU hardware, what state it is in, and how much it serves")
    public String hardware() {
        return engine().map(swap -> table(swap.hardware())).orElse(NO_ENGINE);
    }

    /** {@code iommu:swap FROM TO}. */
    @Descriptor("moves all devices and page tables from one IOMMU to another while DMA goes on")
    public String swap(@Descriptor("name of the hardware that serves now, as iommu:hardware shows it") String from,
            @Descriptor("name of the hardware that takes over") String to) {
        return engine().map(swap -> swap(swap, from, to)).orElse(NO_ENGINE);
    }

    /** {@code iommu:swap TO}. */
    @Descriptor("moves all devices and page tables from the IOMMU that serves them to another while DMA goes on")
    public String swap(@Descriptor("name of the hardware that takes over") String to) {
        return engine().map(swap -> serving(swap).map(from -> swap(swap, from, to)).orElseGet(() -> table(swap.hardware()))).orElse(NO_ENGINE);
    }

    /** {@code iommu:swap} alone. */
    @Descriptor("says how to use this command, and which IOMMUs there are")
    public String swap() {
        return "Usage: iommu:swap [FROM] TO, both names of hardware; FROM is the one that serves unless given.\n\n" + hardware();
    }

    /** {@code iommu:faults}. */
    @Descriptor("shows the latest DMA requests that failed, as the hardware recorded them")
    public String faults() {
        List<FaultLog.Entry> latest = faultLog.latest();
        if (latest.isEmpty()) {
            return "No DMA request has failed.";
        }
        TextTable table = new TextTable("TIME", "HARDWARE", "DEVICE", "PASID", "ACCESS", "IOVA", "KIND", "CODE", "REASON");
        for (FaultLog.Entry entry : latest) {
            var fault = entry.fault();
            table.row(TIME.format(entry.time()), fault.hardware(), fault.requesterId(),
                    fault.pasid().isPresent() ? fault.pasid().getAsInt() : "-", words(fault.access()),
                    "0x%x".formatted(fault.iova()), words(fault.kind()), "0x%x".formatted(fault.code()), fault.text());
        }
        return table + "\n" + Quantity.count(faultLog.total(), "failed request") + " so far, the latest " + latest.size() + " shown";
    }

    /** {@code iommu:nodes}. */
    @Descriptor("shows what programs have done with the device nodes: open files, ioctls, and the errors these got")
    public String nodes() {
        return Optional.ofNullable(activity).map(known -> nodeTable(known.counts())).orElse(NO_NODES);
    }

    static String nodeTable(List<NodeCounts> nodes) {
        if (nodes.isEmpty()) {
            return "There is no device node.";
        }
        TextTable table = new TextTable("NODE", "OPEN FILES", "OPENED", "IOCTLS", "GRANTED", "REFUSED");
        for (NodeCounts node : nodes) {
            String refused = node.refused().entrySet().stream().map(errno -> Errno.text(errno.getKey()) + " " + Quantity.count(errno.getValue()))
                    .collect(Collectors.joining(", "));
            table.row(node.path(), node.openFiles(), node.opens(), Quantity.count(node.ioctls()), Quantity.count(node.granted()),
                    refused.isEmpty() ? "-" : refused);
        }
        return table.toString();
    }

    private static String swap(HardwareSwap engine, String from, String to) {
        SwapReport report;
        try {
            report = engine.swap(from, to);
        } catch (IommufdException refused) {
            return "Nothing was swapped. " + refused.getMessage() + "\n\n" + table(engine.hardware());
        }
        return new TextTable("FROM", "TO", "DEVICES", "PAGE TABLES", "MAPPED", "PREPARATION", "DMA WAITED")
                .row(report.from(), report.to(), report.endpoints(), report.domains(), Quantity.bytes(report.mappedBytes()),
                        Quantity.time(report.prefillNanos()), Quantity.time(report.pauseNanos()))
                .toString();
    }

    private static Optional<String> serving(HardwareSwap engine) {
        return engine.hardware().stream()
                .filter(hardware -> hardware.state() == HardwareState.State.SERVING)
                .max(Comparator.comparingInt(HardwareState::endpoints))
                .map(HardwareState::name);
    }

    private static String table(List<HardwareState> hardware) {
        if (hardware.isEmpty()) {
            return "No IOMMU hardware is deployed. Start a bundle such as iommu.vtd or iommu.smmuv3 (`lb` lists the bundles).";
        }
        TextTable table = new TextTable("NAME", "VENDOR", "STATE", "DEVICES", "PAGE TABLES");
        for (HardwareState state : hardware) {
            table.row(state.name(), state.vendor(), words(state.state()), state.endpoints(), state.domains());
        }
        return table.toString();
    }

    private Optional<HardwareSwap> engine() {
        return Optional.ofNullable(engine);
    }

    private static String words(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }
}
