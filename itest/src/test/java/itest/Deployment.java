package itest;

import static org.ops4j.pax.exam.CoreOptions.bundle;
import static org.ops4j.pax.exam.CoreOptions.composite;
import static org.ops4j.pax.exam.CoreOptions.junitBundles;
import static org.ops4j.pax.exam.CoreOptions.systemPackages;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import org.ops4j.pax.exam.Option;

/**
 * Which bundles a test deploys, and where their jars are. The jars come from the test's class path, so that no URL has
 * to be resolved while the test runs: in Maven's integration-test phase those are the packaged bundles.
 */
public final class Deployment {
    /** What every deployment starts with: Declarative Services and Configuration Admin. */
    public static final List<String> RUNTIME = List.of(
            "org.osgi.util.function",
            "org.osgi.util.promise",
            "org.osgi.service.component",
            "org.apache.felix.scr",
            "org.apache.felix.configadmin");

    /** Our bundles, in no particular order: none may depend on the order it is started in. */
    public static final List<String> OURS =
            List.of("iommufd.api", "iommufd.core", "iommu.vtd", "iommu.smmuv3", "iommu.s390", "devnode.fuse", "vfio.adapter", "vfio.compat", "vdpa.adapter", "vmm.devices", "vmm.runtime");

    /**
     * Logging is the class path's, as in the assembly. 1.7.36 is there for Pax Exam's own bundles, which do not accept
     * slf4j 2.
     */
    public static final List<String> SYSTEM_PACKAGES = List.of(
            "org.slf4j;version=1.7.36",
            "org.slf4j;version=2.0.19",
            "org.slf4j.event;version=2.0.19",
            "org.slf4j.helpers;version=2.0.19",
            "org.slf4j.spi;version=2.0.19");

    private Deployment() {}

    /** The Pax Exam options of a runtime with these of our bundles. */
    public static Option with(String... bundles) {
        List<Option> options = new ArrayList<>();
        options.add(systemPackages(SYSTEM_PACKAGES.toArray(String[]::new)));
        RUNTIME.forEach(name -> options.add(classpathBundle(name)));
        for (String name : bundles) {
            options.add(classpathBundle(name));
        }
        options.add(junitBundles());
        return composite(options.toArray(Option[]::new));
    }

    /** The Pax Exam options of a runtime with all of our bundles. */
    public static Option complete() {
        return with(OURS.toArray(String[]::new));
    }

    /** The option that installs and starts the bundle with this symbolic name. */
    public static Option classpathBundle(String symbolicName) {
        return bundle(jar(symbolicName).toURI().toString());
    }

    /** The jar on the class path with this Bundle-SymbolicName. */
    public static File jar(String symbolicName) {
        return jars().stream()
                .filter(jar -> symbolicName.equals(symbolicName(manifest(jar))))
                .findFirst()
                .orElseThrow(() -> new IllegalStateException(symbolicName + " is not a bundle on the class path"));
    }

    /** Every jar on the class path. */
    public static List<File> jars() {
        return List.of(System.getProperty("java.class.path").split(File.pathSeparator)).stream()
                .filter(entry -> entry.endsWith(".jar"))
                .map(File::new)
                .toList();
    }

    /** The main attributes of a jar's manifest, empty when it has none. */
    public static Attributes manifest(File jar) {
        try (JarFile file = new JarFile(jar)) {
            return file.getManifest() == null ? new Attributes() : file.getManifest().getMainAttributes();
        } catch (IOException e) {
            throw new UncheckedIOException(jar.toString(), e);
        }
    }

    /** Bundle-SymbolicName without directives, or null for a jar that is no bundle. */
    public static String symbolicName(Attributes manifest) {
        String header = manifest.getValue("Bundle-SymbolicName");
        return header == null ? null : header.split(";")[0].trim();
    }
}
