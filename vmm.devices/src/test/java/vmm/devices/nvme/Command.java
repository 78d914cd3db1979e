package vmm.devices.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A submission queue entry as a driver writes it: 16 words, built up by whoever sends it. */
final class Command {
    final int[] words = new int[16];

    private Command(int opcode, int namespaceId) {
        words[0] = opcode;
        words[1] = namespaceId;
    }

    static Command of(int opcode, int namespaceId) {
        return new Command(opcode, namespaceId);
    }

    static Command read(int namespaceId, long block, int blocks, long prp1) {
        return of(2, namespaceId).blocks(block, blocks).prp(prp1, 0);
    }

    static Command write(int namespaceId, long block, int blocks, long prp1) {
        return of(1, namespaceId).blocks(block, blocks).prp(prp1, 0);
    }

    Command id(int id) {
        words[0] = words[0] & 0xffff | id << 16;
        return this;
    }

    Command flags(int flags) {
        words[0] |= flags << 8;
        return this;
    }

    Command prp(long prp1, long prp2) {
        return wide(6, prp1).wide(8, prp2);
    }

    /** The 16 bytes of an SGL descriptor in the place of the PRPs. */
    Command sgl(long address, int lengthBytes, int type) {
        flags(1 << 6);
        wide(6, address);
        words[8] = lengthBytes;
        words[9] = type << 24;
        return this;
    }

    Command blocks(long start, int count) {
        return wide(10, start).word(12, count - 1);
    }

    Command word(int number, int value) {
        words[number] = value;
        return this;
    }

    Command or(int number, int bits) {
        words[number] |= bits;
        return this;
    }

    Command wide(int number, long value) {
        words[number] = (int) value;
        words[number + 1] = (int) (value >>> 32);
        return this;
    }

    void write(MemorySegment target, long at) {
        MemorySegment.copy(words, 0, target, ValueLayout.JAVA_INT_UNALIGNED, at, words.length);
    }
}
