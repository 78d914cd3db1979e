package vmm.qtest.command;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a QEMU command line asks for.
 *
 * @param architecture for which processor
 * @param machine the board's name, or {@link #NO_MACHINE}
 * @param machineIommu the board's IOMMU by a machine option
 * @param devices what is plugged in, in order; an IOMMU may be among it
 * @param globals properties for all devices of a driver, by driver and property
 * @param ramBytes size of RAM
 * @param text who speaks the text protocol, if anybody does
 * @param monitors who speaks QMP
 * @param log where the text protocol is written down
 * @param exitWithParent whether to end when the parent process does
 */
public record QemuArguments(Architecture architecture, String machine, boolean machineIommu, List<DeviceOption> devices,
        Map<String, Map<String, String>> globals, long ramBytes, Optional<Endpoint> text, List<Endpoint> monitors, Optional<Path> log,
        boolean exitWithParent) {
    /** No board at all: only to be asked what there is. */
    public static final String NO_MACHINE = "none";
    /** Size of RAM unless told otherwise: 128 MiB. */
    public static final long DEFAULT_RAM_BYTES = 128L << 20;
    /** Largest RAM: 64 GiB. It is not used up before it is touched. */
    public static final long MAX_RAM_BYTES = 64L << 30;
}
