package vfio.adapter.config;

/** What follows from what software writes to a configuration space. Called after the write, outside of any lock. */
public interface ConfigEffects {
    /** INTx disable has changed. */
    void lineDisabled(boolean disabled);

    /** Bus mastering, or whether the function is awake, may have changed. */
    void mastershipChanged();

    /** Software asks for a function level reset. */
    void functionLevelReset();
}
