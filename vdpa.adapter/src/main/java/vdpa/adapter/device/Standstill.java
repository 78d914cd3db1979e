package vdpa.adapter.device;

import vdpa.device.RunningVdpa;

/**
 * Why an open device stands still: its client suspended it, or a batch of messages has taken mappings away that it may put back before
 * the end. Both may hold at once. Guarded by the session's lock.
 */
final class Standstill {
    private final RunningVdpa running;
    private boolean suspended;
    private boolean held;

    Standstill(RunningVdpa running) {
        this.running = running;
    }

    /** Whether the client suspended it. */
    boolean suspended() {
        return suspended;
    }

    void suspend() {
        if (!held) {
            running.suspend();
        }
        suspended = true;
    }

    void resume() {
        if (!held) {
            running.resume();
        }
        suspended = false;
    }

    /** Until {@link #release}. */
    void hold() {
        if (!held && !suspended) {
            running.suspend();
        }
        held = true;
    }

    void release() {
        if (held && !suspended) {
            running.resume();
        }
        held = false;
    }

    /** The model was reset, and moves again. */
    void reset() {
        suspended = false;
        held = false;
    }
}
