package iommu.tck;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectNestedMethod;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.NestedMethodSelector;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** No check of the kit is idle: for every one there is a backend that fails it. */
class DefectsAreNoticedTest {
    private static final int TRIES = 25;

    @BeforeAll
    static void losePatienceEarly() {
        System.setProperty(QuietPathContract.WARM_UP_MILLIS, "300");
    }

    @AfterAll
    static void bePatientAgain() {
        System.clearProperty(QuietPathContract.WARM_UP_MILLIS);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "NONE")
    void everyDefectIsNoticedByTheTestsItNames(Defect defect) {
        assertThat(failuresWith(defect)).isEqualTo(new TreeSet<>(defect.noticedBy()));
    }

    @Test
    void everyTestOfTheKitNoticesSomeDefect() {
        Set<String> named = Arrays.stream(Defect.values()).flatMap(defect -> defect.noticedBy().stream())
                .collect(Collectors.toCollection(TreeSet::new));
        assertThat(testsOfTheKit()).isEqualTo(named);
    }

    @Test
    void withoutADefectNothingFails() {
        List<String> some = List.of("Mapping.scatteredRunsKeepTheirOrder", "Permission.aReadOnlyPageRefusesWrites");
        assertThat(failures(Defect.NONE, some)).isEmpty();
    }

    private static Set<String> testsOfTheKit() {
        Set<String> tests = new TreeSet<>();
        for (Class<?> group : IommuCompatibilityKit.class.getDeclaredClasses()) {
            if (group.isAnnotationPresent(Nested.class)) {
                for (Class<?> type = group; type != Object.class; type = type.getSuperclass()) {
                    Arrays.stream(type.getDeclaredMethods()).filter(method -> method.isAnnotationPresent(Test.class))
                            .forEach(method -> tests.add(group.getSimpleName() + "." + method.getName()));
                }
            }
        }
        return tests;
    }

    /**
     * What notices a race needs luck: how threads meet is the scheduler's business. A test counts if it fails in one of several
     * tries; without the defect none fails in any.
     */
    private static Set<String> failuresWith(Defect defect) {
        Set<String> noticed = new TreeSet<>();
        List<String> unnoticed = defect.noticedBy();
        for (int attempt = 0; attempt < TRIES && !unnoticed.isEmpty(); attempt++) {
            noticed.addAll(failures(defect, unnoticed));
            unnoticed = unnoticed.stream().filter(test -> !noticed.contains(test)).toList();
        }
        return noticed;
    }

    /** Runs these tests of the kit. @return those that failed */
    private static Set<String> failures(Defect defect, List<String> tests) {
        DefectiveKit.defect = defect;
        LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                .selectors(tests.stream().map(DefectsAreNoticedTest::selector).toList()).build();
        Set<String> failed = new TreeSet<>();
        int[] finished = {0};
        LauncherFactory.create().execute(request, new TestExecutionListener() {
            @Override
            public void executionFinished(TestIdentifier test, TestExecutionResult result) {
                if (test.getSource().orElse(null) instanceof MethodSource method) {
                    finished[0]++;
                    if (result.getStatus() == TestExecutionResult.Status.FAILED) {
                        String group = method.getClassName().substring(method.getClassName().lastIndexOf('$') + 1);
                        failed.add(group + "." + method.getMethodName());
                    }
                }
            }
        });
        assertThat(finished[0]).as("tests that ran").isEqualTo(tests.size());
        return failed;
    }

    private static NestedMethodSelector selector(String test) {
        int dot = test.indexOf('.');
        return selectNestedMethod(List.of(DefectiveKit.class.getName()),
                IommuCompatibilityKit.class.getName() + "$" + test.substring(0, dot), test.substring(dot + 1));
    }
}
