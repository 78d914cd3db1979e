package iommu.s390.driver;

import java.util.Arrays;

/**
 * The endpoints that are registered with a table, or with one above it. Thread-safe. Who changes the table and then finds no endpoint
 * here has changed it before that endpoint was registered: the lock orders the two.
 */
final class TableUsers {
    /**
     * One endpoint.
     *
     * @param table what it is registered with: this table, or a guest's over it
     */
    record User(ZpciEndpoint endpoint, TranslationTable table) {}

    private static final User[] NONE = {};

    private User[] users = NONE;

    synchronized void add(ZpciEndpoint endpoint, TranslationTable table) {
        User[] more = Arrays.copyOf(users, users.length + 1);
        more[users.length] = new User(endpoint, table);
        users = more;
    }

    synchronized void remove(ZpciEndpoint endpoint, TranslationTable table) {
        users = Arrays.stream(users).filter(user -> user.endpoint != endpoint || user.table != table).toArray(User[]::new);
    }

    /** Not to be changed. */
    synchronized User[] now() {
        return users;
    }
}
