package iommufd.core.node;

import iommufd.api.ContextOwner;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.PinAccounting;
import iommufd.api.Viommu;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.node.IoctlDecoder;
import iommufd.api.uapi.IoctlExtension;
import iommufd.api.uapi.IoctlText;
import iommufd.api.uapi.IommufdFile;
import iommufd.core.object.ClientContext;
import iommufd.core.space.PinCharge;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/** An open {@code /dev/iommu}: one context, closed when file and holds are gone. Thread-safe. */
final class OpenIommu implements IommufdFile {
    private final ClientContext client;
    private final Extensions extensions;
    private final Optional<PinLedger> ledger;
    private final Sessions sessions = new Sessions(this);
    private final AtomicReference<IoctlCall> spareCall = new AtomicReference<>();
    /** The file itself, and every hold. */
    private final AtomicInteger holds = new AtomicInteger(1);
    private final AtomicBoolean closed = new AtomicBoolean();
    /** Who mapped last; asking the system each time would cost more than the mapping. */
    private volatile Payer payer = new Payer(null, null, PinCharge.NONE);

    private record Payer(UserMemory memory, ContextOwner owner, PinCharge charge) {}

    OpenIommu(ClientContext client, Extensions extensions, Optional<PinLedger> ledger) {
        this.client = client;
        this.extensions = extensions;
        this.ledger = ledger;
    }

    @Override
    public IommufdContext context() {
        return client.context();
    }

    ClientContext client() {
        return client;
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) throws InterruptedException {
        if (!IoctlTable.covers(request)) {
            return extended(caller, request, argument);
        }
        IoctlRow row = IoctlTable.row(request);
        if (row == null) {
            caller.memory().read(argument, MemorySegment.ofArray(new byte[Integer.BYTES]));   // Linux reads the size first
            throw unknown(request);
        }
        IoctlCall spare = spareCall.getAndSet(null);
        IoctlCall call = spare == null ? new IoctlCall(this) : spare;
        try {
            call.read(caller, argument, row);
            row.handler().run(call);
            return 0;
        } finally {
            call.end();
            spareCall.lazySet(call);
        }
    }

    @Override
    public IoctlDecoder decoder() {
        return IoctlText.DECODER;
    }

    private long extended(Caller caller, int request, long argument) throws InterruptedException {
        Optional<IoctlExtension> extension = extensions.serving(request);
        if (extension.isPresent()) {
            return sessions.of(extension.get()).ioctl(caller, request, argument);
        }
        return VfioRequests.serve(this, caller, request, argument).orElseThrow(() -> unknown(request));
    }

    private static IommufdException unknown(int request) {
        return new IommufdException(Errno.ENOTTY, "request 0x%x is not known to /dev/iommu".formatted(request));
    }

    /** An extension goes: its part of this file ends. */
    void end(IoctlExtension extension) {
        sessions.end(extension);
    }

    /** Maps, and charges the caller. @return where */
    long map(Caller caller, Ioas ioas, boolean fixed, long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access) {
        Payer known = payer;
        UserMemory identity = caller.memory().mappable();
        boolean fresh = known.memory() != identity;
        if (fresh) {
            known = payer(identity, caller, caller.owner());
        }
        try {
            return client.map(ioas, !fixed, iova, memory, address, lengthBytes, access, known.charge());
        } catch (IommufdException refused) {
            if (fresh || refused.errno() != Errno.ENOMEM) {
                throw refused;
            }
            ContextOwner now = caller.owner();
            if (now.equals(known.owner())) {
                throw refused;
            }
            return client.map(ioas, !fixed, iova, memory, address, lengthBytes, access, payer(identity, caller, now).charge());   // it has other rights now
        }
    }

    private Payer payer(UserMemory memory, Caller caller, ContextOwner owner) {
        Payer next = new Payer(memory, owner, client.chargeFor(owner, caller.lockedMemoryLimit()));
        payer = next;
        return next;
    }

    /** @param accounting empty if the client named none there is */
    void setPinAccounting(Optional<PinAccounting> accounting) {
        client.setPinAccounting(accounting);
        payer = new Payer(null, null, PinCharge.NONE);
    }

    /** The memory to map: pins of it are counted if somebody wants to know. */
    UserMemory countedOrPlain(UserMemory memory) {
        return ledger.isPresent() ? ledger.get().counted(memory) : memory;
    }

    @Override
    public long pins(long physicalAddress) {
        return ledger.map(counts -> counts.pins(physicalAddress)).orElse(0L);
    }

    @Override
    public Hold hold() {
        int present;
        do {
            present = holds.get();
            if (present == 0) {
                throw new IommufdException(Errno.EBADF, "the context is closed");
            }
        } while (!holds.compareAndSet(present, present + 1));
        AtomicBoolean ended = new AtomicBoolean();
        return () -> {
            if (!ended.getAndSet(true)) {
                letGo();
            }
        };
    }

    private void letGo() {
        if (holds.decrementAndGet() == 0) {
            context().close();
            extensions.forget(this);
        }
    }

    /** As a character device that knows nothing of poll(2). */
    @Override
    public int poll() {
        return READABLE | WRITABLE;
    }

    @Override
    public void close() {
        if (!closed.getAndSet(true)) {
            sessions.endAll();
            letGo();
        }
    }

    @Override
    public int add(ExtensionObject object) {
        return client.add(object);
    }

    @Override
    public Optional<ExtensionObject> extensionObject(int id) {
        return client.extensionObject(id);
    }

    @Override
    public void remove(int id) {
        client.remove(id);
    }

    @Override
    public void reserve(Ioas ioas, IovaRange range) {
        client.reserve(ioas, range);
    }

    @Override
    public HardwareDomain hardwareDomain(Hwpt hwpt) {
        return client.hardwareDomain(hwpt);
    }

    @Override
    public HardwareViommu hardwareViommu(Viommu viommu) {
        return client.hardwareViommu(viommu);
    }
}
