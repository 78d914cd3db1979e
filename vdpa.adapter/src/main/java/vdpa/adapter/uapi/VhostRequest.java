package vdpa.adapter.uapi;

/** Request numbers of {@code linux/vhost.h} (Linux 7.3) that a vDPA device knows. */
public final class VhostRequest {
    /** {@code _IOR(0xAF, 0x00, __u64)}: features the device offers. */
    public static final int VHOST_GET_FEATURES = 0x8008AF00;
    /** {@code _IOW(0xAF, 0x00, __u64)}: features the driver chose. */
    public static final int VHOST_SET_FEATURES = 0x4008AF00;
    /** {@code _IO(0xAF, 0x01)}: the calling process becomes the owner. */
    public static final int VHOST_SET_OWNER = 0xAF01;
    /** {@code _IOW(0xAF, 0x03, struct vhost_memory)}: checked, of no use to vDPA. */
    public static final int VHOST_SET_MEM_TABLE = 0x4008AF03;
    /** {@code _IOW(0xAF, 0x04, __u64)}: refused by vDPA. */
    public static final int VHOST_SET_LOG_BASE = 0x4008AF04;
    /** {@code _IOW(0xAF, 0x07, int)}: refused by vDPA. */
    public static final int VHOST_SET_LOG_FD = 0x4004AF07;
    /** {@code _IOW(0xAF, 0x10, struct vhost_vring_state)}: size of a queue. */
    public static final int VHOST_SET_VRING_NUM = 0x4008AF10;
    /** {@code _IOW(0xAF, 0x11, struct vhost_vring_addr)}: where a queue is. */
    public static final int VHOST_SET_VRING_ADDR = 0x4028AF11;
    /** {@code _IOW(0xAF, 0x12, struct vhost_vring_state)}: where to go on in a queue. */
    public static final int VHOST_SET_VRING_BASE = 0x4008AF12;
    /** {@code _IOWR(0xAF, 0x12, struct vhost_vring_state)}: where the device would go on. */
    public static final int VHOST_GET_VRING_BASE = 0xC008AF12;
    /** {@code _IOW(0xAF, 0x20, struct vhost_vring_file)}: eventfd that kicks the device. */
    public static final int VHOST_SET_VRING_KICK = 0x4008AF20;
    /** {@code _IOW(0xAF, 0x21, struct vhost_vring_file)}: eventfd that calls the driver. */
    public static final int VHOST_SET_VRING_CALL = 0x4008AF21;
    /** {@code _IOW(0xAF, 0x22, struct vhost_vring_file)}: eventfd that tells of a broken queue. */
    public static final int VHOST_SET_VRING_ERR = 0x4008AF22;
    /** {@code _IOW(0xAF, 0x23, struct vhost_vring_state)}: remembered, of no use to vDPA. */
    public static final int VHOST_SET_VRING_BUSYLOOP_TIMEOUT = 0x4008AF23;
    /** {@code _IOW(0xAF, 0x24, struct vhost_vring_state)}: what was remembered. */
    public static final int VHOST_GET_VRING_BUSYLOOP_TIMEOUT = 0x4008AF24;
    /** {@code _IOW(0xAF, 0x25, __u64)}: features of the transport that the client uses. */
    public static final int VHOST_SET_BACKEND_FEATURES = 0x4008AF25;
    /** {@code _IOR(0xAF, 0x26, __u64)}: features of the transport. */
    public static final int VHOST_GET_BACKEND_FEATURES = 0x8008AF26;
    /** {@code _IOR(0xAF, 0x70, __u32)}: virtio device id. */
    public static final int VHOST_VDPA_GET_DEVICE_ID = 0x8004AF70;
    /** {@code _IOR(0xAF, 0x71, __u8)}: virtio status. */
    public static final int VHOST_VDPA_GET_STATUS = 0x8001AF71;
    /** {@code _IOW(0xAF, 0x72, __u8)}: virtio status; 0 resets. */
    public static final int VHOST_VDPA_SET_STATUS = 0x4001AF72;
    /** {@code _IOR(0xAF, 0x73, struct vhost_vdpa_config)}: reads the configuration space. */
    public static final int VHOST_VDPA_GET_CONFIG = 0x8008AF73;
    /** {@code _IOW(0xAF, 0x74, struct vhost_vdpa_config)}: writes it. */
    public static final int VHOST_VDPA_SET_CONFIG = 0x4008AF74;
    /** {@code _IOW(0xAF, 0x75, struct vhost_vring_state)}: enables or disables a queue. */
    public static final int VHOST_VDPA_SET_VRING_ENABLE = 0x4008AF75;
    /** {@code _IOR(0xAF, 0x76, __u16)}: most entries of a queue. */
    public static final int VHOST_VDPA_GET_VRING_NUM = 0x8002AF76;
    /** {@code _IOW(0xAF, 0x77, int)}: eventfd that tells of configuration changes. */
    public static final int VHOST_VDPA_SET_CONFIG_CALL = 0x4004AF77;
    /** {@code _IOR(0xAF, 0x78, struct vhost_vdpa_iova_range)}: IOVAs that can be mapped. */
    public static final int VHOST_VDPA_GET_IOVA_RANGE = 0x8010AF78;
    /** {@code _IOR(0xAF, 0x79, __u32)}: size of the configuration space. */
    public static final int VHOST_VDPA_GET_CONFIG_SIZE = 0x8004AF79;
    /** {@code _IOR(0xAF, 0x7A, unsigned int)}: number of address spaces. */
    public static final int VHOST_VDPA_GET_AS_NUM = 0x8004AF7A;
    /** {@code _IOWR(0xAF, 0x7B, struct vhost_vring_state)}: group of a queue. */
    public static final int VHOST_VDPA_GET_VRING_GROUP = 0xC008AF7B;
    /** {@code _IOW(0xAF, 0x7C, struct vhost_vring_state)}: moves a group to an address space. */
    public static final int VHOST_VDPA_SET_GROUP_ASID = 0x4008AF7C;
    /** {@code _IO(0xAF, 0x7D)}: suspends the device. */
    public static final int VHOST_VDPA_SUSPEND = 0xAF7D;
    /** {@code _IO(0xAF, 0x7E)}: resumes it. */
    public static final int VHOST_VDPA_RESUME = 0xAF7E;
    /** {@code _IOWR(0xAF, 0x7F, struct vhost_vring_state)}: group of a queue's ring. */
    public static final int VHOST_VDPA_GET_VRING_DESC_GROUP = 0xC008AF7F;
    /** {@code _IOR(0xAF, 0x80, __u32)}: number of queues. */
    public static final int VHOST_VDPA_GET_VQS_COUNT = 0x8004AF80;
    /** {@code _IOR(0xAF, 0x81, __u32)}: number of groups. */
    public static final int VHOST_VDPA_GET_GROUP_NUM = 0x8004AF81;
    /** {@code _IOWR(0xAF, 0x82, struct vhost_vring_state)}: size of a queue. */
    public static final int VHOST_VDPA_GET_VRING_SIZE = 0xC008AF82;
    /** {@code _IOW(0xAF, 0x84, __u8)}: remembered, of no use to vDPA. */
    public static final int VHOST_SET_FORK_FROM_OWNER = 0x4001AF84;
    /** {@code _IOR(0xAF, 0x85, __u8)}: what was remembered. */
    public static final int VHOST_GET_FORK_FROM_OWNER = 0x8001AF85;

    private VhostRequest() {}
}
