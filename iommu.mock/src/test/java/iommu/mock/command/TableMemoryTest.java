package iommu.mock.command;

import static iommu.mock.command.Client.APERTURE;
import static iommu.mock.command.Client.BASE;
import static iommu.mock.command.Client.BUFFER;
import static iommu.mock.command.Client.PAGE;
import static iommu.mock.command.Client.int32;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Ioas;
import iommufd.api.uapi.IommuHwptAlloc;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Every frame of true page tables cannot be had once: the request says ENOMEM, what it began is undone, and the next try succeeds. */
class TableMemoryTest {
    private static final int MORE_FRAMES_THAN_NEEDED = 200;
    /** So far apart that each mapping has tables of its own. */
    private static final long APART = 1L << 30;

    @Test
    void aFrameThatCannotBeHadIsToldAndLeavesNothing() {
        Set<String> refusedSteps = new TreeSet<>();
        boolean calm = false;
        for (int frames = 0; !calm && frames < MORE_FRAMES_THAN_NEEDED; frames++) {
            try (Client client = new Client()) {
                client.tables.failAfter(frames);
                String refused = new Program(client).run();
                calm = refused.isEmpty();
                assertThat(client.tables.failed()).as("after %d frames '%s' was refused", frames, refused).isNotEqualTo(calm);
                refusedSteps.add(refused);
                client.tables.failAfter(Integer.MAX_VALUE);
                assertThat(new Program(client).run()).as("what is refused after %d frames were enough", frames).isEmpty();
            }
        }
        assertThat(calm).as("it works once nothing fails any more").isTrue();
        assertThat(refusedSteps).containsExactlyInAnyOrder("", "attach", "map", "map far away", "allocate");
    }

    /** Makes page tables grow by every request that can; then all goes again. */
    private static final class Program {
        private final Client client;
        private final Deque<Runnable> undo = new ArrayDeque<>();
        private String refused = "";

        Program(Client client) {
            this.client = client;
        }

        /** @return the step that was refused, if one was */
        String run() {
            Ioas ioas = client.context().allocateIoas();
            undo.push(ioas::destroy);
            undo.push(ioas::unmapAll);
            client.map(ioas, APERTURE, BUFFER, 4 * PAGE);
            if (step("attach", Client.name(client.raw(client.file, TestOperation.MOCK_DOMAIN, ioas.id(), struct -> { })))) {
                int device = client.out(TestCommand.DOMAIN_OUT_STDEV_ID);
                int bound = client.out(TestCommand.DOMAIN_OUT_IDEV_ID);
                undo.push(() -> destroyed(device));
                boolean mapped = step("map", client.mapping(ioas, APERTURE + (1 << 20), BUFFER + PAGE, 600 * PAGE))
                        && step("map far away", client.mapping(ioas, APERTURE + APART, BUFFER, 4 * PAGE));
                if (mapped && step("allocate", allocate(bound, ioas.id()))) {
                    int table = IommuHwptAlloc.outHwptId(client.at(BASE, IommuHwptAlloc.SIZE_BYTES));
                    step("replace", Client.name(client.raw(client.file, TestOperation.MOCK_DOMAIN_REPLACE, device, int32(TestCommand.REPLACE_PT_ID, table))));
                    undo.pop().run();
                    undo.push(() -> destroyed(table));
                }
            }
            undo.forEach(Runnable::run);
            return refused;
        }

        private boolean step(String name, String result) {
            assertThat(result).as(name).isIn("0", "ENOMEM");
            if (result.equals("ENOMEM")) {
                refused = name;
            }
            return result.equals("0");
        }

        private String allocate(int device, int ioas) {
            MemorySegment struct = client.at(BASE, IommuHwptAlloc.SIZE_BYTES);
            struct.fill((byte) 0);
            IommuHwptAlloc.size(struct, IommuHwptAlloc.SIZE_BYTES);
            IommuHwptAlloc.devId(struct, device);
            IommuHwptAlloc.ptId(struct, ioas);
            return Client.name(client.ioctl(client.file, IommuHwptAlloc.IOMMU_HWPT_ALLOC));
        }

        private void destroyed(int id) {
            assertThat(client.destroy(id)).isEqualTo("0");
        }
    }
}
