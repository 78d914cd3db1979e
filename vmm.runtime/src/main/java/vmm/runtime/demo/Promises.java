package vmm.runtime.demo;

import iommufd.api.IommufdException;
import java.time.Duration;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vmm.runtime.demo.Finding.Verdict;
import vmm.runtime.text.Quantity;

/** All promises of iommufd, each in short on each kind of hardware that can, and what cannot be shown named. */
final class Promises {
    private static final Logger LOG = LoggerFactory.getLogger(Promises.class);

    private static final List<Promise> SHOWN = List.of(new SeparatePasids(), new NestedTables(), new GuestOwnedQueue(), new SharedTable(),
            new PreciseDirtyPages(), new EntrySizes(), new AnsweredPageRequests());

    private static final List<Finding> NOT_SHOWN = List.of(
            new Finding("Live migration with SR-IOV", "-", Verdict.ELSEWHERE,
                    "needs two runtimes: itest/clients/migrate.sh moves an NVMe virtual function"),
            new Finding("Shared virtual addressing (vSVA)", "-", Verdict.ABSENT, "not built"),
            new Finding("Scalable IOV", "-", Verdict.ABSENT, "not built"));

    private Promises() {}

    /** @return whether all that was shown held */
    static boolean show(Services services, Screen screen, Duration patience) throws Services.Missing, InterruptedException {
        long began = System.nanoTime();
        screen.line("The promises of iommufd, in short; each is checked from the outside.\n");
        Findings findings = new Findings(screen);
        try (PromiseHardware hardware = PromiseHardware.configure(services, patience)) {
            for (Promise promise : SHOWN) {
                for (String vendor : promise.vendors()) {
                    screen.progress(promise.title() + " on " + vendor);
                    long shownSince = System.nanoTime();
                    Finding finding = find(promise, vendor, services, hardware);
                    findings.report(finding, Quantity.time(System.nanoTime() - shownSince));
                }
            }
        }
        NOT_SHOWN.forEach(finding -> findings.report(finding, "-"));
        screen.line("\n" + findings.summary(Quantity.time(System.nanoTime() - began)));
        return findings.held();
    }

    private static Finding find(Promise promise, String vendor, Services services, PromiseHardware hardware) throws InterruptedException {
        try {
            hardware.serveBy(vendor);
            try (Guest guest = Guest.start(services, vendor)) {
                return new Finding(promise.title(), vendor, Verdict.HELD, promise.show(guest));
            }
        } catch (IommufdException | Step.StepFailed stopped) {
            LOG.debug("'{}' on {}", promise.title(), vendor, stopped);
            return new Finding(promise.title(), vendor, Verdict.NOT_HELD, stopped.getMessage());
        }
    }
}
