package vmm.runtime.guest;

import iommufd.api.DmaAccess;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.memory.StageTwoTable;
import iommufd.api.memory.UserMemory;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.Designate;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** Memory of one guest for each configuration of the factory PID {@code vmm.guest.memory}; its page table is a service. */
@Component(service = {StageTwoTable.class, GuestMemoryComponent.class}, configurationPid = "vmm.guest.memory",
        configurationPolicy = ConfigurationPolicy.REQUIRE)
@Designate(ocd = GuestMemoryComponent.Configuration.class, factory = true)
public final class GuestMemoryComponent implements StageTwoTable {
    private final GuestMemory memory;

    /** What a guest has. */
    @ObjectClassDefinition(name = "Guest memory")
    public @interface Configuration {
        /** Layout of the page table. */
        @AttributeDefinition(name = "Format", description = "EPT (Intel) or ARM_STAGE_2")
        String format() default "EPT";

        /** How much the guest has. */
        @AttributeDefinition(name = "Bytes", min = "4096")
        long bytes() default 64L << 20;

        /** How much of it is there at once. */
        @AttributeDefinition(name = "Resident bytes", min = "4096")
        long resident_bytes() default 16L << 20;
    }

    /** By SCR. */
    @Activate
    public GuestMemoryComponent(@Reference PhysicalMemory physical, Configuration configuration) {
        memory = new GuestMemory(physical, Format.valueOf(configuration.format()), configuration.bytes(), configuration.resident_bytes());
    }

    /** The memory itself. */
    public GuestMemory memory() {
        return memory;
    }

    @Override
    public Format format() {
        return memory.format();
    }

    @Override
    public long root() {
        return memory.root();
    }

    @Override
    public UserMemory.Subscription onChange(ChangeListener listener) {
        return memory.onChange(listener);
    }

    @Override
    public boolean populate(long address, DmaAccess access) {
        return memory.populate(address, access);
    }

    @Deactivate
    void deactivate() {
        memory.close();
    }
}
