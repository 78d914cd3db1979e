package vmm.qtest.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** QMP from the client's side: what it sends, and what it reads. */
class QmpTest implements QmpSession.Target {
    private static final String HELLO = "{'execute': 'qmp_capabilities'}";

    private final List<String> done = new ArrayList<>();

    @Override
    public List<String> machines() {
        return List.of("q35", "none");
    }

    @Override
    public List<String> types(String implemented) {
        return implemented.equals("device") ? List.of("edu") : List.of();
    }

    @Override
    public void reset() {
        done.add("reset");
    }

    @Override
    public void quit() {
        done.add("quit");
    }

    /** What the server says to this, greeting first. */
    private List<Map<?, ?>> answers(String input) throws IOException, BadRequest {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        new QmpSession(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)), out, this).run();
        List<Map<?, ?>> answers = new ArrayList<>();
        for (String line : out.toString(StandardCharsets.UTF_8).split("\r\n")) {
            answers.add((Map<?, ?>) Json.parse(line));
        }
        return answers;
    }

    private static String errorClass(Map<?, ?> answer) {
        return (String) ((Map<?, ?>) answer.get("error")).get("class");
    }

    @Test
    void greetsAndNegotiates() throws Exception {
        List<Map<?, ?>> answers = answers("{\"execute\": \"query-status\"}" + HELLO + " \n{ \"execute\":\"query-status\", \"id\": [1, null, \"x\"]}");
        Map<?, ?> version = (Map<?, ?>) ((Map<?, ?>) answers.get(0).get("QMP")).get("version");
        assertThat(((Map<?, ?>) version.get("qemu")).get("major")).isEqualTo(10L);
        assertThat(errorClass(answers.get(1))).isEqualTo("CommandNotFound");
        assertThat(answers.get(2).toString()).isEqualTo("{return={}}");
        assertThat(answers.get(3).get("id")).isEqualTo(List.of(1L, Optional.empty(), "x"));
        assertThat(((Map<?, ?>) answers.get(3).get("return")).get("running")).isEqualTo(true);
        assertThat(answers).hasSize(4);
    }

    @Test
    void tellsWhatThereIs() throws Exception {
        List<Map<?, ?>> answers = answers(HELLO + "{'execute':'query-machines'}{'execute':'qom-list-types','arguments':{'implements':'device','abstract':false}}"
                + "{'execute':'qom-list-types'}{'execute':'query-commands'}{'execute':'query-version'}");
        List<?> machines = (List<?>) answers.get(2).get("return");
        assertThat(machines.stream().map(machine -> ((Map<?, ?>) machine).get("name"))).isEqualTo(List.of("q35", "none"));
        assertThat(answers.get(3).get("return")).isEqualTo(List.of(Map.of("name", "edu", "parent", "device")));
        assertThat(answers.get(4).get("return")).isEqualTo(List.of());
        assertThat(answers.get(5).toString()).contains("system_reset").contains("quit");
    }

    @Test
    void answersBeforeItActs() throws Exception {
        List<Map<?, ?>> answers = answers(HELLO + "{'execute':'system_reset'}{'execute':'quit'}");
        assertThat(answers.get(2).get("return")).isEqualTo(Map.of());
        assertThat(done).containsExactly("reset", "quit");
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "{'execute': 5}", "{'execute': 'quit', 'more': 1}", "{'execute': 'quit', 'arguments': []}", "{execute: 'quit'}", "{'execute' 'quit'}",
            "{'execute': 'quit',}", "{'a': tru}", "{'a': 1e}", "{'a': '\\q'}", "{'a': '\\u00g0'}", "{'a': --1}", "{'a': 99999999999999999999}", "{'a': [1 2]}", "quit\n",
            "[1]\n", "} {\n", "\"x\"\n", "{'a': '\u0001'}", "{]", "{'execute': 'no-such-command'}", "{'execute': 'qmp_capabilities'}"})
    void nonsenseIsAnErrorAndTheNextRequestIsAnswered(String nonsense) throws Exception {
        List<Map<?, ?>> answers = answers(HELLO + nonsense + "{'execute': 'query-status', 'id': 7}");
        assertThat(answers).hasSize(4);
        assertThat(errorClass(answers.get(2))).isIn("GenericError", "CommandNotFound");
        assertThat(answers.get(3).get("id")).isEqualTo(7L);
        assertThat(done).isEmpty();
    }

    @Test
    void nestingHasAnEnd() throws Exception {
        String deep = "{'execute': 'quit', 'arguments': {'a': " + "[".repeat(Json.DEPTH) + "]".repeat(Json.DEPTH) + "}}";
        List<Map<?, ?>> answers = answers(HELLO + deep + "{'execute': 'query-status'}");
        assertThat(answers.get(2).toString()).contains("nested deeper");
        assertThat(answers.get(3).get("return")).isInstanceOf(Map.class);
    }

    @Test
    void objectsWithoutEndEndTheSession() {
        String endless = "{'a': '" + "x".repeat(JsonReader.LONGEST_BYTES + 1);
        assertThatThrownBy(() -> answers(HELLO + endless + "'}")).isInstanceOf(IOException.class).hasMessageContaining("longer than");
    }

    @Test
    void goingInTheMiddleIsNoRequest() throws Exception {
        assertThat(answers(HELLO + "{'execute': 'quit'")).hasSize(2);
        assertThat(answers(HELLO + "{'execute': 'qu\\")).hasSize(2);
        assertThat(done).isEmpty();
    }

    @Test
    void textSurvivesBothWays() throws Exception {
        Object value = Json.parse("{\"a\": [\"\\u00e4\\n\\\"\\\\\", -1, 2.5, true, false, null, {}], \"b\": {\"c\": []}}");
        assertThat(Json.parse(Json.write(value))).isEqualTo(value);
        assertThat(Json.write(value)).isEqualTo("{\"a\": [\"\\u00e4\\u000a\\\"\\\\\", -1, 2.5, true, false, null, {}], \"b\": {\"c\": []}}");
    }
}
