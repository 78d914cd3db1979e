package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a guest's NVMe driver does, written without looking at the controller's code: registers through the BAR, queues in guest
 * RAM.
 */
final class GuestDriver {
    static final int ADMIN_ENTRIES = 32;
    private static final int CC_DEFAULT = 6 << 16 | 4 << 20;
    private static final int MAX_TURNS = 10_000;
    private static final long PATIENCE_NANOS = 2_000_000_000L;

    /** How drivers store to memory that a device polls. */
    static final VarHandle STORE = JAVA_INT.varHandle();

    /** The controller's BAR. */
    interface Registers {
        long read(long offset, int lengthBytes);

        void write(long offset, int lengthBytes, long value);
    }

    final Board board;
    private final Registers registers;
    private final Runnable turn;
    final MemorySegment ram;
    final Map<Integer, Queue> queues = new HashMap<>();
    private long nextFree;
    private long pageBytes = 4096;
    private int nextCommandId;

    /** A pair of rings with one number. */
    final class Queue {
        final int id;
        final int entries;
        final long submissions;
        final long completions;
        int tail;
        int head;
        int phase = 1;

        Queue(int id, int entries) {
            this.id = id;
            this.entries = entries;
            submissions = allocate(entries * 64L);
            completions = allocate(entries * 16L);
            ram.asSlice(completions - Board.RAM_IOVA, entries * 16L).fill((byte) 0);
        }

        /** The same rings, in the same state, of a machine that moved: its RAM was copied. */
        Queue(Queue before) {
            id = before.id;
            entries = before.entries;
            submissions = before.submissions;
            completions = before.completions;
            tail = before.tail;
            head = before.head;
            phase = before.phase;
        }

        /** Puts a command into the ring. @return its id */
        int put(Command command) {
            int commandId = nextCommandId++ & 0x7fff;
            command.id(commandId).write(ram, submissions - Board.RAM_IOVA + tail * 64L);
            tail = (tail + 1) % entries;
            return commandId;
        }

        void ring() {
            registers.write(0x1000 + id * 8L, 4, tail);
        }

        /** Takes what has arrived and tells the controller. */
        List<Completion> take() {
            List<Completion> taken = new ArrayList<>();
            for (Optional<Completion> next = peek(); next.isPresent(); next = peek()) {
                taken.add(next.get());
                head = head + 1;
                if (head == entries) {
                    head = 0;
                    phase ^= 1;
                }
            }
            if (!taken.isEmpty()) {
                registers.write(0x1004 + id * 8L, 4, head);
            }
            return taken;
        }

        private Optional<Completion> peek() {
            long at = completions - Board.RAM_IOVA + head * 16L;
            int last = ram.get(JAVA_INT_UNALIGNED, at + 12);
            if ((last >>> 16 & 1) != phase) {
                return Optional.empty();
            }
            int queue = ram.get(JAVA_INT_UNALIGNED, at + 8);
            return Optional.of(new Completion(ram.get(JAVA_INT_UNALIGNED, at), queue & 0xffff, queue >>> 16, last & 0xffff, last >>> 17));
        }
    }

    /** Drives the board's own controller, which has no thread but the caller's. */
    GuestDriver(Board board) {
        this(board, new Registers() {
            @Override
            public long read(long offset, int lengthBytes) {
                return board.controller.read(offset, lengthBytes);
            }

            @Override
            public void write(long offset, int lengthBytes, long value) {
                board.controller.write(offset, lengthBytes, value);
            }
        }, () -> untilIdle(board.controller));
    }

    /** Drives another controller, which has a thread of its own. */
    GuestDriver(Board board, Registers registers) {
        this(board, registers, () -> { });
    }

    private GuestDriver(Board board, Registers registers, Runnable turn) {
        this.board = board;
        this.registers = registers;
        this.turn = turn;
        ram = board.ram.segment();
        nextFree = Board.RAM_IOVA + (1 << 20);
    }

    /** The same driver in a machine that moved to another board, whose RAM has been copied. */
    GuestDriver movedTo(Board other, Registers otherRegisters) {
        GuestDriver moved = new GuestDriver(other, otherRegisters);
        moved.nextFree = nextFree;
        moved.pageBytes = pageBytes;
        moved.nextCommandId = nextCommandId;
        queues.forEach((id, queue) -> moved.queues.put(id, moved.new Queue(queue)));
        return moved;
    }

