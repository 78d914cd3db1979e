package itest;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Collection;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.zip.ZipEntry;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.FrameworkListener;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.wiring.FrameworkWiring;

/** Bundles and services of the framework under test. */
final class Bundles {
    private Bundles() {}

    /** The installed bundle with that symbolic name. */
    static Bundle named(BundleContext context, String symbolicName) {
        return Arrays.stream(context.getBundles())
                .filter(bundle -> symbolicName.equals(bundle.getSymbolicName()))
                .findFirst()
                .orElseThrow(() -> new AssertionError(symbolicName + " is not installed"));
    }

    /** A service of that type, awaited. */
    static <T> T service(BundleContext context, Class<T> type) {
        return service(context, type, null);
    }

    /** A service of that type that matches the filter, awaited. */
    static <T> T service(BundleContext context, Class<T> type, String filter) {
        Await.until("a service " + type.getName() + " " + (filter == null ? "" : filter), () -> !references(context, type, filter).isEmpty());
        return context.getService(references(context, type, filter).iterator().next());
    }

    /** The services of that type, by reference. */
    static <T> Collection<ServiceReference<T>> references(BundleContext context, Class<T> type, String filter) {
        try {
            return context.getServiceReferences(type, filter);
        } catch (InvalidSyntaxException wrong) {
            throw new AssertionError(wrong);
        }
    }

    /** Wires everything anew that depends on bundles which were updated or uninstalled. */
    static void refresh(BundleContext context, Bundle... bundles) throws InterruptedException {
        CountDownLatch refreshed = new CountDownLatch(1);
        FrameworkListener listener = event -> refreshed.countDown();
        context.getBundle(Constants.SYSTEM_BUNDLE_LOCATION).adapt(FrameworkWiring.class).refreshBundles(List.of(bundles), listener);
        if (!refreshed.await(Await.PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
            throw new AssertionError("the framework did not finish a refresh");
        }
    }

    /** Installs the bundle of that name from the class path and starts it. */
    static Bundle deploy(BundleContext context, String symbolicName) throws BundleException {
        Bundle bundle = context.installBundle(Deployment.jar(symbolicName).toURI().toString());
        bundle.start();
        return bundle;
    }

    /** The jar of that bundle with another Bundle-Version, as a new release of it would come. */
    static InputStream release(String symbolicName, String version) throws IOException {
        File jar = Deployment.jar(symbolicName);
        ByteArrayOutputStream repacked = new ByteArrayOutputStream();
        try (JarFile file = new JarFile(jar)) {
            Manifest manifest = new Manifest(file.getManifest());
            manifest.getMainAttributes().put(new Attributes.Name(Constants.BUNDLE_VERSION), version);
            try (JarOutputStream out = new JarOutputStream(repacked, manifest)) {
                for (var entry : (Iterable<JarEntry>) file.stream()::iterator) {
                    if (!entry.getName().equals(JarFile.MANIFEST_NAME)) {
                        out.putNextEntry(new ZipEntry(entry.getName()));
                        try (InputStream content = file.getInputStream(entry)) {
                            content.transferTo(out);
                        }
                        out.closeEntry();
                    }
                }
            }
        }
        return new ByteArrayInputStream(repacked.toByteArray());
    }

    /** Properties for a configuration or a service. */
    static Hashtable<String, Object> properties(Map<String, Object> properties) {
        return new Hashtable<>(properties);
    }
}
