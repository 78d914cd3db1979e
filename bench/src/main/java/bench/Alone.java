package bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Runs one scenario in a JVM of its own, with this JVM's flags. */
final class Alone {
    private static final String MARK = "#found";
    private static final String SEPARATOR = "\t";

    private Alone() {}

    /** @return what the scenario found, by key */
    static Map<String, Measurement> run(String scenario, boolean quick) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(ProcessHandle.current().info().command().orElse("java"));
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Alone.class.getName(), scenario, Boolean.toString(quick)));
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        Map<String, Measurement> found = new HashMap<>();
        try (var output = new BufferedReader(new InputStreamReader(process.getInputStream()))) {
            output.lines().forEach(line -> {
                String[] parts = line.split(SEPARATOR, -1);
                if (parts[0].equals(MARK)) {
                    found.put(scenario + "." + parts[1],
                            new Measurement(Double.parseDouble(parts[2]), Double.parseDouble(parts[3]), parts[4]));
                } else {
                    System.err.println(line);
                }
            });
        }
        process.waitFor();
        return found;
    }

    /** The other JVM. */
    public static void main(String[] arguments) throws Exception {
        var scenario = (Scenario) Class.forName("bench." + arguments[0]).getDeclaredConstructor().newInstance();
        scenario.run(Boolean.parseBoolean(arguments[1]), (name, value, allocatedBytes, note) ->
                System.out.println(String.join(SEPARATOR, MARK, name, Double.toString(value), Double.toString(allocatedBytes), note)));
        System.exit(0); // device threads may still run
    }
}
