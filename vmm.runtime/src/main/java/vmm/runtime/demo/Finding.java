package vmm.runtime.demo;

/**
 * What came out for a promise on one kind of hardware.
 *
 * @param promise the promise's title
 * @param hardware what it was shown on
 * @param verdict whether it held
 * @param text what was seen; why it does not hold, or where to look, if it does not
 */
record Finding(String promise, String hardware, Verdict verdict, String text) {
    /** What a promise is found to be. */
    enum Verdict {
        /** Shown, and all of it was so. */
        HELD("held"),
        /** Shown, and something was not so. */
        NOT_HELD("NOT HELD"),
        /** Cannot be shown in here: counts neither way. */
        ELSEWHERE("elsewhere"),
        /** Not built: counts neither way. */
        ABSENT("not in this version");

        private final String word;

        Verdict(String word) {
            this.word = word;
        }

        /** For the table. */
        String word() {
            return word;
        }
    }
}
