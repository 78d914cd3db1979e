package vmm.runtime.demo;

import java.util.Iterator;
import java.util.List;

/**
 * How large the demonstration is.
 *
 * @param ramBytes guest memory, a multiple of 16 MiB
 * @param roundTrips how often the hardware is exchanged there and back
 * @param all every promise in short, which has a size of its own, instead of the long steps
 */
record DemoOptions(long ramBytes, int roundTrips, boolean all) {
    static final String USAGE = """
            Usage: ./vmm demo [--memory MIB] [--swaps N]
                   ./vmm demo --all

              --memory MIB   guest memory, 16 to 4096 MiB in steps of 16 (256)
              --swaps N      how often the hardware is exchanged there and back under load, 1 to 10000 (10)
              --all          a short form of each promise of iommufd instead, a line for each and its hardware
            """;

    private static final int MEMORY_STEP_MIB = 16;

    /** @throws IllegalArgumentException if an argument is unknown or its number out of range; the message is for people */
    static DemoOptions parse(List<String> arguments) {
        int memoryMib = 256;
        int roundTrips = 10;
        boolean all = false;
        for (Iterator<String> rest = arguments.iterator(); rest.hasNext();) {
            String argument = rest.next();
            switch (argument) {
                case "--memory" -> memoryMib = number(argument, rest, MEMORY_STEP_MIB, 4096);
                case "--swaps" -> roundTrips = number(argument, rest, 1, 10_000);
                case "--all" -> all = true;
                default -> throw new IllegalArgumentException("unknown argument '" + argument + "'");
            }
        }
        if (memoryMib % MEMORY_STEP_MIB != 0) {
            throw new IllegalArgumentException("--memory takes a multiple of " + MEMORY_STEP_MIB);
        }
        if (all && arguments.size() > 1) {
            throw new IllegalArgumentException("--all has a size of its own and stands alone");
        }
        return new DemoOptions((long) memoryMib << 20, roundTrips, all);
    }

    private static int number(String argument, Iterator<String> rest, int least, int most) {
        String text = rest.hasNext() ? rest.next() : "";
        try {
            int number = Integer.parseInt(text);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException notANumber) {
            throw new IllegalArgumentException(argument + " takes a number, not '" + text + "'", notANumber);
        }
        throw new IllegalArgumentException("%s takes a number from %d to %d".formatted(argument, least, most));
    }
}
