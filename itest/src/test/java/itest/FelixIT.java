package itest;

/** The bundles in a bare Felix, started and stopped like an application's. */
class FelixIT extends FrameworkContract {
    FelixIT() {
        super("org.apache.felix.");
    }
}
