package iommufd.core.node;

import iommufd.api.uapi.IoctlExtension;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/** The extensions that are deployed, and the files they may have sessions of. Thread-safe. */
final class Extensions {
    private record Served(IoctlExtension extension, Set<Integer> requests, boolean countsPins) {}

    private final List<Served> served = new CopyOnWriteArrayList<>();
    private final Set<OpenIommu> files = ConcurrentHashMap.newKeySet();

    void add(IoctlExtension extension, Map<String, Object> properties) {
        served.add(new Served(extension, requests(properties.get(IoctlExtension.REQUESTS)), Boolean.TRUE.equals(properties.get(IoctlExtension.COUNTS_PINS))));
    }

    /** One number arrives as it is, several as an array, depending on who registered the service. */
    private static Set<Integer> requests(Object property) {
        return switch (property) {
            case int[] numbers -> Set.copyOf(Arrays.stream(numbers).boxed().toList());
            case Integer[] numbers -> Set.of(numbers);
            case Integer number -> Set.of(number);
            case null, default -> Set.of();
        };
    }

    void remove(IoctlExtension extension) {
        served.removeIf(entry -> entry.extension() == extension);
        files.forEach(file -> file.end(extension));
    }

    /** The extension that named the request first. */
    Optional<IoctlExtension> serving(int request) {
        for (Served entry : served) {
            if (entry.requests().contains(request)) {
                return Optional.of(entry.extension());
            }
        }
        return Optional.empty();
    }

    boolean countPins() {
        return served.stream().anyMatch(Served::countsPins);
    }

    void remember(OpenIommu file) {
        files.add(file);
    }

    void forget(OpenIommu file) {
        files.remove(file);
    }
}
