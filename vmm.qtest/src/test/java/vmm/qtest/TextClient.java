package vmm.qtest;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.memory.PhysicalMemory;
import iommufd.core.memory.HostPhysicalMemory;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import vmm.qtest.board.Board;
import vmm.qtest.board.FakeIommu;
import vmm.qtest.command.Architecture;
import vmm.qtest.command.QemuArgumentsParser;
import vmm.qtest.command.UsageException;
import vmm.qtest.protocol.TextProtocol;

/** A client of the text protocol without a socket: asks, and has the answer. */
public final class TextClient implements AutoCloseable {
    public static final PhysicalMemory MEMORY = new HostPhysicalMemory();

    public final FakeIommu iommu = new FakeIommu();
    public final Board board;
    public final List<String> unasked = new ArrayList<>();
    private final TextProtocol protocol;

    private TextClient(Architecture architecture, String arguments) throws UsageException {
        List<String> words = List.of((arguments + " -qtest stdio").split(" +"));
        board = BoardBuilder.build(QemuArgumentsParser.parse(architecture, words), MEMORY, vendor -> iommu).orElseThrow();
        protocol = new TextProtocol(Optional.of(board), unasked::add);
    }

    /** A PC. */
    public static TextClient q35(String arguments) throws UsageException {
        return new TextClient(Architecture.X86_64, "-M q35 " + arguments);
    }

    /** An Arm machine. */
    public static TextClient virt(String machineOptions, String arguments) throws UsageException {
        return new TextClient(Architecture.AARCH64, "-M virt" + machineOptions + " " + arguments);
    }

    /** The answer. */
    public String ask(String format, Object... values) {
        return protocol.answer(format.formatted(values));
    }

    /** The number behind OK. */
    public long number(String format, Object... values) {
        String answer = ask(format, values);
        assertThat(answer).startsWith("OK 0x");
        return Long.parseUnsignedLong(answer.substring("OK 0x".length()), 16);
    }

    /** Asks, and it must be done. */
    public void tell(String format, Object... values) {
        assertThat(ask(format, values)).isEqualTo("OK");
    }

    @Override
    public void close() {
        board.close();
    }
}
