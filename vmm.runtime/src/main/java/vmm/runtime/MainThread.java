package vmm.runtime;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import vmm.runtime.demo.Demo;

/**
 * What the bnd launcher calls on the main thread; the result is the exit code of the process. Without arguments the runtime
 * stays up until it is stopped.
 */
@Component(service = Callable.class, property = "main.thread:Boolean=true")
public final class MainThread implements Callable<Integer> {
    private static final String ARGUMENTS = "launcher.arguments";
    private static final int WRONG_USAGE = 2;

    private final BundleContext bundles;
    private final List<String> arguments;
    private final CountDownLatch deactivated = new CountDownLatch(1);

    /** @param launcher the launcher's service; its property holds what stood behind the jar on the command line */
    @Activate
    public MainThread(BundleContext bundles,
            @Reference(service = Object.class, target = "(" + ARGUMENTS + "=*)") Map<String, Object> launcher) {
        this.bundles = bundles;
        this.arguments = Arrays.asList((String[]) launcher.get(ARGUMENTS));
    }

    @Deactivate
    void deactivate() {
        deactivated.countDown();
    }

    @Override
    public Integer call() throws InterruptedException {
        if (arguments.isEmpty()) {
            deactivated.await();
            return 0;
        }
        List<String> rest = arguments.subList(1, arguments.size());
        return switch (arguments.getFirst()) {
            case "demo" -> Demo.run(bundles, System.out, rest);
            case "exec" -> Exec.run(bundles, System.err, rest);
            default -> {
                System.err.printf("vmm: there is no command '%s'; the runtime knows: demo, exec%n", arguments.getFirst());
                yield WRONG_USAGE;
            }
        };
    }
}
