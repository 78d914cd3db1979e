package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.node.IoctlDecoder;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;
import java.util.TreeMap;
import vfio.adapter.uapi.VfioDeviceAttachIommufdPt;
import vfio.adapter.uapi.VfioDeviceBindIommufd;
import vfio.adapter.uapi.VfioDeviceDetachIommufdPt;
import vfio.adapter.uapi.VfioDeviceFeature;
import vfio.adapter.uapi.VfioDeviceInfo;
import vfio.adapter.uapi.VfioDeviceIoeventfd;
import vfio.adapter.uapi.VfioIrqInfo;
import vfio.adapter.uapi.VfioIrqSet;
import vfio.adapter.uapi.VfioPciHotReset;
import vfio.adapter.uapi.VfioPciHotResetInfo;
import vfio.adapter.uapi.VfioRegionInfo;

/**
 * Requests of a device in words, such as {@code VFIO_DEVICE_GET_IRQ_INFO {argsz=16, index=2} => {flags=0x1, count=9} = 0}. What a struct
 * holds is read off its class: the names of its offsets are those of its fields.
 */
final class DeviceDecoder implements IoctlDecoder {
    static final DeviceDecoder INSTANCE = new DeviceDecoder();
    private static final String OFFSET = "_OFFSET";

    private final Map<Integer, Struct> structs = new TreeMap<>();

    private record Member(String name, int offset, int widthBytes) {
        long value(MemorySegment struct) {
            return widthBytes == Long.BYTES ? struct.get(ValueLayout.JAVA_LONG_UNALIGNED, offset)
                    : Integer.toUnsignedLong(struct.get(ValueLayout.JAVA_INT_UNALIGNED, offset));
        }

        String text(MemorySegment struct) {
            long value = value(struct);
            boolean number = name.equals("argsz") || name.equals("index") || name.equals("start") || name.startsWith("num_") || name.endsWith("count") || name.endsWith("id");
            boolean descriptor = name.endsWith("fd");
            return name + "=" + (descriptor ? Integer.toString((int) value) : number ? Long.toString(value) : "0x" + Long.toHexString(value));
        }
    }

    private record Struct(String request, int sizeBytes, List<Member> members) {
        Optional<MemorySegment> read(Caller caller, long address) {
            MemorySegment bytes = MemorySegment.ofArray(new byte[sizeBytes]);
            try {
                caller.memory().read(address, bytes.asSlice(0, Integer.BYTES));
                int known = Math.clamp(Integer.toUnsignedLong(bytes.get(ValueLayout.JAVA_INT_UNALIGNED, 0)), Integer.BYTES, sizeBytes);
                caller.memory().read(address, bytes.asSlice(0, known));
                return Optional.of(bytes);
            } catch (IommufdException unreadable) {
                return Optional.empty();
            }
        }
    }

    private DeviceDecoder() {
        for (Class<?> struct : List.of(VfioDeviceInfo.class, VfioRegionInfo.class, VfioIrqInfo.class, VfioIrqSet.class, VfioPciHotResetInfo.class,
                VfioPciHotReset.class, VfioDeviceIoeventfd.class, VfioDeviceFeature.class, VfioDeviceBindIommufd.class, VfioDeviceAttachIommufdPt.class,
                VfioDeviceDetachIommufdPt.class)) {
            add(struct);
        }
        structs.put(DeviceRequests.VFIO_DEVICE_RESET, new Struct("VFIO_DEVICE_RESET", 0, List.of()));
    }

    private void add(Class<?> struct) {
        try {
            int sizeBytes = struct.getField("SIZE_BYTES").getInt(null);
            List<Member> members = new ArrayList<>();
            String request = "";
            int number = 0;
            for (Field field : struct.getFields()) {
                if (field.getName().endsWith(OFFSET)) {
                    String name = field.getName().substring(0, field.getName().length() - OFFSET.length()).toLowerCase(Locale.ROOT);
                    members.add(new Member(name, field.getInt(null), width(struct, name)));
                } else if (field.getType() == int.class && field.getInt(null) >>> 8 == ';') {
                    request = field.getName();
                    number = field.getInt(null);
                }
            }
            members.sort(Comparator.comparingInt(Member::offset));
            structs.put(number, new Struct(request, sizeBytes, List.copyOf(members)));
        } catch (ReflectiveOperationException impossible) {
            throw new AssertionError(impossible);
        }
    }

    private static int width(Class<?> struct, String name) throws NoSuchMethodException {
        StringBuilder getter = new StringBuilder();
        for (String word : name.split("_")) {
            getter.append(getter.isEmpty() ? word : word.substring(0, 1).toUpperCase(Locale.ROOT) + word.substring(1));
        }
        return struct.getMethod(getter.toString(), MemorySegment.class).getReturnType() == long.class ? Long.BYTES : Integer.BYTES;
    }

    @Override
    public Call begin(Caller caller, int request, long argument) {
        Struct struct = structs.get(request);
        if (struct == null) {
            return IoctlDecoder.NONE.begin(caller, request, argument);
        }
        Optional<MemorySegment> before = struct.sizeBytes == 0 ? Optional.empty() : struct.read(caller, argument);
        return result -> text(struct, before, struct.sizeBytes == 0 ? Optional.empty() : struct.read(caller, argument), result);
    }

    private static String text(Struct struct, Optional<MemorySegment> before, Optional<MemorySegment> after, long result) {
        StringBuilder text = new StringBuilder(struct.request);
        if (before.isPresent()) {
            StringJoiner passed = new StringJoiner(", ", " {", "}");
            StringJoiner answered = new StringJoiner(", ", " => {", "}").setEmptyValue("");
            for (Member member : struct.members) {
                if (member.value(before.get()) != 0) {
                    passed.add(member.text(before.get()));
                }
                if (after.isPresent() && member.value(before.get()) != member.value(after.get())) {
                    answered.add(member.text(after.get()));
                }
            }
            text.append(passed).append(answered);
        }
        return text.append(" = ").append(result < 0 ? "-1 " + Errno.text((int) -result) : Long.toString(result)).toString();
    }
}
