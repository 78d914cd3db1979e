package iommufd.core.node;

import static iommufd.api.Errno.E2BIG;
import static iommufd.api.Errno.EADDRINUSE;
import static iommufd.api.Errno.EBADF;
import static iommufd.api.Errno.EBUSY;
import static iommufd.api.Errno.EDEADLOCK;
import static iommufd.api.Errno.EEXIST;
import static iommufd.api.Errno.EFAULT;
import static iommufd.api.Errno.EINVAL;
import static iommufd.api.Errno.EMFILE;
import static iommufd.api.Errno.EMSGSIZE;
import static iommufd.api.Errno.ENODEV;
import static iommufd.api.Errno.ENOENT;
import static iommufd.api.Errno.ENOMEM;
import static iommufd.api.Errno.ENOSPC;
import static iommufd.api.Errno.ENOTTY;
import static iommufd.api.Errno.EOPNOTSUPP;
import static iommufd.api.Errno.EOVERFLOW;
import static iommufd.api.Errno.EPERM;
import static iommufd.api.Errno.ERANGE;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.IommufdObject;
import iommufd.api.uapi.IommufdFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/** A program that makes requests nobody would make, and sees whether only errnos come that are documented for them. */
final class RandomClient {
    private static final Map<Integer, Set<Errno>> DOCUMENTED = new HashMap<>();

    static {
        for (int number = 0x80; number <= 0x95; number++) {
            DOCUMENTED.put(number, EnumSet.of(EFAULT, EINVAL, E2BIG, EOPNOTSUPP, ENOENT));
        }
        documented(0x80, EBUSY);
        documented(0x82, EADDRINUSE);
        documented(0x83, EOVERFLOW, EEXIST, ENOSPC, EPERM, ENOMEM);
        documented(0x84, EMSGSIZE);
        documented(0x85, EOVERFLOW, EEXIST, ENOSPC, ENOMEM);
        documented(0x86, EOVERFLOW, EBUSY, EDEADLOCK);
        documented(0x87, EPERM, EBUSY, EADDRINUSE);
        documented(0x88, ENODEV);
        documented(0x89, EADDRINUSE, ENOMEM);
        documented(0x8C, EOVERFLOW);
        documented(0x8E, EMFILE);
        documented(0x8F, EOVERFLOW, EEXIST, ENOSPC, ENOMEM, EBADF, ENODEV);
        documented(0x91, EEXIST);
        documented(0x93, EEXIST, EMFILE);
        documented(0x94, EPERM, EOVERFLOW, EEXIST, ERANGE, ENOMEM);
        documented(0x92, ENOMEM);
        documented(0x95, EPERM, EOVERFLOW);
    }

    private static void documented(int number, Errno... more) {
        DOCUMENTED.get(number).addAll(List.of(more));
    }

    private final IommufdFile file;
    private final MemoryCaller caller;
    private final List<BoundDevice> devices;
    private final Random random;
    /** Where it builds its structs. */
    private final long struct;

    RandomClient(IommufdFile file, MemoryCaller caller, List<BoundDevice> devices, long seed, long struct) {
        this.file = file;
        this.caller = caller;
        this.devices = devices;
        this.random = new Random(seed);
        this.struct = struct;
        caller.openFile(caller.content());
        caller.openFile(null);
        caller.hole(Client.ARRAY + 0x5000);
        caller.hole(Client.BUFFER + 0x9000);
        caller.protect(Client.BUFFER + 0xC000);
        caller.owner = new ContextOwner(77, 1000, 200 * 4096, true, true);
    }

    private long raw(int request, long argument) {
        return Client.raw(file, caller, request, argument);
    }

    /** @return whether it was granted */
    boolean step() {
        int kind = random.nextInt(200);
        if (kind == 0) {
            disturb();
        }
        if (kind < 4) {
            attachSomething();
        }
        int number = random.nextInt(50) == 0 ? random.nextInt(256) : 0x80 + random.nextInt(0x16);
        long address = fill(number);
        long result = raw(0x3B00 | number, address);
        if (result < 0) {
            String refusal = Client.name(result);
            Set<Errno> documented = DOCUMENTED.getOrDefault(number, EnumSet.of(ENOTTY, EFAULT, EINVAL, ENODEV, ENOMEM, EEXIST, EOVERFLOW, ENOENT, EBUSY, EDEADLOCK, EADDRINUSE));
            assertThat(documented.stream().map(Errno::name)).as("request 0x%x", number).contains(refusal);
        }
        return result >= 0;
    }

    /** Closes files, changes who may open how many. */
    private void disturb() {
        caller.closeAll();
        caller.mayOpen = random.nextInt(20);
        if (random.nextInt(4) == 0) {
            for (int id = 1; id < 64; id++) {
                caller.at(struct, 8).set(ValueLayout.JAVA_INT_UNALIGNED, 0, 8);
                caller.at(struct, 8).set(ValueLayout.JAVA_INT_UNALIGNED, 4, id);
                raw(0x3B80, struct);
            }
        }
    }

    /** What a driver does, not a caller. */
    private void attachSomething() {
        try {
            IommufdObject object = file.context().object(1 + random.nextInt(24));
            BoundDevice device = devices.get(random.nextInt(devices.size()));
            switch (object) {
                case Ioas ioas when device.attached().isEmpty() -> device.attach(ioas);
                case Hwpt hwpt when device.attached().isEmpty() -> device.attach(hwpt);
                case Ioas ioas -> device.replace(ioas);
                default -> device.detach();
            }
        } catch (IommufdException refused) {
            assertThat(refused.errno()).isIn(ENOENT, EINVAL, EADDRINUSE, ENOMEM, EFAULT, EBUSY);
        }
    }

