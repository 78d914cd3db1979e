package vmm.qtest.board;

import java.util.Arrays;

/** Inputs of the board's interrupt controller. A client that intercepts them hears of each change. Thread-safe. */
public final class InterruptLines {
    /** Hears of changes, on the thread that caused them. */
    @FunctionalInterface
    public interface Listener {
        /** Input {@code line} changed to {@code level}. */
        void changed(int line, boolean level);
    }

    private static final Listener NOBODY = (line, level) -> { };

    private final String controller;
    private final boolean[] levels;
    private Listener listener = NOBODY;

    /** @param controller what clients call it */
    InterruptLines(String controller, int count) {
        this.controller = controller;
        levels = new boolean[count];
    }

    /** What clients call the interrupt controller. */
    public String controller() {
        return controller;
    }

    /** From now on {@code listener} hears, and no other. */
    public synchronized void intercept(Listener newListener) {
        listener = newListener;
    }

    /** How many inputs there are. */
    public int count() {
        return levels.length;
    }

    /** Sets a level. What has no input is not connected. */
    public void set(int line, boolean level) {
        Listener hears;
        synchronized (this) {
            if (line < 0 || line >= levels.length || levels[line] == level) {
                return;
            }
            levels[line] = level;
            hears = listener;
        }
        hears.changed(line, level);
    }

    /** All levels low, told to nobody: power has gone. */
    synchronized void reset() {
        Arrays.fill(levels, false);
    }
}
