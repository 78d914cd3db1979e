package vfio.adapter.device;

import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.node.OpenNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vfio.adapter.node.DeviceFile;
import vfio.device.VfioGroup;

/** A group in the hands of a group file, and of the device files opened through it. Guarded by the group's monitor. */
public final class GroupClaim implements VfioGroup.Claim {
    private static final Logger LOG = LoggerFactory.getLogger(GroupClaim.class);
    private static final String TOKEN = "vf_token=";

    private final DeviceGroup group;
    private Optional<Attachment> attachment = Optional.empty();
    private int openFiles;
    private boolean closed;
    private boolean released;
    private Runnable lastClosed = () -> { };

    private record Attachment(IommufdContext context, Ioas ioas) {}

    GroupClaim(DeviceGroup group) {
        this.group = group;
    }

    @Override
    public VfioGroup group() {
        return group;
    }

    @Override
    public void attach(IommufdContext context, Ioas ioas) {
        synchronized (group) {
            if (closed || attachment.isPresent()) {
                throw new IommufdException(Errno.EBUSY, "group %d is attached already".formatted(group.number()));
            }
            List<AdaptedDevice> done = new ArrayList<>();
            try {
                for (AdaptedDevice device : group.members()) {
                    attach(device, context, ioas.id());
                    done.add(device);
                }
            } catch (RuntimeException | Error failed) {
                done.forEach(GroupClaim::unbind);
                throw failed;
            }
            attachment = Optional.of(new Attachment(context, ioas));
        }
    }

    private static void attach(AdaptedDevice device, IommufdContext context, int targetId) {
        device.resets().lock().lock();
        try {
            device.bind(context);
            try {
                device.binding().orElseThrow().attach(targetId);
            } catch (RuntimeException | Error failed) {
                device.unbind();
                throw failed;
            }
        } finally {
            device.resets().lock().unlock();
        }
    }

    private static void unbind(AdaptedDevice device) {
        device.resets().lock().lock();
        try {
            device.unbind();
        } finally {
            device.resets().lock().unlock();
        }
    }

    /** A device joins the group while it is claimed: it is attached to what the others are attached to, which may be another table of the address space. */
    void joined(AdaptedDevice device) {
        assert Thread.holdsLock(group);
        if (attachment.isPresent()) {
            Ioas ioas = attachment.get().ioas;
            Optional<Hwpt> table = device.endpoint().flatMap(endpoint -> boundDevices().stream().findFirst()).flatMap(BoundDevice::attached);
            attach(device, attachment.get().context, table.map(Hwpt::id).orElse(ioas.id()));
        }
    }

    @Override
    public void detach() {
        synchronized (group) {
            if (openFiles > 0) {
                throw new IommufdException(Errno.EBUSY, "%d device files of group %d are open".formatted(openFiles, group.number()));
            }
            detachAll();
        }
    }

    /** Nothing once it is released: the devices may be another claim's then. */
    private void detachAll() {
        assert Thread.holdsLock(group);
        attachment = Optional.empty();
        if (!released) {
            group.members().forEach(GroupClaim::unbind);
        }
    }

    @Override
    public OpenNode openDevice(String name) {
        String[] words = name.strip().split("\\s+");
        Optional<UUID> token = token(words);
        synchronized (group) {
            AdaptedDevice device = group.members().stream().filter(member -> member.name().equals(words[0])).findFirst()
                    .orElseThrow(() -> new IommufdException(Errno.ENODEV, "group %d has no device %s".formatted(group.number(), words[0])));
            device.checkToken(token);
            if (closed || attachment.isEmpty()) {
                throw new IommufdException(Errno.EINVAL, "group %d is attached to nothing".formatted(group.number()));
            }
            device.resets().lock().lock();
            try {
                DeviceFile file = DeviceFile.ofGroup(device, device.open(), this);
                openFiles++;
                return file;
            } finally {
                device.resets().lock().unlock();
            }
        }
    }

    private static Optional<UUID> token(String[] words) {
        Optional<UUID> token = Optional.empty();
        for (int i = 1; i < words.length; i++) {
            if (!words[i].startsWith(TOKEN)) {
                throw new IommufdException(Errno.EINVAL, "a device's name and " + words[i]);
            }
            try {
                token = Optional.of(UUID.fromString(words[i].substring(TOKEN.length())));
            } catch (IllegalArgumentException malformed) {
                throw new IommufdException(Errno.EINVAL, words[i] + " is no UUID", malformed);
            }
        }
        return token;
    }

    /** A file from {@link #openDevice} is closed. */
    public void closed(AdaptedDevice device) {
        Runnable told = () -> { };
        synchronized (group) {
            device.resets().lock().lock();
            try {
                device.close(false);
            } finally {
                device.resets().lock().unlock();
            }
            if (--openFiles == 0) {
                told = lastClosed;
            }
        }
        told.run();
        synchronized (group) {
            if (closed && openFiles == 0) {
                release();
            }
        }
    }

    @Override
    public List<BoundDevice> boundDevices() {
        return group.members().stream().flatMap(device -> device.binding().stream()).flatMap(binding -> binding.bound().stream()).toList();
    }

    @Override
    public int openDevices() {
        synchronized (group) {
            return openFiles;
        }
    }

    @Override
    public void onLastDeviceClosed(Runnable listener) {
        synchronized (group) {
            lastClosed = listener;
        }
    }

    @Override
    public Optional<Ioas> attached() {
        synchronized (group) {
            return attachment.map(Attachment::ioas);
        }
    }

    @Override
    public void close() {
        synchronized (group) {
            if (!closed) {
                closed = true;
                if (openFiles == 0) {
                    release();
                } else {
                    LOG.debug("group {} stays in use until {} device files are closed", group.number(), openFiles);
                }
            }
        }
    }

    private void release() {
        if (!released) {
            detachAll();
            released = true;
            group.released();
        }
    }
}
