package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeTrue;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.FarMemory;
import iommufd.api.node.Caller;
import iommufd.api.node.ClientLauncher;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.OpenNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Dictionary;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
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
import org.osgi.framework.ServiceRegistration;

/** Nodes are services: programs find those that are there, and the publisher may come and go. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class DeviceNodesIT {
    private static final String NODE = "/dev/vmm-it/node";

    @Inject
    private BundleContext context;

    /** Reads as an endless row of sevens; every other read waits for ever. */
    private static final class Sevens implements DeviceNode {
        final AtomicInteger inUse = new AtomicInteger();
        final CountDownLatch waiting = new CountDownLatch(1);

        @Override
        public OpenNode open(Caller caller) {
            inUse.incrementAndGet();
            return new OpenNode() {
                @Override
                public long ioctl(Caller by, int request, long argument) {
                    throw new IommufdException(Errno.ENOTTY, "nothing but reads");
                }

                @Override
                public int read(Caller by, MemorySegment target, long offset) throws InterruptedException {
                    if (target.byteSize() < 16) {
                        waiting.countDown();
                        new CountDownLatch(1).await();
                    }
                    target.asSlice(0, 4).fill((byte) '7');
                    return 4;
                }

                @Override
                public void close() {
                    inUse.decrementAndGet();
                }
            };
        }
    }

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.with("iommufd.api", "devnode.fuse")};
    }

    @Before
    public void nodesCanBePublishedHere() {
        boolean possible = Files.isWritable(Path.of("/dev/fuse")) && Files.isWritable(Path.of("/proc/sys/kernel/hostname"));
        if (!possible) {
            System.err.println("SKIPPED: DeviceNodesIT needs root and /dev/fuse");
        }
        assumeTrue("needs root and /dev/fuse", possible);
    }

    private ServiceRegistration<DeviceNode> register(DeviceNode node) {
        Dictionary<String, Object> properties = new Hashtable<>(Map.of(DeviceNode.PATH, NODE, DeviceNode.DESCRIPTOR_REQUESTS, new int[] {1234}));
        return context.registerService(DeviceNode.class, node, properties);
    }

    private int shell(String line) throws InterruptedException {
        return Bundles.service(context, ClientLauncher.class).run(List.of("sh", "-c", line));
    }

    @Test(timeout = 60_000)
    public void programsFindTheNodesThatAreThere() throws Exception {
        Path output = Files.createTempFile("vmm-it", ".txt");
        Sevens node = new Sevens();
        ServiceRegistration<DeviceNode> registration = register(node);
        try {
            assertEquals(0, shell("dd if=" + NODE + " bs=64 count=2 of=" + output + " 2>/dev/null"));
            assertEquals("77777777", Files.readString(output));
        } finally {
            registration.unregister();
            Files.delete(output);
        }
        assertEquals(0, node.inUse.get());
        assertEquals(1, shell("test -e " + NODE));
    }

    @Test(timeout = 60_000)
    public void thePublisherStopsUnderAProgramAndComesBack() throws Exception {
        Sevens node = new Sevens();
        ServiceRegistration<DeviceNode> registration = register(node);
        try {
            ClientLauncher launcher = Bundles.service(context, ClientLauncher.class);
            FutureTask<Integer> program = new FutureTask<>(() -> launcher.run(List.of("sh", "-c", "dd if=" + NODE + " bs=8 count=1 2>/dev/null")));
            Thread.ofPlatform().start(program);
            assertTrue(node.waiting.await(10, TimeUnit.SECONDS));
            Bundle publisher = Bundles.named(context, "devnode.fuse");
            publisher.stop();
            assertNotEquals("the program gets an error", 0, (int) program.get(20, TimeUnit.SECONDS));
            assertEquals(0, node.inUse.get());
            publisher.start();
            assertEquals(0, shell("dd if=" + NODE + " bs=64 count=1 of=/dev/null 2>/dev/null"));
        } finally {
            registration.unregister();
        }
    }

    @Test
    public void farMemoryThatNobodyPinnedIsNotThere() {
        FarMemory far = Bundles.service(context, FarMemory.class);
        MemorySegment word = MemorySegment.ofArray(new long[1]);
        assertEquals(0, word.get(ValueLayout.JAVA_LONG_UNALIGNED, 0));
        assertTrue(!far.read(FarMemory.START, word) && !far.write(FarMemory.END - 8, word) && !far.read(FarMemory.END - 4, word));
    }
}
