package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.OpenNode;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import vfio.adapter.migration.DeviceState;
import vfio.adapter.migration.MigrationState;
import vfio.adapter.uapi.VfioDeviceFeatureMigDataSize;
import vfio.adapter.uapi.VfioDeviceFeatureMigState;
import vfio.adapter.uapi.VfioDeviceFeatureMigration;
import vfio.device.Migration;

/** The features of migration. */
final class MigrationRequests {
    private static final int NO_FILE = -1;

    private MigrationRequests() {}

    private static Migration migration(FeatureCall feature) {
        return feature.session().migration().migration()
                .orElseThrow(() -> new IommufdException(Errno.ENOTTY, "the device's state cannot move"));
    }

    static void supported(FeatureCall feature) {
        Migration migration = migration(feature);
        if (feature.wanted(FeatureCall.GET, VfioDeviceFeatureMigration.SIZE_BYTES)) {
            MemorySegment answer = MemorySegment.ofArray(new long[VfioDeviceFeatureMigration.SIZE_BYTES / Long.BYTES]);
            VfioDeviceFeatureMigration.flags(answer, VfioDeviceFeatureMigration.VFIO_MIGRATION_STOP_COPY
                    | (migration.peerToPeer() ? VfioDeviceFeatureMigration.VFIO_MIGRATION_P2P : 0)
                    | (migration.preCopy() ? VfioDeviceFeatureMigration.VFIO_MIGRATION_PRE_COPY : 0));
            feature.respond(answer);
        }
    }

    static void state(FeatureCall feature) {
        migration(feature);
        if (!feature.wanted(FeatureCall.GET | FeatureCall.SET, VfioDeviceFeatureMigState.SIZE_BYTES)) {
            return;
        }
        MemorySegment struct = feature.read(VfioDeviceFeatureMigState.SIZE_BYTES);
        MigrationState state = feature.session().migration();
        VfioDeviceFeatureMigState.dataFd(struct, NO_FILE);
        if (feature.gets()) {
            VfioDeviceFeatureMigState.deviceState(struct, state.state().ordinal());
            feature.respond(struct);
            return;
        }
        feature.respond(struct); // also if the state cannot be reached; a file that cannot be told of is not opened
        int number = VfioDeviceFeatureMigState.deviceState(struct);
        DeviceState target = DeviceState.of(number).orElseThrow(() -> new IommufdException(Errno.EINVAL, "there is no state " + number));
        Optional<OpenNode> file = state.set(target);
        if (file.isPresent()) {
            VfioDeviceFeatureMigState.dataFd(struct, feature.call().caller().files().install(file.get(), true));
            feature.respond(struct);
        }
    }

    static void dataSize(FeatureCall feature) {
        Migration migration = migration(feature);
        if (feature.wanted(FeatureCall.GET, VfioDeviceFeatureMigDataSize.SIZE_BYTES)) {
            MemorySegment answer = MemorySegment.ofArray(new long[VfioDeviceFeatureMigDataSize.SIZE_BYTES / Long.BYTES]);
            VfioDeviceFeatureMigDataSize.stopCopyLength(answer, migration.stateBytes());
            feature.respond(answer);
        }
    }

    /** There is never a second first round, so nothing changes for a client that would understand it. */
    static void precopyInfo(FeatureCall feature) {
        if (feature.session().migration().migration().filter(Migration::preCopy).isEmpty()) {
            throw new IommufdException(Errno.EINVAL, "the device's state cannot be read while it runs");
        }
        feature.wanted(FeatureCall.SET, 0);
    }
}
