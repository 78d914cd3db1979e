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

    /** Time after a request that idle processors wait awake for the next one, while requests follow each other that closely. */
    @AttributeDefinition(name = "Spin time", description = "microseconds; only in virtual machines whose idle processors sleep deeply, and only as root; "
            + "makes calls faster and costs the time of idle processors, 0 never does", min = "0", max = "100000")
    int spin_micros() default 1000;
}
