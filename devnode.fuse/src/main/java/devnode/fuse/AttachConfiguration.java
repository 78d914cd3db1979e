package devnode.fuse;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** Configuration {@code devnode.fuse.attach}. */
@ObjectClassDefinition(name = "Programs that attach to this runtime")
public @interface AttachConfiguration {
    /** What this runtime is called; empty for what the framework property {@code devnode.name} says, or else the number of the process. */
    @AttributeDefinition(name = "Name", description = "what ./vmm exec --attach NAME finds this runtime by; empty: the number of its process")
    String name() default "";

    /** Whether programs can attach. */
    @AttributeDefinition(name = "Enabled", description = "false: nobody can attach, there is no socket")
    boolean enabled() default true;
}
