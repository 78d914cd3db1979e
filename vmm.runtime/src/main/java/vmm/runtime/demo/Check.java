package vmm.runtime.demo;

/**
 * Something the demonstration claims, and what came out.
 *
 * @param claim what should hold
 * @param held whether it did
 * @param measured what was counted or measured; what went wrong, if it did not hold
 */
record Check(String claim, boolean held, String measured) {}
