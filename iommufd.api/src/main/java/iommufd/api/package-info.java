/**
 * What a VMM calls: iommufd's objects as Java types, with the semantics and errno of Linux's uAPI
 * ({@code include/uapi/linux/iommufd.h}, 7.3).
 *
 * <p>Unless a type says otherwise its methods are thread-safe, addresses and lengths are unsigned 64-bit numbers in bytes,
 * and {@code last…} names an inclusive end. Every failure is an {@link iommufd.api.IommufdException} that carries the errno
 * the uAPI prescribes, and leaves the state as it was.
 */
@Export
@Version("1.0.0")
package iommufd.api;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
