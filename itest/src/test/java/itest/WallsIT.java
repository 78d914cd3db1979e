package itest;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchCondition;
import java.io.IOException;
import java.util.List;
import java.util.jar.JarFile;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The walls between the rooms: who may know whom. Reads the packaged jars, so it sees what is shipped. */
class WallsIT {
    /**
     * One bundle. A name in these lists stands for that package and all below it, with = in front for
     * that package alone. What a room {@code holds} is its own
     * package, and for hardware its private copy of iommu.common.
     */
    record Room(String bundle, List<String> holds, List<String> exports, List<String> mayImport) {
        @Override
        public String toString() {
            return bundle;
        }
    }

    private static final List<String> NONE = List.of();

    /** Whoever publishes nodes knows nothing of what they are for: of the API only nodes, memory, and who pays for it. */
    private static final List<String> DEVICE_NODE_SPI = of("iommufd.api.node", "iommufd.api.memory", "=iommufd.api", "org.slf4j", "org.osgi");

    // @formatter:off
    private static final List<Room> ROOMS = List.of(
            //       bundle          holds                              exports        may import
            new Room("iommufd.api",  of("iommufd.api"),                 of("iommufd.api"), NONE),
            new Room("iommufd.core", of("iommufd.core"),                NONE,          of("iommufd.api", "org.slf4j", "org.osgi")),
            new Room("iommu.common", of("iommu.common"),                NONE,          of("iommufd.api")),
            new Room("iommu.vtd",    of("iommu.vtd", "iommu.common"),   NONE,          of("iommufd.api", "org.slf4j", "org.osgi")),
            new Room("iommu.smmuv3", of("iommu.smmuv3", "iommu.common"), NONE,         of("iommufd.api", "org.slf4j", "org.osgi")),
            new Room("iommu.s390",   of("iommu.s390", "iommu.common"),  NONE,          of("iommufd.api", "org.slf4j", "org.osgi")),
            new Room("iommu.mock",   of("iommu.mock", "iommu.common"),  NONE,          of("iommufd.api", "org.slf4j", "org.osgi")),
            new Room("devnode.fuse", of("devnode.fuse"),                NONE,          DEVICE_NODE_SPI),
            new Room("vfio.adapter", of("vfio.adapter", "vfio.device"), of("vfio.device"), of("iommufd.api", "org.slf4j", "org.osgi")),
            new Room("vfio.compat",  of("vfio.compat"),                 NONE,          of("iommufd.api", "vfio.device", "org.slf4j", "org.osgi")),
            new Room("vdpa.adapter", of("vdpa.adapter", "vdpa.device"), of("vdpa.device"), of("iommufd.api", "org.slf4j", "org.osgi")),
            new Room("vmm.devices",  of("vmm.devices"),                 NONE,          of("iommufd.api", "vfio.device", "vdpa.device", "org.slf4j", "org.osgi")),
            new Room("vmm.qtest",    of("vmm.qtest"),                   NONE,          of("iommufd.api", "org.slf4j", "org.osgi")),
            new Room("vmm.runtime",  of("vmm.runtime"),                 NONE,          of("iommufd.api", "org.slf4j", "org.osgi", "org.apache.felix.service.command")));
    // @formatter:on

    /** Every room may use the JDK, and annotations that leave no trace at run time. */
    private static final List<String> EVERYONE = of("java", "jdk.jfr", "org.osgi.annotation");

    private static final Pattern QUOTED = Pattern.compile("\"[^\"]*\"");

    private static List<String> of(String... names) {
        return List.of(names);
    }

    static List<Room> rooms() {
        return ROOMS;
    }

    @Test
    void everyBundleOfOursHasARow() {
        List<String> ours = Deployment.jars().stream()
                .map(Deployment::manifest)
                .filter(manifest -> "iommufd".equals(manifest.getValue("Bundle-Vendor")))
                .map(Deployment::symbolicName)
                .toList();
        assertThat(ours).containsExactlyInAnyOrderElementsOf(ROOMS.stream().map(Room::bundle).toList());
        assertThat(ours).containsAll(Deployment.OURS);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rooms")
    void importsOnlyWhatItsRowAllows(Room room) {
        List<String> allowed = concat(room.mayImport(), room.exports(), EVERYONE);
        assertThat(packages(room, "Import-Package")).as("%s imports", room).allMatch(name -> isIn(name, allowed), "is one of " + allowed);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rooms")
    void exportsOnlyWhatItsRowAllows(Room room) {
        assertThat(packages(room, "Export-Package")).as("%s exports", room).allMatch(name -> isIn(name, room.exports()), "is one of " + room.exports());
        // A dynamic import would walk around this table.
        assertThat(Deployment.manifest(Deployment.jar(room.bundle())).getValue("DynamicImport-Package")).isNull();
    }

    /** Walls inside a jar, which no manifest shows: whose classes it carries, and whom they know. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("rooms")
    void classesAreItsOwnAndKnowOnlyWhatItsRowAllows(Room room) throws IOException {
        try (JarFile jar = new JarFile(Deployment.jar(room.bundle()))) {
            JavaClasses classes = new ClassFileImporter().importJar(jar);
            assertThat(classes).hasSize((int) jar.stream().filter(e -> e.getName().endsWith(".class")).count());
            List<String> allowed = concat(room.holds(), room.mayImport(), EVERYONE);
            classes().should(beIn(room.holds())).allowEmptyShould(classes.isEmpty()).check(classes);
            classes().should().onlyDependOnClassesThat(areIn(allowed)).allowEmptyShould(classes.isEmpty()).check(classes);
        }
    }

    private static ArchCondition<JavaClass> beIn(List<String> roots) {
        return ArchCondition.from(areIn(roots));
    }

    private static DescribedPredicate<JavaClass> areIn(List<String> roots) {
        return describe("are in " + roots, type -> {
            JavaClass element = type.getBaseComponentType(); // of arrays
            return element.isPrimitive() || isIn(element.getPackageName(), roots);
        });
    }

    /** The package names of a manifest header: attributes, directives and quoted lists removed. */
    private static List<String> packages(Room room, String header) {
        String value = Deployment.manifest(Deployment.jar(room.bundle())).getValue(header);
        if (value == null) {
            return List.of();
        }
        return Stream.of(QUOTED.matcher(value).replaceAll("").split(","))
                .flatMap(clause -> Stream.of(clause.split(";")))
                .map(String::trim)
                .filter(part -> !part.contains("="))
                .toList();
    }

    private static boolean isIn(String packageName, List<String> roots) {
        return roots.stream().anyMatch(root -> packageName.equals(root) || packageName.startsWith(root + ".") || root.equals("=" + packageName));
    }

    @SafeVarargs
    private static List<String> concat(List<String>... lists) {
        return Stream.of(lists).flatMap(List::stream).toList();
    }
}
