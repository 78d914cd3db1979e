package iommu.s390.unit;

/** The machine check that says that there is event information. Called without any of the unit's locks, on the thread that caused it. */
@FunctionalInterface
public interface EventLine {
    /** An event came ({@code true}), or none is left. Ask {@link ZpciUnit#eventsPending} what holds now. */
    void changed(boolean pending);
}
