package devnode.fuse.launch;

import devnode.fuse.linux.Linux;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Passes signals that ask this process to end on to a child, which decides itself. Those that a terminal sends reach the child
 * anyway, and are not passed on twice.
 *
 * <p>By reflection: {@code sun.misc.Signal} is what the JDK has for this, but no API that javac lets pass.
 */
final class SignalRelay implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SignalRelay.class);
    private static final List<String> FROM_TERMINAL = List.of("INT");
    private static final List<String> SIGNALS = List.of("INT", "TERM", "HUP");

    private final ChildProcess child;
    private final List<Runnable> undo = new ArrayList<>();

    SignalRelay(ChildProcess child) {
        this.child = child;
        for (String name : SIGNALS) {
            try {
                relay(name);
            } catch (ReflectiveOperationException | IllegalArgumentException taken) {
                LOG.debug("signal {} cannot be passed on", name, taken);
            }
        }
    }

    private void relay(String name) throws ReflectiveOperationException {
        ClassLoader jdk = ClassLoader.getSystemClassLoader();
        Class<?> signalType = jdk.loadClass("sun.misc.Signal");
        Class<?> handlerType = jdk.loadClass("sun.misc.SignalHandler");
        var handle = signalType.getMethod("handle", signalType, handlerType);
        Object signal = signalType.getConstructor(String.class).newInstance(name);
        int number = (int) signalType.getMethod("getNumber").invoke(signal);
        Object handler = Proxy.newProxyInstance(jdk, new Class<?>[] {handlerType}, (proxy, method, arguments) -> switch (method.getName()) {
            case "handle" -> {
                pass(name, number);
                yield null;
            }
            case "equals" -> proxy == arguments[0];
            case "hashCode" -> System.identityHashCode(proxy);
            default -> "relay of SIG" + name;
        });
        Object before = handle.invoke(null, signal, handler);
        if (before == handlerType.getField("SIG_IGN").get(null)) {
            handle.invoke(null, signal, before); // as nohup wants it
            return;
        }
        undo.add(() -> {
            try {
                handle.invoke(null, signal, before);
            } catch (IllegalAccessException | InvocationTargetException failed) {
                LOG.debug("signal {} cannot be handled as before", name, failed);
            }
        });
    }

    private void pass(String name, int number) {
        if (!FROM_TERMINAL.contains(name) || !terminalSendsToUs()) {
            child.signal(number);
        }
    }

    private static boolean terminalSendsToUs() {
        int terminal = Linux.open("/dev/tty", Linux.O_RDONLY);
        if (terminal < 0) {
            return false;
        }
        try {
            return Linux.inForegroundOf(terminal);
        } finally {
            Linux.close(terminal);
        }
    }

    /** Handles signals as before. */
    @Override
    public void close() {
        undo.forEach(Runnable::run);
    }
}
