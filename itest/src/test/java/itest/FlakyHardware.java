package itest;

import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.hardware.PagingDomain;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;

/**
 * A backend that works, because a real one does the work behind it, until it is told to misbehave. It stands beside the real
 * one, which must not serve the same endpoints meanwhile.
 */
final class FlakyHardware implements AutoCloseable {
    /** Its {@code iommu.name}. */
    static final String NAME = "flaky";

    /** How it misbehaves. */
    enum Misbehaviour { NONE, THROWS, HANGS }

    /** What of a backend is wrapped. */
    private static final List<Class<?>> WRAPPED = List.of(IommuHardware.class, HardwareEndpoint.class, HardwarePort.class, PagingDomain.class,
            NestedDomain.class, HardwareViommu.class, DirtyTracking.class);

    /** Endpoints of the real backend that were not released. */
    private final List<HardwareEndpoint> held = new CopyOnWriteArrayList<>();
    private final CountDownLatch stuck = new CountDownLatch(1);
    private final ServiceRegistration<IommuHardware> registration;
    private volatile Misbehaviour misbehaviour = Misbehaviour.NONE;
    private volatile Set<String> methods = Set.of();

    /** Registers it as a service. */
    FlakyHardware(BundleContext context, IommuHardware real) {
        IommuHardware flaky = (IommuHardware) wrapped(real);
        registration = context.registerService(IommuHardware.class, flaky,
                Bundles.properties(Map.of(IommuHardware.NAME, NAME, IommuHardware.VENDOR, real.vendor())));
    }

    /** From now on these methods of any of its objects misbehave. */
    void misbehave(Misbehaviour how, String... names) {
        methods = Set.of(names);
        misbehaviour = how;
    }

    /** The object, if it is one of a backend's, with a wrapper around that has all its faces; anything else as it is. */
    private Object wrapped(Object real) {
        Class<?>[] faces = WRAPPED.stream().filter(type -> type.isInstance(real)).toArray(Class<?>[]::new);
        return faces.length == 0 ? real : Proxy.newProxyInstance(FlakyHardware.class.getClassLoader(), faces, new Wrapper(real));
    }

    /** Calls that hang go on now. */
    void letGo() {
        stuck.countDown();
    }

    /** Withdraws the service; the real backend gets back what the engine could not return. */
    @Override
    public void close() {
        misbehaviour = Misbehaviour.NONE;
        letGo();
        registration.unregister();
        held.forEach(HardwareEndpoint::release);
    }

    /** One object of the real backend. */
    private final class Wrapper implements InvocationHandler {
        private final Object real;

        Wrapper(Object real) {
            this.real = real;
        }

        @Override
        public Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
            switch (method.getName()) {
                case "name" -> { return NAME; }
                case "equals" -> { return proxy == arguments[0]; }
                case "hashCode" -> { return System.identityHashCode(proxy); }
                case "toString" -> { return NAME + " " + real; }
                default -> { }
            }
            if (methods.contains(method.getName())) {
                switch (misbehaviour) {
                    case THROWS -> throw new IllegalStateException("the backend is broken: " + method.getName());
                    case HANGS -> stuck.await();   // an interrupt ends it, as the engine hopes
                    case NONE -> { }
                }
            }
            Object answer;
            try {
                answer = method.invoke(real, unwrapped(arguments));
            } catch (InvocationTargetException refused) {
                throw refused.getCause();
            }
            if (answer instanceof HardwareEndpoint endpoint) {
                held.add(endpoint);
            } else if (method.getName().equals("release")) {
                held.remove(real);
            }
            return answer instanceof Optional<?> optional ? optional.map(FlakyHardware.this::wrapped) : wrapped(answer);
        }

        private Object[] unwrapped(Object[] arguments) {
            if (arguments == null) {
                return null;
            }
            Object[] unwrapped = arguments.clone();
            for (int i = 0; i < unwrapped.length; i++) {
                if (unwrapped[i] != null && Proxy.isProxyClass(unwrapped[i].getClass())
                        && Proxy.getInvocationHandler(unwrapped[i]) instanceof Wrapper wrapper) {
                    unwrapped[i] = wrapper.real;
                }
            }
            return unwrapped;
        }
    }
}
