package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import vfio.adapter.interrupt.Eventfd;
import vfio.adapter.interrupt.PciInterrupts;
import vfio.adapter.interrupt.SingleTrigger;
import vfio.adapter.uapi.VfioIrqInfo;
import vfio.adapter.uapi.VfioIrqSet;
import vfio.device.Interrupts.Mode;

/** {@code VFIO_DEVICE_GET_IRQ_INFO} and {@code VFIO_DEVICE_SET_IRQS}. */
final class InterruptRequests {
    private static final int NO_DATA = VfioIrqSet.VFIO_IRQ_SET_DATA_NONE;
    private static final int BYTES = VfioIrqSet.VFIO_IRQ_SET_DATA_BOOL;
    private static final int DESCRIPTORS = VfioIrqSet.VFIO_IRQ_SET_DATA_EVENTFD;
    private static final int DATA_MASK = VfioIrqSet.VFIO_IRQ_SET_DATA_TYPE_MASK;
    private static final int ACTION_MASK = VfioIrqSet.VFIO_IRQ_SET_ACTION_TYPE_MASK;

    private final DeviceCall call;
    private final PciInterrupts interrupts;
    private final int dataKind;
    private final int start;
    private final int count;
    private final MemorySegment data;

    private InterruptRequests(DeviceCall call, MemorySegment header, MemorySegment data) {
        this.call = call;
        this.interrupts = call.session().interrupts();
        this.dataKind = VfioIrqSet.flags(header) & DATA_MASK;
        this.start = VfioIrqSet.start(header);
        this.count = VfioIrqSet.count(header);
        this.data = data;
    }

    /** How many vectors there are of a kind. */
    private static int vectors(PciInterrupts interrupts, int index) {
        return switch (index) {
            case VfioIrqInfo.VFIO_PCI_INTX_IRQ_INDEX -> interrupts.count(Mode.INTX);
            case VfioIrqInfo.VFIO_PCI_MSI_IRQ_INDEX -> interrupts.count(Mode.MSI);
            case VfioIrqInfo.VFIO_PCI_MSIX_IRQ_INDEX -> interrupts.count(Mode.MSIX);
            case VfioIrqInfo.VFIO_PCI_ERR_IRQ_INDEX, VfioIrqInfo.VFIO_PCI_REQ_IRQ_INDEX -> 1;
            default -> 0;
        };
    }

    static void info(DeviceCall call) {
        MemorySegment struct = call.read(VfioIrqInfo.SIZE_BYTES, VfioIrqInfo.MIN_BYTES);
        int index = VfioIrqInfo.index(struct);
        if (Integer.compareUnsigned(index, VfioIrqInfo.VFIO_PCI_NUM_IRQS) >= 0) {
            throw new IommufdException(Errno.EINVAL, "there are no interrupts of kind " + Integer.toUnsignedString(index));
        }
        int more = switch (index) {
            case VfioIrqInfo.VFIO_PCI_INTX_IRQ_INDEX -> VfioIrqInfo.VFIO_IRQ_INFO_MASKABLE | VfioIrqInfo.VFIO_IRQ_INFO_AUTOMASKED;
            case VfioIrqInfo.VFIO_PCI_MSIX_IRQ_INDEX -> call.session().interrupts().count(Mode.MSIX) == 0 ? VfioIrqInfo.VFIO_IRQ_INFO_NORESIZE : 0;
            default -> VfioIrqInfo.VFIO_IRQ_INFO_NORESIZE;
        };
        VfioIrqInfo.flags(struct, VfioIrqInfo.VFIO_IRQ_INFO_EVENTFD | more);
        VfioIrqInfo.count(struct, vectors(call.session().interrupts(), index));
        call.respond(struct, VfioIrqInfo.SIZE_BYTES);
    }

    static void set(DeviceCall call) {
        MemorySegment header = call.read(VfioIrqSet.SIZE_BYTES, VfioIrqSet.MIN_BYTES);
        int flags = VfioIrqSet.flags(header);
        int index = VfioIrqSet.index(header);
        long start = Integer.toUnsignedLong(VfioIrqSet.start(header));
        long count = Integer.toUnsignedLong(VfioIrqSet.count(header));
        int vectors = vectors(call.session().interrupts(), index);
        boolean known = Integer.compareUnsigned(index, VfioIrqInfo.VFIO_PCI_NUM_IRQS) < 0 && (flags & ~(DATA_MASK | ACTION_MASK)) == 0;
        if (!known || start >= vectors || start + count > vectors) {
            throw new IommufdException(Errno.EINVAL, "kind %d has %d vectors, not %d + %d; or flags 0x%x".formatted(index, vectors, start, count, flags));
        }
        long dataBytes = count * switch (flags & DATA_MASK) {
            case NO_DATA -> 0;
            case BYTES -> Byte.BYTES;
            case DESCRIPTORS -> Integer.BYTES;
            default -> throw new IommufdException(Errno.EINVAL, "flags 0x%x name no kind of data, or several".formatted(flags));
        };
        if (DeviceCall.userBytes(header) - VfioIrqSet.MIN_BYTES < dataBytes) {
            throw new IommufdException(Errno.EINVAL, "%d bytes of data are missing".formatted(dataBytes));
        }
        MemorySegment data = MemorySegment.ofArray(new byte[(int) dataBytes]);
        if (dataBytes > 0) {
            call.memory().read(call.address() + VfioIrqSet.SIZE_BYTES, data);
        }
        new InterruptRequests(call, header, data).apply(index, flags & ACTION_MASK);
    }

