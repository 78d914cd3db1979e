package itest;

import static org.junit.Assert.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import javax.inject.Inject;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;

/** Our bundles are stopped and started in any order, with devices at work: nothing complains, and all works again. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class StopOrderIT {
    private static final int ROUNDS = 25;
    private static final int BYTES_BETWEEN = 64 * 1024;

    @Inject
    private BundleContext context;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.complete()};
    }

    @Test(timeout = 90_000)
    public void anyOrderOfStopsAndStartsWorks() throws Exception {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (int round = 0; round < ROUNDS; round++) {
            List<String> stops = shuffled(random);
            List<String> starts = shuffled(random);
            String story = "seed %d, round %d: stop %s, start %s".formatted(seed, round, stops, starts);
            String errors = errorsWhile(() -> stopAndStart(stops, starts));
            assertEquals(story, "", errors);
            try (DmaTraffic traffic = DmaTraffic.start(context)) {
                traffic.awaitBytes(BYTES_BETWEEN);
                traffic.assertNothingLost();
            } catch (AssertionError failed) {
                throw new AssertionError(story, failed);
            }
        }
    }

    private void stopAndStart(List<String> stops, List<String> starts) throws BundleException {
        new Iommus(context).awaitWorking(2);
        try (DmaTraffic traffic = DmaTraffic.start(context)) {
            traffic.awaitBytes(BYTES_BETWEEN);
            for (String name : stops) {
                Bundles.named(context, name).stop();
            }
            for (String name : stops) {
                assertEquals(name, Bundle.RESOLVED, Bundles.named(context, name).getState());
            }
        }
        for (String name : starts) {
            Bundles.named(context, name).start();
        }
        for (String name : starts) {
            assertEquals(name, Bundle.ACTIVE, Bundles.named(context, name).getState());
        }
        new Iommus(context).awaitWorking(2);
    }

    private static List<String> shuffled(Random random) {
        List<String> order = new ArrayList<>(Deployment.OURS);
        Collections.shuffle(order, random);
        return order;
    }

    /** Something that may fail. */
    private interface Action {
        void run() throws BundleException;
    }

    /** The lines with ERROR that came to the standard streams meanwhile: the log's, the framework's and the component runtime's. */
    private static String errorsWhile(Action action) throws BundleException {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream copy = new ByteArrayOutputStream();
        System.setOut(tee(out, copy));
        System.setErr(tee(err, copy));
        try {
            action.run();
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
        return String.join("\n", copy.toString(StandardCharsets.UTF_8).lines().filter(line -> line.contains("ERROR")).toList());
    }

    private static PrintStream tee(PrintStream original, ByteArrayOutputStream copy) {
        return new PrintStream(new OutputStream() {
            @Override
            public void write(int octet) {
                original.write(octet);
                copy.write(octet);
            }

            @Override
            public void write(byte[] bytes, int offset, int length) {
                original.write(bytes, offset, length);
                copy.write(bytes, offset, length);
            }
        }, true, StandardCharsets.UTF_8);
    }
}
