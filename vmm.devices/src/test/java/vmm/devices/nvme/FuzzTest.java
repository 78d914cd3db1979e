package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.nio.file.Path;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Random registers, doorbells and queue contents: nothing is thrown, and a fresh enable works afterwards. */
class FuzzTest {
    private static final int ROUNDS = 3_000;
    private static final int[] REGISTERS = {0, 4, 8, 0xc, 0x10, 0x14, 0x14, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38, 0x50, 0xffc};

    @TempDir
    Path directory;

    static LongStream seeds() {
        return LongStream.rangeClosed(1, Long.getLong("vmm.fuzz.seeds", 8));
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    @Timeout(60)
    void randomGuestsDoNoHarm(long seed) {
        var random = new Random(seed);
        try (var board = new Board(seed % 2 == 0 ? Board.Vendor.VTD : Board.Vendor.SMMUV3, Disks.random(directory, "a", 9), Disks.random(directory, "b", 12))) {
            board.interrupts.pinBased = seed % 3 == 0;
            var guest = new GuestDriver(board);
            for (int epoch = 0; epoch < 6; epoch++) {
                guest.enable(random.nextInt(5));
                guest.createQueues(1, 2 + random.nextInt(60));
                guest.createQueues(2, 2 + random.nextInt(60));
                for (int round = 0; round < ROUNDS; round++) {
                    step(guest, random);
                }
                board.controller.reset();
            }
            guest.enable();
            var queue = guest.createQueues(1, 16);
            long buffer = guest.allocate(4096);
            guest.expectSuccess(guest.execute(queue, Command.write(1, 0, 1, buffer)));
            guest.expectSuccess(guest.execute(queue, Command.read(1, 0, 1, buffer)));
        }
    }

    private static void step(GuestDriver guest, Random random) {
        var controller = guest.board.controller;
        switch (random.nextInt(12)) {
            case 0 -> {
                if (random.nextInt(40) == 0) {
                    guest.setRegister(REGISTERS[random.nextInt(REGISTERS.length)], random.nextInt());
                }
            }
            case 1 -> controller.write(random.nextInt(0x2000), 1 << random.nextInt(4), random.nextLong());
            case 2 -> controller.read(random.nextInt(0x2000), 1 << random.nextInt(4));
            case 3 -> controller.write(0x1000 + random.nextInt(8) * 4L, 4, random.nextInt(70));
            case 4 -> guest.ram.set(JAVA_LONG_UNALIGNED, random.nextInt(1 << 21), random.nextLong());
            case 5 -> controller.doWork();
            default -> {
                var queue = guest.queues.get(random.nextInt(3));
                for (int i = random.nextInt(4); i >= 0; i--) {
                    queue.put(command(random, queue.id == 0));
                }
                queue.ring();
                guest.work();
                queue.take();
            }
        }
    }

    private static Command command(Random random, boolean admin) {
        int[] opcodes = admin ? new int[] {0, 1, 2, 4, 5, 6, 8, 9, 0xa, 0xc, 0x80} : new int[] {0, 1, 2, 5, 8, 9, 0xc};
        int opcode = random.nextInt(20) == 0 ? random.nextInt(256) : opcodes[random.nextInt(opcodes.length)];
        Command command = Command.of(opcode, random.nextInt(4) - (random.nextInt(10) == 0 ? 1 : 0));
        for (int word = 10; word < 16; word++) {
            int bits = random.nextInt(33);
            command.word(word, bits == 0 ? 0 : random.nextInt() >>> 32 - bits);
        }
        if (random.nextInt(4) == 0) {
            command.flags(random.nextInt(256) & 0xc3);
        }
        return command.prp(address(random), address(random)).or(9, random.nextInt(8) == 0 ? random.nextInt(4) << 28 : 0);
    }

    private static long address(Random random) {
        long ram = Board.RAM_IOVA + random.nextInt((int) Board.RAM_BYTES);
        return switch (random.nextInt(6)) {
            case 0 -> random.nextLong();
            case 1 -> ram & ~3L;
            case 2 -> Board.RAM_IOVA + Board.RAM_BYTES - random.nextInt(8192) & ~3L;
            default -> ram & ~0xfffL;
        };
    }
}
