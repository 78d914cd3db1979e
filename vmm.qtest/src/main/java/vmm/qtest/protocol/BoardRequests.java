package vmm.qtest.protocol;

import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.OptionalLong;
import java.util.function.Consumer;
import vmm.qtest.board.Board;
import vmm.qtest.board.MessageLog;

/** Requests of the text protocol that a board answers. Not thread-safe. */
final class BoardRequests {
    private static final String OK = "OK";
    private static final String INPUTS = "unnamed-gpio-in";

    private final Board board;
    private final Consumer<String> unasked;

    BoardRequests(Board board, Consumer<String> unasked) {
        this.board = board;
        this.unasked = unasked;
    }

    /** The answer to a request that is not empty. */
    String answer(Words request) throws BadRequest {
        String command = request.command();
        return switch (command) {
            case "readb", "readw", "readl", "readq" -> readWord(request, width(command.charAt(4)));
            case "writeb", "writew", "writel", "writeq" -> writeWord(request, width(command.charAt(5)));
            case "read" -> "OK 0x" + HexFormat.of().formatHex(readBytes(request));
            case "b64read" -> "OK " + Base64.getEncoder().encodeToString(readBytes(request));
            case "write" -> writeBytes(request);
            case "b64write" -> writeBase64(request);
            case "memset" -> fill(request);
            case "inb", "inw", "inl" -> readPort(request, width(command.charAt(2)));
            case "outb", "outw", "outl" -> writePort(request, width(command.charAt(3)));
            case "clock_step" -> stepClock(request);
            case "clock_set" -> setClock(request);
            case "irq_intercept_in" -> intercept(request);
            case "set_irq_in" -> setInput(request);
            case "messages" -> takeMessages();
            default -> throw new BadRequest("Unknown command " + Words.quoted(command));
        };
    }

    private static int width(char suffix) {
        return switch (suffix) {
            case 'b' -> Byte.BYTES;
            case 'w' -> Short.BYTES;
            case 'l' -> Integer.BYTES;
            default -> Long.BYTES;
        };
    }

    private String readWord(Words request, int bytes) throws BadRequest {
        long address = request.number(1);
        byte[] target = new byte[bytes];
        board.read(inside(address, bytes), target);
        long value = 0;
        for (int i = 0; i < bytes; i++) {
            value |= (target[i] & 0xffL) << i * Byte.SIZE;
        }
        return "OK 0x%016x".formatted(value);
    }

    private String writeWord(Words request, int bytes) throws BadRequest {
        long address = request.number(1);
        long value = request.number(2);
        byte[] source = new byte[bytes];
        for (int i = 0; i < bytes; i++) {
            source[i] = (byte) (value >>> i * Byte.SIZE);
        }
        board.write(inside(address, bytes), source);
        return OK;
    }

    private byte[] readBytes(Words request) throws BadRequest {
        byte[] target = new byte[length(request)];
        if (target.length == 0) {
            throw new BadRequest("nothing to read");
        }
        board.read(inside(request.number(1), target.length), target);
        return target;
    }

    private String writeBytes(Words request) throws BadRequest {
        int length = length(request);
        if (request.text(3).length() < "0x0".length()) {
            return "ERR invalid argument size";
        }
        board.write(inside(request.number(1), length), request.hexadecimal(3, length));
        return OK;
    }

    private String writeBase64(Words request) throws BadRequest {
        int length = length(request);
        byte[] bytes = request.base64(3);
        board.write(inside(request.number(1), length), bytes.length <= length ? bytes : Arrays.copyOf(bytes, length));
        return OK;
    }

    private String fill(Words request) throws BadRequest {
        byte[] source = new byte[length(request)];
        Arrays.fill(source, (byte) request.number(3));
        board.write(inside(request.number(1), source.length), source);
        return OK;
    }

    private static int length(Words request) throws BadRequest {
        long length = request.number(2);
        if (Long.compareUnsigned(length, TextProtocol.LARGEST_ACCESS_BYTES) > 0) {
            throw new BadRequest("at most 0x%x bytes at once".formatted(TextProtocol.LARGEST_ACCESS_BYTES));
        }
        return (int) length;
    }

    /** The address, unless the access would wrap around the end of the address space. */
    private static long inside(long address, int bytes) throws BadRequest {
        if (bytes > 0 && Long.compareUnsigned(address, -bytes) > 0) {
            throw new BadRequest("0x%x + 0x%x is beyond the last address".formatted(address, bytes));
        }
        return address;
    }

    private String readPort(Words request, int bytes) throws BadRequest {
        return "OK 0x%04x".formatted(board.readPort(port(request), bytes));
    }

    private String writePort(Words request, int bytes) throws BadRequest {
        board.writePort(port(request), bytes, request.number(2));
        return OK;
    }

    private int port(Words request) throws BadRequest {
        if (!board.hasPorts()) {
            throw new BadRequest(board.name() + " has no I/O ports");
        }
        return request.number(1, Board.LAST_PORT);
    }

    private String stepClock(Words request) throws BadRequest {
        boolean toNext = !request.has(1);
        long stepNs = toNext ? 0 : request.number(1);
        return board.time(clock -> {
            OptionalLong next = toNext ? clock.nextDeadlineNs() : OptionalLong.of(clock.nowNs() + stepNs);
            if (next.isEmpty()) {
                return "FAIL cannot advance the clock to the next deadline because there is none";
            }
            long before = clock.nowNs();
            clock.advanceTo(next.getAsLong());
            return clock.nowNs() > before ? "OK " + clock.nowNs() : "FAIL could not advance time";
        });
    }

    private String setClock(Words request) throws BadRequest {
        long newNowNs = request.number(1);
        return board.time(clock -> {
            clock.advanceTo(newNowNs);
            return (clock.nowNs() == newNowNs ? "OK " : "FAIL ") + clock.nowNs();
        });
    }

    private String intercept(Words request) throws BadRequest {
        checkController(request);
        board.lines().intercept((line, level) -> unasked.accept("IRQ %s %d".formatted(level ? "raise" : "lower", line)));
        return OK;
    }

    private String setInput(Words request) throws BadRequest {
        checkController(request);
        if (!request.text(2).equals(INPUTS)) {
            throw new BadRequest("inputs are called " + INPUTS);
        }
        board.lines().set(request.number(3, board.lines().count() - 1), request.number(4) != 0);
        return OK;
    }

    private void checkController(Words request) throws BadRequest {
        if (!request.text(1).equals(board.lines().controller())) {
            throw new BadRequest("Unknown device %s; here is '%s'".formatted(Words.quoted(request.text(1)), board.lines().controller()));
        }
    }

    private String takeMessages() {
        MessageLog.Taken taken = board.messages().take();
        StringBuilder answer = new StringBuilder("OK ").append(taken.messages().size()).append(' ').append(taken.lost());
        for (MessageLog.Message message : taken.messages()) {
            answer.append(" 0x%x 0x%x".formatted(message.address(), message.data()));
        }
        return answer.toString();
    }
}
