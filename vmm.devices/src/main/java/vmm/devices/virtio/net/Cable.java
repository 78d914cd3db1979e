package vmm.devices.virtio.net;

import java.util.List;
import vmm.devices.virtio.DeviceModel;
import vmm.devices.virtio.Rest;

/** What a network device is plugged into, for as long as it exists: a sink for each queue pair, and any number of sources. */
interface Cable extends AutoCloseable {
    /** Where pair {@code pair} sends. */
    PacketSink sink(int pair);

    /** Where packets come from, at this moment. Source n is for pair n modulo the pairs in use. */
    List<PacketSource> sources();

    /** How the thread of a pair rests, so that packets wake it. */
    Rest rest(int pair);

    /** A client drives the device: threads to wake when packets or room come. */
    void plugged(DeviceModel.Lanes lanes);

    /** Nobody drives the device any more; packets for it are dropped. */
    void unplugged();

    /** What the driver can be left with, of {@link NetFeature#GUEST_OFFLOADS}. */
    default void offloads(long accepted) { }

    /** That many pairs are in use. */
    void activePairs(int pairs);

    @Override
    void close();
}
