package iommufd.core.node;

import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.PinAccounting;
import iommufd.api.uapi.IommuDestroy;
import iommufd.api.uapi.IommuIoasChangeProcess;
import iommufd.api.uapi.IommuOption;
import iommufd.api.uapi.IommuVfioIoas;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** Requests about a context as a whole ({@code main.c}, {@code ioas.c}, {@code vfio_compat.c}). */
final class ContextRequests {
    private ContextRequests() {}

    static void destroy(IoctlCall call) {
        call.file().client().destroy(IommuDestroy.id(call.struct()));
    }

    static void option(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuOption.reserved(struct));
        switch (IommuOption.optionId(struct)) {
            case IommuOption.IOMMU_OPTION_RLIMIT_MODE -> rlimitMode(call);
            case IommuOption.IOMMU_OPTION_HUGE_PAGES -> hugePages(call);
            default -> throw unknown("option", IommuOption.optionId(struct));
        }
        call.memory().write(call.address() + IommuOption.VAL64_OFFSET, struct.asSlice(IommuOption.VAL64_OFFSET, Long.BYTES));
    }

    private static void rlimitMode(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuOption.objectId(struct));
        switch (IommuOption.op(struct)) {
            case IommuOption.IOMMU_OPTION_OP_GET ->
                IommuOption.val64(struct, call.file().context().pinAccounting() == PinAccounting.PROCESS ? 1 : 0);
            case IommuOption.IOMMU_OPTION_OP_SET -> {
                if (!call.caller().owner().sysResource()) {
                    throw new IommufdException(Errno.EPERM, "changing who is charged for pinned memory needs CAP_SYS_RESOURCE");
                }
                call.file().setPinAccounting(accounting(IommuOption.val64(struct)));
            }
            default -> throw unknown("operation", IommuOption.op(struct));
        }
    }

    private static Optional<PinAccounting> accounting(long mode) {
        return mode == 0 ? Optional.of(PinAccounting.USER) : mode == 1 ? Optional.of(PinAccounting.PROCESS) : Optional.empty();
    }

    private static void hugePages(IoctlCall call) {
        MemorySegment struct = call.struct();
        Ioas ioas = call.object(IommuOption.objectId(struct), Ioas.class);
        switch (IommuOption.op(struct)) {
            case IommuOption.IOMMU_OPTION_OP_GET -> IommuOption.val64(struct, ioas.hugePages() ? 1 : 0);
            case IommuOption.IOMMU_OPTION_OP_SET -> {
                long value = IommuOption.val64(struct);
                if (value != 0 && value != 1) {
                    throw new IommufdException(Errno.EINVAL, "huge pages are forbidden by 0 and allowed by 1");
                }
                ioas.setHugePages(value == 1);
            }
            default -> throw unknown("operation", IommuOption.op(struct));
        }
    }

    static void vfioIoas(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuVfioIoas.reserved(struct));
        IommufdContext context = call.file().context();
        switch (IommuVfioIoas.op(struct)) {
            case IommuVfioIoas.IOMMU_VFIO_IOAS_GET -> {
                Ioas ioas = context.vfioIoas().orElseThrow(() -> new IommufdException(Errno.ENODEV, "no IOAS stands for a VFIO container"));
                IommuVfioIoas.ioasId(struct, ioas.id());
                call.respond();
            }
            case IommuVfioIoas.IOMMU_VFIO_IOAS_SET -> context.setVfioIoas(Optional.of(call.object(IommuVfioIoas.ioasId(struct), Ioas.class)));
            case IommuVfioIoas.IOMMU_VFIO_IOAS_CLEAR -> context.setVfioIoas(Optional.empty());
            default -> throw unknown("operation", IommuVfioIoas.op(struct));
        }
    }

    static void changeProcess(IoctlCall call) {
        IoctlCall.requireZero(IommuIoasChangeProcess.reserved(call.struct()));
        ContextOwner next = call.caller().owner();
        call.file().client().chargeFor(next, call.caller().lockedMemoryLimit());   // known with its limit before it is charged
        call.file().context().changeProcess(next);
    }

    private static IommufdException unknown(String what, int number) {
        return new IommufdException(Errno.EOPNOTSUPP, "%s %d is not known".formatted(what, number));
    }
}
