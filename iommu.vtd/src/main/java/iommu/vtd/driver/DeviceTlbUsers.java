package iommu.vtd.driver;

import java.util.List;

/** Device-TLBs that may hold translations of a table. Immutable; who is asked must not allocate. */
final class DeviceTlbUsers {
    /** None at all. */
    static final DeviceTlbUsers NONE = new DeviceTlbUsers(List.of());

    private final User[] users;

    /**
     * One of them.
     *
     * @param pasid below 0 for requests without PASID
     */
    record User(VtdEndpoint endpoint, int pasid) {}

    private DeviceTlbUsers(List<User> users) {
        this.users = users.toArray(User[]::new);
    }

    static DeviceTlbUsers of(List<User> users) {
        return users.isEmpty() ? NONE : new DeviceTlbUsers(users);
    }

    int count() {
        return users.length;
    }

    /** Whether the device is there to be asked. */
    boolean open(int index) {
        return users[index].endpoint.hasDeviceTlb();
    }

    int sourceId(int index) {
        return users[index].endpoint.sourceId();
    }

    int pasid(int index) {
        return users[index].pasid;
    }
}
