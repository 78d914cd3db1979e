package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;

import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.memory.TableMemory;
import java.lang.ref.WeakReference;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Collectors;
import javax.inject.Inject;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.wiring.BundleWiring;

/** A backend that served is uninstalled: no class, no thread and no page table of it stays behind. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class UninstallLeaksNothingIT {
    private static final int BYTES_BETWEEN = 1 << 20;

    @Inject
    private BundleContext context;

    private Iommus iommus;
    private TableMemory tables;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.with("iommufd.api", "iommufd.core", "iommu.smmuv3")};
    }

    @Before
    public void smmuServes() {
        iommus = new Iommus(context);
        iommus.awaitWorking(1);
        tables = Bundles.service(context, PhysicalMemory.class).tables();
    }

    @Test(timeout = 90_000)
    public void nothingOfItStays() throws Exception {
        try (DmaTraffic traffic = DmaTraffic.start(context)) {
            traffic.awaitBytes(BYTES_BETWEEN);
            Set<Thread> threadsBefore = threads();
            long bytesBefore = tables.bytesInUse();

            WeakReference<ClassLoader> loader = serveOnceAndUninstall(traffic);

            Await.until(() -> "the end of threads that came with it: " + newThreads(threadsBefore), () -> newThreads(threadsBefore).isEmpty());
            assertEquals("bytes of page tables", bytesBefore, tables.bytesInUse());
            traffic.awaitBytes(BYTES_BETWEEN);
            traffic.assertNothingLost();
            Await.until("the collection of the uninstalled bundle's class loader", () -> {
                System.gc();
                return loader.get() == null;
            });
            assertNull(loader.get());
        }
    }

    /** In a method of its own, so that no local variable of the test holds what should be collected. */
    private WeakReference<ClassLoader> serveOnceAndUninstall(DmaTraffic traffic) throws Exception {
        String home = iommus.serving();
        Bundle vtd = Bundles.deploy(context, "iommu.vtd");
        iommus.awaitWorking(2);
        WeakReference<ClassLoader> loader = new WeakReference<>(vtd.adapt(BundleWiring.class).getClassLoader());
        iommus.swapTo(iommus.ofVendor("vtd"));
        traffic.awaitBytes(BYTES_BETWEEN);
        iommus.swapTo(home);
        traffic.awaitBytes(BYTES_BETWEEN);
        vtd.uninstall();
        Bundles.refresh(context, vtd);
        iommus.awaitWorking(1);
        assertEquals("services left", Set.of(), Bundles.references(context, IommuHardware.class, "(%s=vtd)".formatted(IommuHardware.VENDOR))
                .stream().collect(Collectors.toSet()));
        return loader;
    }

    private static Set<Thread> newThreads(Set<Thread> before) {
        Set<Thread> now = threads();
        now.removeAll(before);
        return now;
    }

    private static Set<Thread> threads() {
        return new HashSet<>(Thread.getAllStackTraces().keySet());
    }
}
