package devnode.fuse;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** Configuration {@code devnode.fuse}. */
@ObjectClassDefinition(name = "Device nodes over FUSE")
public @interface FuseConfiguration {
    /** Where the nodes can be seen by every process; empty if only by programs this runtime launches. */
    @AttributeDefinition(name = "Mount point", description = "an existing directory; empty: only launched programs see the nodes")
    String mount_point() default "";

    /** Who may open which nodes; the first that fits counts. What fits none is the administrator's alone. */
    @AttributeDefinition(name = "Permissions", description = "PATH=USER:GROUP:MODE, such as /dev/vfio/*=0:kvm:0660; * stands for a part of a name, ** for several names")
    String[] permissions() default {};

    /** Time that one thread looks for the next request after an answer, before it sleeps. */
    @AttributeDefinition(name = "Spin time", description = "microseconds; more makes calls faster on idle processors and costs their time, 0 is for busy ones", min = "0", max = "1000")
    int spin_micros() default 20;
}
