package iommu.vtd.unit;

import iommu.vtd.format.Registers;

/**
 * What the last Set Root Table Pointer and Translation Enable commands put in force.
 *
 * @param enabled requests are translated, or aborted; if not, they go to memory untranslated
 * @param tableMode one of the modes of {@link Registers}
 * @param rootTable physical address
 */
record Translation(boolean enabled, int tableMode, long rootTable) {
    /** After reset. */
    static final Translation RESET = new Translation(false, Registers.LEGACY_MODE, 0);

    Translation withEnabled(boolean on) {
        return new Translation(on, tableMode, rootTable);
    }
}
