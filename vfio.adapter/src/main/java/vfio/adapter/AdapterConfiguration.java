package vfio.adapter;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** Settings of the adapter. */
@ObjectClassDefinition(name = "VFIO devices")
public @interface AdapterConfiguration {
    /** @return how long a client has to let go of a device whose model goes, in milliseconds */
    @AttributeDefinition(description = "How long a client has to let go of a device that goes, after it got the request interrupt")
    long unplug_patience_millis() default 2000;
}
