package iommu.s390.unit;

import iommu.s390.format.BigWords;
import iommu.s390.format.FunctionBlock;
import iommu.s390.format.TranslationAnchor;

/**
 * The translation parameters of a function.
 *
 * @param anchor the translation anchor
 * @param base lowest address of its DMA
 * @param limit highest address of its DMA
 * @param nested whether a second translation lies below
 * @param hostAnchor its anchor
 */
record Registration(long anchor, long base, long limit, boolean nested, long hostAnchor) {
    /** Nothing is registered. */
    static final Registration NONE = new Registration(0, 0, 0, false, 0);

    private static final long INSIDE_PAGE = 0xFFF;

    boolean translates() {
        return (anchor & TranslationAnchor.TRANSLATE) != 0;
    }

    boolean covers(long iova) {
        return Long.compareUnsigned(iova, base) >= 0 && Long.compareUnsigned(iova, limit) <= 0;
    }

    /** What a function information block asks for; {@link #NONE} if no function can be registered so. */
    static Registration of(long block, ZpciFeatures features) {
        int format = BigWords.getInt(block + FunctionBlock.FORMAT) >>> 24;
        long base = BigWords.get(block + FunctionBlock.BASE) & ~INSIDE_PAGE;
        long limit = BigWords.get(block + FunctionBlock.LIMIT) | INSIDE_PAGE;
        Registration wanted = new Registration(BigWords.get(block + FunctionBlock.ANCHOR), base, limit, format == FunctionBlock.NESTED,
                format == FunctionBlock.NESTED ? BigWords.get(block + FunctionBlock.HOST_ANCHOR) : 0);
        boolean inRange = Long.compareUnsigned(base, limit) <= 0 && Long.compareUnsigned(base, features.firstDma()) >= 0
                && Long.compareUnsigned(limit, features.lastDma()) <= 0;
        boolean designates = wanted.translates() ? TranslationAnchor.addressBits(TranslationAnchor.type(wanted.anchor)) != 0 : features.direct();
        boolean hostDesignates = !wanted.nested || (wanted.hostAnchor & TranslationAnchor.TRANSLATE) != 0
                && TranslationAnchor.addressBits(TranslationAnchor.type(wanted.hostAnchor)) != 0;
        return inRange && designates && hostDesignates ? wanted : NONE;
    }
}