    private void apply(int index, int action) {
        boolean trigger = action == VfioIrqSet.VFIO_IRQ_SET_ACTION_TRIGGER;
        if (index == VfioIrqInfo.VFIO_PCI_INTX_IRQ_INDEX && !trigger && action != 0) {
            maskLine(action);
        } else if (!trigger) {
            throw new IommufdException(Errno.ENOTTY, "interrupts of kind %d know no action 0x%x".formatted(index, action));
        } else {
            switch (index) {
                case VfioIrqInfo.VFIO_PCI_INTX_IRQ_INDEX -> triggerLine();
                case VfioIrqInfo.VFIO_PCI_MSI_IRQ_INDEX -> triggerMessages(Mode.MSI);
                case VfioIrqInfo.VFIO_PCI_MSIX_IRQ_INDEX -> triggerMessages(Mode.MSIX);
                case VfioIrqInfo.VFIO_PCI_ERR_IRQ_INDEX -> triggerSingle(interrupts.errorTrigger());
                default -> triggerSingle(interrupts.requestTrigger());
            }
        }
    }

    private int descriptor(int position) {
        return data.get(ValueLayout.JAVA_INT_UNALIGNED, (long) position * Integer.BYTES);
    }

    /** Whether the data say that vector is meant. */
    private boolean meant(int position) {
        return dataKind == NO_DATA || data.get(ValueLayout.JAVA_BYTE, position) != 0;
    }

    private static IommufdException refused(String what) {
        return new IommufdException(Errno.EINVAL, what);
    }

    private void maskLine(int action) {
        boolean mask = action == VfioIrqSet.VFIO_IRQ_SET_ACTION_MASK;
        if (!mask && action != VfioIrqSet.VFIO_IRQ_SET_ACTION_UNMASK) {
            throw new IommufdException(Errno.ENOTTY, "several actions at once: 0x%x".formatted(action));
        }
        if (interrupts.mode() != Mode.INTX || count != 1) {
            throw refused("INTx is not enabled");
        }
        if (dataKind == DESCRIPTORS) {
            if (mask) {
                throw new IommufdException(Errno.ENOTTY, "no eventfd masks the line");
            }
            interrupts.unmaskLineBy(Eventfd.take(call.caller(), descriptor(0)));
        } else if (meant(0)) {
            if (mask) {
                interrupts.maskLine();
            } else {
                interrupts.unmaskLine();
            }
        }
    }

    private void triggerLine() {
        if (interrupts.mode() == Mode.INTX && count == 0 && dataKind == NO_DATA) {
            interrupts.disable();
            return;
        }
        if (!interrupts.isFreeFor(Mode.INTX) || count != 1) {
            throw refused("another mode is enabled than INTx, or not one vector is meant");
        }
        if (dataKind == DESCRIPTORS) {
            interrupts.enableLine(Eventfd.take(call.caller(), descriptor(0)));
        } else if (interrupts.mode() != Mode.INTX) {
            throw refused("INTx is not enabled");
        } else if (meant(0)) {
            interrupts.simulateLine();
        }
    }

    private void triggerMessages(Mode mode) {
        if (interrupts.mode() == mode && count == 0 && dataKind == NO_DATA) {
            interrupts.disable();
            return;
        }
        if (!interrupts.isFreeFor(mode)) {
            throw refused("another mode is enabled than " + mode);
        }
        if (dataKind == DESCRIPTORS) {
            setMessages(mode);
            return;
        }
        if (interrupts.mode() != mode) {
            throw refused(mode + " is not enabled");
        }
        for (int i = 0; i < count; i++) {
            if (meant(i)) {
                interrupts.simulateMessage(start + i);
            }
        }
    }

    /** All eventfds of the client, or none of them. */
    private void setMessages(Mode mode) {
        if (interrupts.mode() == Mode.NONE && start + count == 0) {
            throw new IommufdException(Errno.ERANGE, mode + " cannot be enabled with no vectors");
        }
        Eventfd[] taken = new Eventfd[count];
        Arrays.fill(taken, Eventfd.NONE);
        try {
            for (int i = 0; i < count; i++) {
                taken[i] = Eventfd.take(call.caller(), descriptor(i));
            }
        } catch (IommufdException refused) {
            for (Eventfd eventfd : taken) {
                eventfd.close();
            }
            if (interrupts.mode() == mode) {
                interrupts.clear(start, start + count);
            }
            throw refused;
        }
        interrupts.setMessages(mode, start, taken);
    }

    private void triggerSingle(SingleTrigger trigger) {
        if (dataKind == DESCRIPTORS) {
            if (count == 0 || descriptor(0) < Eventfd.NO_DESCRIPTOR) {
                throw refused("no eventfd");
            }
            trigger.set(Eventfd.take(call.caller(), descriptor(0)));
        } else if (dataKind == NO_DATA && !trigger.present() || dataKind == BYTES && count == 0) {
            throw refused("nobody is to be told");
        } else if (count == 0) {
            trigger.set(Eventfd.NONE);
        } else if (meant(0)) {
            trigger.signal();
        }
    }
}
