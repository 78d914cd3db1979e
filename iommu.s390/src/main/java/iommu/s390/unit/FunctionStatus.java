package iommu.s390.unit;

/**
 * What a request finds, at one moment.
 *
 * @param state of the function
 * @param registration its translation parameters, or {@link Registration#NONE}
 */
record FunctionStatus(State state, Registration registration) {
    /** States of a configured function. */
    enum State {
        /** Not in use; DMA goes nowhere. */
        DISABLED,
        /** In use. */
        ENABLED,
        /** In the error state: DMA is blocked, and so are loads and stores. */
        ERROR,
        /** In the error state, but loads and stores work again. */
        BLOCKED
    }

    static final FunctionStatus DISABLED = new FunctionStatus(State.DISABLED, Registration.NONE);

    FunctionStatus in(State next) {
        return new FunctionStatus(next, registration);
    }

    FunctionStatus with(Registration next) {
        return new FunctionStatus(state, next);
    }

    boolean registered() {
        return registration != Registration.NONE;
    }
}
