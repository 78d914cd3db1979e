package iommufd.core.object;

/** The number that Linux gives to the access by which a hardware queue pins its pages. Nobody can do anything with it. */
final class QueueAccess extends ContextObject {
    QueueAccess(Context context) {
        super(context);
        hold();
    }

    @Override
    String kind() {
        return "access of a hardware queue";
    }

    @Override
    void release() {
        // the queue holds and releases the pages
    }
}
