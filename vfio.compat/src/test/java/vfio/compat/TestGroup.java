package vfio.compat;

import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.node.Caller;
import iommufd.api.node.OpenNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import vfio.device.VfioGroup;

/** A group of devices that do nothing but DMA, with the rules that the adapter's groups have. */
public final class TestGroup implements VfioGroup {
    private final int number;
    /** Empty: the device is software. */
    private final List<DmaEndpoint> endpoints;
    public final List<String> names;
    private TestClaim claimed;
    /** Fails the next attach, after it has bound everything. */
    public Optional<Errno> refusal = Optional.empty();

    public TestGroup(int number, List<String> names, List<DmaEndpoint> endpoints) {
        this.number = number;
        this.names = new ArrayList<>(names);
        this.endpoints = List.copyOf(endpoints);
    }

    @Override
    public int number() {
        return number;
    }

    @Override
    public List<String> devices() {
        return List.copyOf(names);
    }

    @Override
    public Claim claim() {
        if (claimed != null) {
            throw new IommufdException(Errno.EBUSY, "claimed");
        }
        claimed = new TestClaim();
        return claimed;
    }

    public boolean isClaimed() {
        return claimed != null;
    }

    private final class TestClaim implements Claim {
        private final List<BoundDevice> bound = new ArrayList<>();
        private Optional<Ioas> attached = Optional.empty();
        private Runnable listener = () -> { };
        private int open;
        private boolean closed;

        @Override
        public VfioGroup group() {
            return TestGroup.this;
        }

        @Override
        public void attach(IommufdContext context, Ioas ioas) {
            if (attached.isPresent()) {
                throw new IommufdException(Errno.EBUSY, "attached");
            }
            try {
                for (DmaEndpoint endpoint : endpoints) {
                    BoundDevice device = context.bind(endpoint);
                    bound.add(device);
                    device.attach(ioas);
                }
                if (refusal.isPresent()) {
                    Errno errno = refusal.get();
                    refusal = Optional.empty();
                    throw new IommufdException(errno, "as the test wants");
                }
            } catch (IommufdException refused) {
                unbind();
                throw refused;
            }
            attached = Optional.of(ioas);
        }

        private void unbind() {
            bound.forEach(BoundDevice::destroy);
            bound.clear();
        }

        @Override
        public void detach() {
            if (open > 0) {
                throw new IommufdException(Errno.EBUSY, "open");
            }
            attached = Optional.empty();
            unbind();
        }

        @Override
        public OpenNode openDevice(String name) {
            if (attached.isEmpty()) {
                throw new IommufdException(Errno.EINVAL, "not attached");
            }
            if (!names.contains(name)) {
                throw new IommufdException(name.contains("vf_token") ? Errno.EACCES : Errno.ENODEV, name);
            }
            open++;
            return new OpenNode() {
                @Override
                public long ioctl(Caller caller, int request, long argument) {
                    throw new IommufdException(Errno.ENOTTY, "a test's device");
                }

                @Override
                public void close() {
                    if (--open == 0) {
                        listener.run();
                        if (closed) {
                            end();
                        }
                    }
                }
            };
        }

        @Override
        public List<BoundDevice> boundDevices() {
            return List.copyOf(bound);
        }

        @Override
        public int openDevices() {
            return open;
        }

        @Override
        public void onLastDeviceClosed(Runnable told) {
            listener = told;
        }

        @Override
        public Optional<Ioas> attached() {
            return attached;
        }

        @Override
        public void close() {
            closed = true;
            if (open == 0) {
                end();
            }
        }

        private void end() {
            detach();
            claimed = null;
        }
    }
}
