package bench;

/** A measurement that takes too long, or too many threads, for JMH. Runs alone in a JVM of its own; see {@link Alone}. */
interface Scenario {
    /** @param quick whether a rough answer will do */
    void run(boolean quick, Findings findings) throws Exception;

    /** Takes what was found. */
    interface Findings {
        /**
         * @param name what, after the scenario's name and a dot
         * @param value in the row's unit
         * @param allocatedBytes per operation
         */
        void found(String name, double value, double allocatedBytes, String note);
    }
}
