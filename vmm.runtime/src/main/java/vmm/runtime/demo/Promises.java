package vmm.runtime.demo;

import iommufd.api.IommufdException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vmm.runtime.demo.Finding.Verdict;
import vmm.runtime.text.Quantity;

/** All promises of iommufd, each in short on each kind of hardware that can, and what cannot be shown named. */
final class Promises {
    private static final Logger LOG = LoggerFactory.getLogger(Promises.class);
    private static final String ROW = "%-32s %-12s %-20s %8s   %s";

    private static final List<Promise> SHOWN = List.of(new SeparatePasids(), new NestedTables(), new GuestOwnedQueue(), new SharedTable(),
            new PreciseDirtyPages(), new EntrySizes(), new AnsweredPageRequests());

    private static final List<Finding> NOT_SHOWN = List.of(
            new Finding("Live migration with SR-IOV", "-", Verdict.ELSEWHERE, "needs two runtimes: itest/clients/migrate.sh moves an NVMe virtual function"),
            new Finding("Shared virtual addressing (vSVA)", "-", Verdict.ABSENT, "not built"),
            new Finding("Scalable IOV", "-", Verdict.ABSENT, "not built"));

    private Promises() {}

    /** @return whether all that was shown held */
    static boolean show(Services services, Screen screen, Duration patience) throws Services.Missing, InterruptedException {
        long began = System.nanoTime();
        screen.line("The promises of iommufd, in short; each is checked from the outside.\n");
        screen.line(ROW.formatted("PROMISE", "HARDWARE", "RESULT", "TOOK", "WHAT WAS SHOWN"));
        List<Finding> findings = new ArrayList<>();
        try (PromiseHardware hardware = PromiseHardware.configure(services, patience)) {
            for (Promise promise : SHOWN) {
                for (String vendor : promise.vendors()) {
                    findings.add(find(promise, vendor, services, hardware, screen));
                }
            }
        }
        NOT_SHOWN.forEach(finding -> report(finding, "-", screen));
        long held = findings.stream().filter(finding -> finding.verdict() == Verdict.HELD).count();
        long absent = NOT_SHOWN.stream().filter(finding -> finding.verdict() == Verdict.ABSENT).count();
        screen.line("\n%s, in %s. Counted neither way: %d shown elsewhere, %d not in this version.".formatted(verdict(held, findings.size()),
                Quantity.time(System.nanoTime() - began), NOT_SHOWN.size() - absent, absent));
        return held == findings.size();
    }

    private static String verdict(long held, int shown) {
        return held == shown ? "All %d shown held".formatted(shown) : "%d of %d shown do NOT HOLD".formatted(shown - held, shown);
    }

    private static Finding find(Promise promise, String vendor, Services services, PromiseHardware hardware, Screen screen) throws InterruptedException {
        screen.progress(promise.title() + " on " + vendor);
        long began = System.nanoTime();
        Finding finding;
        try {
            hardware.serveBy(vendor);
            try (Guest guest = Guest.start(services, vendor)) {
                finding = new Finding(promise.title(), vendor, Verdict.HELD, promise.show(guest));
            }
        } catch (IommufdException | Step.StepFailed stopped) {
            LOG.debug("'{}' on {}", promise.title(), vendor, stopped);
            finding = new Finding(promise.title(), vendor, Verdict.NOT_HELD, stopped.getMessage());
        }
        report(finding, Quantity.time(System.nanoTime() - began), screen);
        return finding;
    }

    private static void report(Finding finding, String took, Screen screen) {
        screen.line(ROW.formatted(finding.promise(), finding.hardware(), finding.verdict().word(), took, finding.text()));
    }
}
