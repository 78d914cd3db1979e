package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

/** Moves the charge for what several spaces pin to another payer, all or nothing. */
final class ChargeMove {
    private ChargeMove() { }

    /** As {@link IovaSpace#recharge(List, PinCharge)}. Holds the locks of all spaces, so that no pin comes or goes. */
    static void move(List<IovaSpace> spaces, PinCharge newCharge) {
        int locked = 0;
        try {
            for (; locked < spaces.size(); locked++) {
                spaces.get(locked).mappings().domainsLock.lock();
                spaces.get(locked).mappings().iovaLock.writeLock().lock();
            }
            Set<SharedPages> moving = paidByOthers(spaces, newCharge);
            newCharge.charge(moving.stream().mapToLong(SharedPages::chargedPages).sum());
            moving.forEach(pages -> pages.moveCharge(newCharge));
            spaces.forEach(space -> space.mappings().charge = newCharge);
        } finally {
            while (--locked >= 0) {
                spaces.get(locked).mappings().iovaLock.writeLock().unlock();
                spaces.get(locked).mappings().domainsLock.unlock();
            }
        }
    }

    private static Set<SharedPages> paidByOthers(List<IovaSpace> spaces, PinCharge newCharge) {
        Set<SharedPages> found = Collections.newSetFromMap(new IdentityHashMap<>());
        for (IovaSpace space : spaces) {
            for (Area area = space.mappings().areas.first(); area != null; area = area.next) {
                if (area.pages.kind() != UserMemory.Kind.FILE) {
                    throw new IommufdException(Errno.EINVAL, "0x%x..0x%x is not memory of a file, so its charge cannot move"
                            .formatted(area.iova, area.lastIova));
                }
                if (area.pages.charge() != newCharge) {
                    found.add(area.pages);
                }
            }
        }
        return found;
    }
}
