package itest;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** What a program would send to a board of {@code ./vmm qtest} that it does not understand. The same seed sends the same. */
final class RandomSoftware {
    private static final int RAM_BYTES = 64 << 20;
    private static final long BAR = 0x1000_0000L;
    private static final int BAR_SLOT = 4;
    private static final long ECAM = 0x40_1000_0000L;

    private final Random random;
    private final long registers;
    private final int registerBytes;
    private final long ram;
    private final boolean pc;

    RandomSoftware(long seed, long registers, int registerBytes, long ram) {
        this.random = new Random(seed);
        this.registers = registers;
        this.registerBytes = registerBytes;
        this.ram = ram;
        this.pc = ram == 0;
    }

    /** Places the DMA device's registers, and lets it be bus master. */
    List<String> setUp() {
        List<String> requests = new ArrayList<>();
        long[][] settings = {{0x10, BAR}, {4, 6}};
        for (long[] setting : settings) {
            if (pc) {
                requests.add("outl 0xcf8 0x%x".formatted(0x8000_0000L | BAR_SLOT << 11 | setting[0]));
                requests.add("outl 0xcfc 0x%x".formatted(setting[1]));
            } else {
                requests.add("writel 0x%x 0x%x".formatted(ECAM + (BAR_SLOT << 15) + setting[0], setting[1]));
            }
        }
        return requests;
    }

    List<String> requests(int count) {
        List<String> requests = new ArrayList<>();
        while (requests.size() < count) {
            switch (random.nextInt(8)) {
                case 0, 1 -> requests.add("write%c 0x%x 0x%x".formatted("lq".charAt(random.nextInt(2)), register(), value()));
                case 2 -> requests.add("read%c 0x%x".formatted("bwlq".charAt(random.nextInt(4)), registers + random.nextInt(registerBytes)));
                case 3 -> requests.add("writel 0x%x 0x%x".formatted(registers + (pc ? 0x18 : 0x20), pc ? 1L << 23 + random.nextInt(9) : random.nextInt(32)));
                case 4 -> dma(requests);
                default -> requests.add("writeq 0x%x 0x%x".formatted(address(), value()));
            }
        }
        return requests;
    }

    private void dma(List<String> requests) {
        long iova = random.nextBoolean() ? address() : random.nextLong();
        long[][] settings = {{0x04, iova & 0xffff_ffffL}, {0x08, iova >>> 32}, {0x0c, 1 + random.nextInt(10_000)}, {0x1c, address()}, {0x14, 1}};
        for (long[] setting : settings) {
            requests.add("writel 0x%x 0x%x".formatted(barAddress(setting[0]), setting[1]));
        }
        requests.add("readl 0x%x".formatted(barAddress(0)));
        requests.add("readl 0x%x".formatted(barAddress(0x10)));
    }

    private static long barAddress(long offset) {
        return BAR + offset;
    }

    private long register() {
        // Most that matter are in the first KiB, and in page 1 of an SMMU.
        long page = registerBytes > 0x1_0000 && random.nextInt(8) == 0 ? 0x1_0000 : 0;
        return registers + page + (random.nextInt(0x300) & ~3);
    }

    /** Some address of RAM, often one of few, so that structures meet. */
    private long address() {
        return ram + (random.nextBoolean() ? random.nextInt(16) << 12 | random.nextInt(64) * 8 : random.nextInt(RAM_BYTES) & ~0xfff);
    }

    private long value() {
        return switch (random.nextInt(6)) {
            case 0 -> random.nextLong();
            case 1 -> 1L << random.nextInt(64);
            case 2 -> random.nextInt() & 0xffff_ffffL;
            default -> address() & ~0xfff | random.nextInt(16);
        };
    }
}
