package vmm.qtest.protocol;

import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * As much of the QEMU Machine Protocol (QEMU, docs/interop/qmp-spec) as test programs use. One for each client; not thread-safe, but what it
 * calls is.
 */
final class Qmp {
    /** A command; its result is what it returns to the client. */
    @FunctionalInterface
    private interface Command {
        Object run(Map<String, Object> arguments) throws BadRequest;
    }

    private static final String COMMAND_NOT_FOUND = "CommandNotFound";
    private static final String GENERIC_ERROR = "GenericError";
    private static final String NEGOTIATION = "qmp_capabilities";
    /** The QEMU whose protocol this is. */
    private static final Map<String, Object> VERSION =
            Map.of("qemu", Map.of("major", 10L, "minor", 2L, "micro", 0L), "package", "iommufd vmm qtest");
    private static final long NANOS_PER_MICRO = 1000;

    private final QmpSession.Target target;
    private final Consumer<Object> send;
    private final Map<String, Command> commands = new TreeMap<>();
    private boolean negotiated;

    /** @param send takes an answer, or an event */
    Qmp(QmpSession.Target target, Consumer<Object> send) {
        this.target = target;
        this.send = send;
        commands.put(NEGOTIATION, arguments -> negotiate());
        commands.put("query-version", arguments -> VERSION);
        commands.put("query-status", arguments -> Map.of("status", "running", "running", true));
        commands.put("query-commands", arguments -> commands.keySet().stream().map(name -> Map.of("name", name)).toList());
        commands.put("query-machines", arguments -> target.machines().stream().map(Qmp::machine).toList());
        commands.put("qom-list-types", this::types);
        commands.put("system_reset", arguments -> nothing());
        commands.put("quit", arguments -> nothing());
    }

    /** What a server says first. */
    void greet() {
        send.accept(Map.of("QMP", Map.of("version", VERSION, "capabilities", List.of())));
    }

    /** Answers the text of a request. */
    void request(String text) {
        Map<String, Object> answer = new LinkedHashMap<>();
        String name = "";
        try {
            if (!(Json.parse(text) instanceof Map<?, ?> request)) {
                throw new BadRequest("QMP input must be a JSON object");
            }
            if (request.containsKey("id")) {
                answer.put("id", request.get("id"));
            }
            name = name(request);
            Command command = commands.get(name);
            if (command == null) {
                answer.put("error", error(COMMAND_NOT_FOUND, "The command %s has not been found".formatted(Words.quoted(name))));
            } else if (!negotiated && !name.equals(NEGOTIATION)) {
                answer.put("error", error(COMMAND_NOT_FOUND, "Expecting capabilities negotiation with 'qmp_capabilities'"));
                name = "";
            } else {
                answer.put("return", command.run(arguments(request)));
            }
        } catch (BadRequest bad) {
            refuse(bad, answer);
            return;
        }
        send.accept(answer);
        afterwards(name);
    }

    /** Answers what was no request at all. */
    void refuse(BadRequest bad) {
        refuse(bad, new LinkedHashMap<>());
    }

    private void refuse(BadRequest bad, Map<String, Object> answer) {
        answer.put("error", error(GENERIC_ERROR, bad.getMessage()));
        send.accept(answer);
    }

    /** What a command does once the client knows that it will be done. */
    private void afterwards(String name) {
        switch (name) {
            case "system_reset" -> target.reset();
            case "quit" -> target.quit();
            default -> { }
        }
    }

    /** An event, as the constructor's {@code send} takes it. */
    static Object event(String name, Map<String, Object> data) {
        Instant now = Instant.now();
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("event", name);
        event.put("data", data);
        event.put("timestamp", Map.of("seconds", now.getEpochSecond(), "microseconds", now.getNano() / NANOS_PER_MICRO));
        return event;
    }

    private static String name(Map<?, ?> request) throws BadRequest {
        for (Object member : request.keySet()) {
            if (!List.of("execute", "arguments", "id").contains(member)) {
                throw new BadRequest("QMP input member %s is unexpected".formatted(Words.quoted(member.toString())));
            }
        }
        if (!(request.get("execute") instanceof String name)) {
            throw new BadRequest("QMP input lacks member 'execute', a string");
        }
        return name;
    }

    private static Map<String, Object> arguments(Map<?, ?> request) throws BadRequest {
        Map<String, Object> arguments = new LinkedHashMap<>();
        if (request.containsKey("arguments")) {
            if (!(request.get("arguments") instanceof Map<?, ?> given)) {
                throw new BadRequest("QMP input member 'arguments' must be an object");
            }
            given.forEach((key, value) -> arguments.put((String) key, value));
        }
        return arguments;
    }

    private Object negotiate() throws BadRequest {
        if (negotiated) {
            throw new BadRequest("Capabilities negotiation is already complete, command ignored");
        }
        negotiated = true;
        return nothing();
    }

    private Object types(Map<String, Object> arguments) {
        String implemented = arguments.get("implements") instanceof String name ? name : "object";
        return target.types(implemented).stream().map(name -> Map.of("name", name, "parent", implemented)).toList();
    }

    private static Object machine(String name) {
        Map<String, Object> machine = new LinkedHashMap<>();
        machine.put("name", name);
        machine.put("cpu-max", 1L);
        machine.put("hotpluggable-cpus", false);
        machine.put("numa-mem-supported", false);
        machine.put("deprecated", false);
        machine.put("acpi", false);
        return machine;
    }

    private static Object nothing() {
        return Map.of();
    }

    private static Object error(String kind, String description) {
        return Map.of("class", kind, "desc", description);
    }
}