    /** Pages of RAM nobody else uses, aligned to the page size the controller was enabled with. */
    long allocate(long lengthBytes) {
        long address = nextFree;
        nextFree += lengthBytes + pageBytes - 1 & -pageBytes;
        if (nextFree > Board.RAM_IOVA + Board.RAM_BYTES) {
            throw new IllegalStateException("guest RAM is used up");
        }
        return address;
    }

    /** Guest RAM at an IOVA. */
    MemorySegment at(long iova, long lengthBytes) {
        return ram.asSlice(iova - Board.RAM_IOVA, lengthBytes);
    }

    int register(int offset) {
        return (int) registers.read(offset, 4);
    }

    void setRegister(int offset, int value) {
        registers.write(offset, 4, value);
    }

    /** Resets and enables the controller with an admin queue. */
    GuestDriver enable() {
        return enable(0);
    }

    /** @param pageLg2Above12 CC.MPS */
    GuestDriver enable(int pageLg2Above12) {
        disable();
        nextFree = Board.RAM_IOVA + (1 << 20);
        pageBytes = 4096L << pageLg2Above12;
        queues.clear();
        Queue admin = new Queue(0, ADMIN_ENTRIES);
        queues.put(0, admin);
        setRegister(0x24, ADMIN_ENTRIES - 1 | ADMIN_ENTRIES - 1 << 16);
        registers.write(0x28, 8, admin.submissions);
        registers.write(0x30, 8, admin.completions);
        setRegister(0x14, CC_DEFAULT | pageLg2Above12 << 7 | 1);
        work();
        awaitStatus(1, 1);
        if ((register(0x1c) & 3) != 1) {
            throw new IllegalStateException("not ready: CSTS 0x" + Integer.toHexString(register(0x1c)));
        }
        return this;
    }

    void disable() {
        setRegister(0x14, register(0x14) & ~1);
        work();
        awaitStatus(1, 0);
    }

    Queue admin() {
        return queues.get(0);
    }

    /** Lets the controller work until it has nothing to do, unless it has a thread for that. */
    void work() {
        turn.run();
    }

    private static void untilIdle(NvmeController controller) {
        int turns = 0;
        while (controller.doWork() > 0) {
            if (++turns == MAX_TURNS) {
                throw new IllegalStateException("the controller works and works");
            }
        }
    }

    private void awaitStatus(int bits, int value) {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while ((register(0x1c) & bits) != value && System.nanoTime() - deadline < 0) {
            work();
        }
    }

    /** Creates an I/O queue pair. */
    Queue createQueues(int id, int entries) {
        Queue queue = new Queue(id, entries);
        expectSuccess(execute(Command.of(5, 0).prp(queue.completions, 0).word(10, id | entries - 1 << 16).word(11, 3 | id << 16)));
        expectSuccess(execute(Command.of(1, 0).prp(queue.submissions, 0).word(10, id | entries - 1 << 16).word(11, 1 | id << 16)));
        queues.put(id, queue);
        return queue;
    }

    /** Executes an admin command. */
    Completion execute(Command command) {
        return execute(admin(), command);
    }

    Completion execute(Queue queue, Command command) {
        int id = queue.put(command);
        queue.ring();
        List<Completion> taken = await(queue, 1);
        taken.addAll(queue.take());
        return taken.stream().filter(c -> c.commandId() == id).findFirst()
                .orElseThrow(() -> new AssertionError("command %d did not complete: %s, CSTS 0x%x".formatted(id, taken, register(0x1c))));
    }

    /** Takes completions until there are so many, or for a while. */
    List<Completion> await(Queue queue, int count) {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        List<Completion> taken = new ArrayList<>();
        while (taken.size() < count && System.nanoTime() - deadline < 0) {
            work();
            taken.addAll(queue.take());
        }
        return taken;
    }

    Completion expectSuccess(Completion completion) {
        if (completion.status() != 0) {
            throw new AssertionError(completion.toString());
        }
        return completion;
    }
}
