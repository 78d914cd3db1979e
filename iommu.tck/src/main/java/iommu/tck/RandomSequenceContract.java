package iommu.tck;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Seeded sequences of everything at once, compared step by step with a naive model. */
abstract class RandomSequenceContract extends Contract {
    private static final int SEEDS = 100;
    private static final int STEPS = 120;

    @Test
    void randomSequencesBehaveAsTheModel() {
        RandomSequence sequence = new RandomSequence(machine, traffic);
        for (long seed = 1; seed <= SEEDS; seed++) {
            sequence.begin(seed);
            for (int step = 0; step < STEPS; step++) {
                try {
                    sequence.step();
                } catch (AssertionError | RuntimeException failure) {
                    throw new AssertionError("seed %d, step %d, %s: %s".formatted(seed, step, sequence.latest(), failure.getMessage()),
                            failure);
                }
            }
            assertThat(sequence.firstWrongByte()).as("seed %d: offset of the first wrong byte of memory", seed).isEqualTo(-1);
            sequence.end();
        }
    }
}
