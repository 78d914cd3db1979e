package devnode.fuse;

import devnode.fuse.attach.AttachPoint;
import devnode.fuse.attach.RuntimeDirectory;
import iommufd.api.IommufdException;
import java.util.Optional;
import java.util.stream.Stream;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.metatype.annotations.Designate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Lets programs that others start find the nodes that are published here. */
@Component(service = {}, immediate = true, configurationPid = "devnode.fuse.attach")
@Designate(ocd = AttachConfiguration.class)
public final class Attachment {
    private static final Logger LOG = LoggerFactory.getLogger(Attachment.class);
    private static final String NAME_PROPERTY = "devnode.name";

    private final Optional<AttachPoint> point;

    /** @throws IllegalArgumentException if the name makes no sense */
    @Activate
    public Attachment(AttachConfiguration configuration, BundleContext bundle, @Reference FusePublisher publisher) {
        String name = Stream.of(configuration.name(), Optional.ofNullable(bundle.getProperty(NAME_PROPERTY)).orElse(""))
                .filter(text -> !text.isBlank()).findFirst().orElse(Long.toString(ProcessHandle.current().pid()));
        point = configuration.enabled() ? open(name, publisher) : Optional.empty();
    }

    private static Optional<AttachPoint> open(String name, FusePublisher publisher) {
        try {
            return Optional.of(AttachPoint.open(RuntimeDirectory.ofUser(), name, publisher.nodes()::server, publisher.nodes()::descriptorRequests));
        } catch (IommufdException refused) {
            LOG.info("programs cannot attach to this runtime: {}", refused.getMessage());
            return Optional.empty();
        }
    }

    @Deactivate
    void deactivate() {
        point.ifPresent(AttachPoint::close);
    }
}
