package vmm.devices.nvme;

import static vmm.devices.nvme.SubmissionEntry.LE_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The registers below the doorbells as memory that clients map: what they write is taken over when CC changes, what they read is
 * put there beforehand.
 */
final class PolledRegisters {
    private static final VarHandle WORD = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

    /** Registers whose value is what clients wrote last. */
    private static final int[] KEPT_BY_CLIENTS = {ControllerRegister.AQA, ControllerRegister.ASQ, ControllerRegister.ASQ + 4,
        ControllerRegister.ACQ, ControllerRegister.ACQ + 4, ControllerRegister.CC};

    private final MemorySegment page;
    private final NvmeController controller;
    private int seenConfiguration;
    private int shownStatus;

    /** @param bar memory of the BAR, zero */
    PolledRegisters(MemorySegment bar, NvmeController controller) {
        this.controller = controller;
        page = bar.asSlice(0, ControllerRegister.DOORBELLS);
        show();
    }

    /** One turn of the controller, with what clients wrote before and what they shall see after it. */
    int turn() {
        int taken = take();
        int done = controller.doWork();
        publish();
        return taken + done;
    }

    private synchronized int take() {
        int done = 0;
        int configuration = word(ControllerRegister.CC);
        if (configuration != seenConfiguration) {
            seenConfiguration = configuration;
            controller.write(ControllerRegister.AQA, Integer.BYTES, word(ControllerRegister.AQA));
            controller.write(ControllerRegister.ASQ, Long.BYTES, page.get(LE_LONG, ControllerRegister.ASQ));
            controller.write(ControllerRegister.ACQ, Long.BYTES, page.get(LE_LONG, ControllerRegister.ACQ));
            controller.write(ControllerRegister.CC, Integer.BYTES, configuration);
            done = 1;
        }
        if (word(ControllerRegister.NSSR) == ControllerRegister.SUBSYSTEM_RESET_WORD) {
            controller.write(ControllerRegister.NSSR, Integer.BYTES, ControllerRegister.SUBSYSTEM_RESET_WORD);
            WORD.setRelease(page, (long) ControllerRegister.NSSR, 0);
            WORD.setRelease(page, (long) ControllerRegister.CC, 0);
            seenConfiguration = 0;
            done = 1;
        }
        return done;
    }

    private synchronized void publish() {
        int status = controller.status();
        if (status != shownStatus) {
            shownStatus = status;
            WORD.setRelease(page, (long) ControllerRegister.CSTS, status);
        }
    }

    private int word(int offset) {
        return (int) WORD.getAcquire(page, (long) offset);
    }

    /** Resets the controller, and what clients see of it. */
    synchronized void reset() {
        controller.reset();
        show();
    }

    /** Takes over what clients wrote, between turns. */
    void takeWritten() {
        take();
    }

    /** The controller has the state of another host's: clients see it. */
    synchronized void showRestored() {
        show();
        for (int offset : KEPT_BY_CLIENTS) {
            WORD.setRelease(page, (long) offset, (int) controller.read(offset, Integer.BYTES));
        }
        seenConfiguration = word(ControllerRegister.CC);
        publish();
    }

    private void show() {
        page.fill((byte) 0);
        page.set(LE_LONG, ControllerRegister.CAP, ControllerRegister.CAPABILITIES);
        WORD.setRelease(page, (long) ControllerRegister.VS, ControllerRegister.VERSION);
        seenConfiguration = 0;
        shownStatus = 0;
    }
}
