package iommufd.api;

import java.util.Optional;

/**
 * How far an array of invalidation requests came.
 *
 * @param done entries carried out, from the first
 * @param failure why the next entry was refused; empty if all were carried out
 */
public record InvalidationResult(int done, Optional<Errno> failure) {
    /** All {@code count} entries were carried out. */
    public static InvalidationResult complete(int count) {
        return new InvalidationResult(count, Optional.empty());
    }
}
