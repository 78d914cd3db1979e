package vmm.qtest.board;

/** A function of the chipset that is only there to be found. */
class BridgeFunction extends PciFunction {
    private static final Mmio NOTHING = new Mmio() {
        @Override
        public long read(long offset, int bytes) {
            return -1;
        }

        @Override
        public void write(long offset, int bytes, long value) {
            // nothing listens
        }
    };

    BridgeFunction(PciIds ids) {
        super(ids, 0, false);
    }

    @Override
    protected Mmio registers() {
        return NOTHING;
    }

    @Override
    protected void resetDevice() {
        // configuration space is all it has
    }
}
