package devnode.fuse.client;

import devnode.fuse.memory.ClientPins;
import iommufd.api.IommufdException;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * The processes that call, by the threads they call on: what the kernel names in a request is a thread, and numbers are used
 * again. Thread-safe.
 */
public final class ClientProcesses {
    private static final long SWEEP_PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private final ClientPins pins;
    private final SignalWatch signals = new SignalWatch();
    private final Map<Integer, ClientProcess> byThread = new ConcurrentHashMap<>();
    private long lastSweepNanos = System.nanoTime() - SWEEP_PAUSE_NANOS;
    private boolean closed;

    /** @param pins where their memory is pinned */
    public ClientProcesses(ClientPins pins) {
        this.pins = pins;
    }

    ClientPins pins() {
        return pins;
    }

    SignalWatch signals() {
        return signals;
    }

    /** @throws IommufdException if the thread is gone or may not be looked at */
    ClientProcess of(int thread) {
        ClientProcess known = byThread.get(thread);
        if (known != null && known.isOf(thread)) {
            return known;
        }
        return lookUp(thread);
    }

    private synchronized ClientProcess lookUp(int thread) {
        if (closed) {
            throw new IllegalStateException("the publisher of nodes has stopped");
        }
        int number = ClientProcess.processOf(thread);
        ClientProcess process = byThread.get(number);
        if (process == null || process.process() != number || !process.isAlive()) {
            sweep();
            process = new ClientProcess(number, pins);
            byThread.put(number, process);
        }
        byThread.put(thread, process);
        return process;
    }

    /** Forgets processes that have ended, unless that was done a moment ago. */
    public synchronized void sweepNowAndThen() {
        long now = System.nanoTime();
        if (now - lastSweepNanos >= SWEEP_PAUSE_NANOS) {
            lastSweepNanos = now;
            sweep();
        }
    }

    private void sweep() {
        Set<ClientProcess> alive = new HashSet<>();
        Set<ClientProcess> dead = new HashSet<>();
        for (ClientProcess process : byThread.values()) {
            if (!alive.contains(process) && !dead.contains(process)) {
                (process.isAlive() ? alive : dead).add(process);
            }
        }
        byThread.values().removeAll(dead);
        dead.forEach(ClientProcess::close);
    }

    /** Forgets all of them. What is pinned stays pinned. */
    public synchronized void close() {
        closed = true;
        new HashSet<>(byThread.values()).forEach(ClientProcess::close);
        byThread.clear();
    }
}
