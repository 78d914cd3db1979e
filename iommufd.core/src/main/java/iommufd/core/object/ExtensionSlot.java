package iommufd.core.object;

import iommufd.api.uapi.IommufdFile.ExtensionObject;

/** An extension's object under a number. */
final class ExtensionSlot extends ContextObject {
    private final ExtensionObject object;

    ExtensionSlot(Context context, ExtensionObject object) {
        super(context);
        this.object = object;
    }

    ExtensionObject object() {
        return object;
    }

    @Override
    String kind() {
        return "extension's object";
    }

    /** The context's close asks nobody: sessions of extensions were closed before. */
    @Override
    void release() {
        if (!context().closed()) {
            object.destroyed();
        }
    }
}
