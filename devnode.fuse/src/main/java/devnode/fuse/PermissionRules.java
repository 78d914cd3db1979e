package devnode.fuse;

import devnode.fuse.server.Permissions;
import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Who may open which nodes. Immutable. */
final class PermissionRules {
    private static final Pattern RULE = Pattern.compile("(?<path>/[^=]*)=(?<user>[^:]+):(?<group>[^:]+):(?<mode>[0-7]{3,4})");
    private static final int MODE_BITS = 0777;

    private final List<Rule> rules = new ArrayList<>();

    private record Rule(PathMatcher paths, Permissions permissions) {}

    /** @throws IllegalArgumentException if a rule makes no sense; the message is for people */
    PermissionRules(String... texts) {
        for (String text : texts) {
            Matcher rule = RULE.matcher(text.trim());
            if (!rule.matches()) {
                throw new IllegalArgumentException("'" + text + "' is no rule PATH=USER:GROUP:MODE, such as /dev/iommu=root:kvm:0660");
            }
            rules.add(new Rule(FileSystems.getDefault().getPathMatcher("glob:" + rule.group("path")), new Permissions(
                    number(rule.group("user"), Path.of("/etc/passwd")), number(rule.group("group"), Path.of("/etc/group")),
                    Integer.parseInt(rule.group("mode"), 8) & MODE_BITS)));
        }
    }

    Permissions of(String path) {
        return rules.stream().filter(rule -> rule.paths.matches(Path.of(path))).findFirst().map(Rule::permissions).orElse(Permissions.DEFAULT);
    }

    private static int number(String nameOrNumber, Path database) {
        if (nameOrNumber.chars().allMatch(Character::isDigit)) {
            return Integer.parseUnsignedInt(nameOrNumber);
        }
        try {
            return Files.readAllLines(database).stream().map(line -> line.split(":")).filter(fields -> fields[0].equals(nameOrNumber))
                    .findFirst().map(fields -> Integer.parseUnsignedInt(fields[2]))
                    .orElseThrow(() -> new IllegalArgumentException("there is no '" + nameOrNumber + "' in " + database));
        } catch (IOException e) {
            throw new IllegalArgumentException("'" + nameOrNumber + "' cannot be looked up in " + database, e);
        }
    }
}
