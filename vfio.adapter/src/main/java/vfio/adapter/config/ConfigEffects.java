package vfio.adapter.config;

/** What follows from what software writes to a configuration space. Called after the write, outside of any lock. */
public interface ConfigEffects {
    /** Nothing follows. */
    ConfigEffects NONE = new ConfigEffects() {
        @Override
        public void lineDisabled(boolean disabled) { }

        @Override
        public void mastershipChanged() { }

        @Override
        public void functionLevelReset() { }
    };

    /** INTx disable has changed. */
    void lineDisabled(boolean disabled);

    /** Bus mastering, or whether the function is awake, may have changed. */
    void mastershipChanged();

    /** Software asks for a function level reset. */
    void functionLevelReset();
}