    /** A struct that is malformed, but not in every field. @return where */
    private long fill(int number) {
        IoctlRow row = IoctlTable.covers(number) ? IoctlTable.row(0x3B00 | number) : new IoctlRow(0, 16, 8, call -> { });
        boolean odd = random.nextInt(20) == 0;
        long address = odd ? pointer() : struct + random.nextInt(3) * 4L;
        if (address < MemoryCaller.BASE || address >= MemoryCaller.BASE + caller.lengthBytes() - 128) {
            return address;
        }
        MemorySegment fields = caller.at(address, 128);
        fields.fill((byte) 0);
        sound(number, fields);
        if (random.nextInt(3) == 0) {
            for (int spoiled = random.nextInt(3); spoiled >= 0; spoiled--) {
                fields.set(ValueLayout.JAVA_INT_UNALIGNED, 4 + 4L * random.nextInt(row.sizeBytes() / 4 - 1), word());
            }
            if (row.sizeBytes() > 24) {
                fields.set(ValueLayout.JAVA_LONG_UNALIGNED, 16 + 8L * random.nextInt(row.sizeBytes() / 8 - 2), longWord());
            }
        }
        int size = random.nextInt(20) == 0 ? random.nextInt(80) : row.sizeBytes();
        fields.set(ValueLayout.JAVA_INT_UNALIGNED, 0, random.nextInt(200) == 0 ? word() : size);
        return address;
    }

    /** What a program would ask for, if the numbers happen to be those of the right objects. */
    private void sound(int number, MemorySegment struct) {
        switch (number) {
            case 0x80, 0x92, 0x81, 0x8E -> words(struct, number == 0x80 ? object() : 0);
            case 0x82, 0x84 -> {
                words(struct, object(), random.nextInt(4), 0);
                longs(struct, Client.ARRAY);
            }
            case 0x83 -> {
                words(struct, random.nextInt(8), object(), object());
                longs(struct, length(), iova(), iova());
            }
            case 0x85 -> {
                words(struct, random.nextInt(8), object(), 0);
                longs(struct, pointer(), length(), iova());
            }
            case 0x86 -> {
                words(struct, object());
                struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, random.nextInt(20) == 0 ? 0 : iova());
                longs(struct, random.nextInt(20) == 0 ? -1L : length());
            }
            case 0x87 -> words(struct, random.nextInt(3), random.nextInt(2), object(), random.nextInt(2));
            case 0x88 -> words(struct, object(), random.nextInt(3));
            case 0x89 -> {
                boolean nested = random.nextInt(3) == 0;
                words(struct, 1 << random.nextInt(5) & 15, 1 + random.nextInt(3), object(), 0, 0, nested ? 1 : 0, nested ? 8 : 0);
                struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 32, Client.ARRAY);
                struct.set(ValueLayout.JAVA_INT_UNALIGNED, 40, object());
            }
            case 0x8A -> {
                words(struct, random.nextInt(2), 1 + random.nextInt(3), random.nextInt(64));
                longs(struct, Client.ARRAY);
            }
            case 0x8B -> words(struct, random.nextInt(2), object());
            case 0x8C -> {
                words(struct, object(), random.nextInt(2), 0);
                longs(struct, iova(), length(), 4096L, pointer());
            }
            case 0x8D -> {
                words(struct, object(), 0, 0, 0, 16, random.nextInt(8), 0);
                struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, pointer());
            }
            case 0x8F -> {
                words(struct, random.nextInt(8), object(), 10 + random.nextInt(3));
                longs(struct, iova(), length(), iova());
            }
            case 0x90 -> words(struct, 0, 1, 1 + random.nextInt(3), object());
            case 0x91 -> {
                words(struct, object(), 1 + random.nextInt(3));
                longs(struct, random.nextInt(4));
            }
            case 0x93 -> words(struct, 0, object(), 1 + random.nextInt(2), 4);
            case 0x94 -> {
                words(struct, 0, object(), 1, random.nextInt(5));
                longs(struct, 0, iova(), length());
            }
            default -> {
                words(struct, 0, object(), 0);
                longs(struct, iova(), length());
            }
        }
    }

    private static void words(MemorySegment struct, int... words) {
        for (int i = 0; i < words.length; i++) {
            struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4 + 4L * i, words[i]);
        }
    }

    private static void longs(MemorySegment struct, long... words) {
        for (int i = 0; i < words.length; i++) {
            struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 16 + 8L * i, words[i]);
        }
    }

    private int object() {
        return 1 + random.nextInt(24);
    }

    private long iova() {
        return 4096L * random.nextInt(64);
    }

    private long length() {
        return 4096L * (1 + random.nextInt(6));
    }

    private int word() {
        return switch (random.nextInt(10)) {
            case 0 -> 0;
            case 1 -> random.nextInt();
            case 2 -> -1;
            case 3, 4 -> random.nextInt(8);
            case 5 -> 1 << random.nextInt(32);
            case 6 -> 16;
            default -> 1 + random.nextInt(16);
        };
    }

    private long longWord() {
        return switch (random.nextInt(10)) {
            case 0 -> 0;
            case 1 -> random.nextLong();
            case 2 -> -1 - random.nextInt(3) * 2048L;
            case 3, 4 -> 4096L * random.nextInt(64);
            case 5 -> 1L << random.nextInt(64);
            case 6 -> 4096L << random.nextInt(6);
            default -> pointer();
        };
    }

    private long pointer() {
        return switch (random.nextInt(5)) {
            case 0 -> random.nextInt(4096);
            case 1 -> random.nextLong();
            case 2 -> Client.ARRAY + random.nextInt(0x8000);
            default -> Client.BUFFER + 4096L * random.nextInt(256);
        };
    }
}
