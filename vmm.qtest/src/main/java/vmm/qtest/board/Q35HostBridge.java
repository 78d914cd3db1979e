package vmm.qtest.board;

/** The host bridge of Intel's Q35 (82Q35 memory controller hub): PCIEXBAR says where the enhanced configuration window is. */
final class Q35HostBridge extends BridgeFunction {
    private static final PciIds IDS = new PciIds(0x8086, 0x29c0, 0x060000, 0);
    private static final int PCIEXBAR = 0x60;
    private static final long AFTER_RESET = 0xe000_0000L;
    private static final long ENABLE = 1;
    private static final int LENGTH_SHIFT = 1;
    private static final int LENGTH_MASK = 3;
    /** Length 0, and half of it for each step. */
    private static final long LARGEST_BYTES = 256 << 20;
    private static final int SMALLEST_LENGTH = 2;
    private static final long ADDRESS = 0xf_fc00_0000L;

    private final Board board;
    private final EnhancedConfig window;

    Q35HostBridge(Board board) {
        super(IDS);
        this.board = board;
        this.window = new EnhancedConfig(board.pci());
        config().with(PCIEXBAR, Long.BYTES, AFTER_RESET, ADDRESS | LENGTH_MASK << LENGTH_SHIFT | ENABLE);
    }

    @Override
    void writeConfig(int offset, int width, long value) {
        super.writeConfig(offset, width, value);
        place();
    }

    private void place() {
        board.unmap(window);
        long register = config().read(PCIEXBAR, Long.BYTES);
        int length = (int) (register >>> LENGTH_SHIFT) & LENGTH_MASK;
        if ((register & ENABLE) != 0 && length <= SMALLEST_LENGTH) {
            long bytes = LARGEST_BYTES >> length;
            board.map(register & ADDRESS & -bytes, bytes, window);
        }
    }

    @Override
    protected void resetDevice() {
        board.unmap(window);
    }
}
