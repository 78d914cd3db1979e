package bench;

/**
 * What was found for a row.
 *
 * @param value in the row's unit
 * @param allocatedBytes per operation, on the measuring threads
 * @param note what a reader should know; may be empty
 */
record Measurement(double value, double allocatedBytes, String note) {}
