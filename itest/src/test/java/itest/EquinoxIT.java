package itest;

/** The same bundles in Equinox: nothing here may depend on Felix as the framework. */
class EquinoxIT extends FrameworkContract {
    EquinoxIT() {
        super("org.eclipse.osgi.");
    }
}
