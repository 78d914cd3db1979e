package iommu.common.dma;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A word with its cache line to itself, as part of the object it belongs to: one load away, and no write to a neighbour takes
 * the line from who polls it. The virtual machine keeps the fields of a superclass before those of its subclasses.
 */
@SuppressWarnings("unused")   // the padding
abstract class PaddedWord extends WordItself {
    private long after1, after2, after3, after4, after5, after6, after7, after8;
    private long after9, after10, after11, after12, after13, after14, after15, after16;

    final long getVolatile() {
        return (long) WORD.getVolatile(this);
    }

    final long getOpaque() {
        return (long) WORD.getOpaque(this);
    }

    final void setVolatile(long value) {
        WORD.setVolatile(this, value);
    }

    /** As {@link #setVolatile}; one instruction less on x86. */
    final void exchange(long value) {
        var ignored = (long) WORD.getAndSet(this, value);
    }

    final void setRelease(long value) {
        WORD.setRelease(this, value);
    }
}

/** The word. */
abstract class WordItself extends PaddingBefore {
    static final VarHandle WORD;

    static {
        try {
            WORD = MethodHandles.lookup().findVarHandle(WordItself.class, "word", long.class);
        } catch (ReflectiveOperationException missing) {
            throw new ExceptionInInitializerError(missing);
        }
    }

    @SuppressWarnings("unused")   // read and written by WORD
    private long word;
}

/** Two lines, because processors fetch lines in pairs. */
@SuppressWarnings("unused")
abstract class PaddingBefore {
    private long before1, before2, before3, before4, before5, before6, before7, before8;
    private long before9, before10, before11, before12, before13, before14, before15, before16;
}
