package vfio.adapter.config;

/** Bytes of a configuration space with the rights to change them. Not thread-safe. */
final class ConfigBytes {
    private final byte[] value;
    private final byte[] writable;
    private final byte[] clearOnOne;

    ConfigBytes(int lengthBytes) {
        value = new byte[lengthBytes];
        writable = new byte[lengthBytes];
        clearOnOne = new byte[lengthBytes];
    }

    int lengthBytes() {
        return value.length;
    }

    void set(int offset, int widthBytes, long content) {
        put(value, offset, widthBytes, content);
    }

    void writable(int offset, int widthBytes, long mask) {
        put(writable, offset, widthBytes, mask);
    }

    void clearOnOne(int offset, int widthBytes, long mask) {
        put(clearOnOne, offset, widthBytes, mask);
    }

    int get(int offset, int widthBytes) {
        int content = 0;
        for (int i = 0; i < widthBytes; i++) {
            content |= Byte.toUnsignedInt(value[offset + i]) << i * Byte.SIZE;
        }
        return content;
    }

    /** What software's write does. */
    void write(int offset, int widthBytes, int content) {
        for (int i = 0; i < widthBytes; i++) {
            int written = content >>> i * Byte.SIZE;
            int old = value[offset + i];
            int mask = writable[offset + i];
            value[offset + i] = (byte) ((old & ~mask | written & mask) & ~(written & clearOnOne[offset + i]));
        }
    }

    byte[] copy() {
        return value.clone();
    }

    private static void put(byte[] bytes, int offset, int widthBytes, long content) {
        for (int i = 0; i < widthBytes; i++) {
            bytes[offset + i] = (byte) (content >>> i * Byte.SIZE);
        }
    }
}
