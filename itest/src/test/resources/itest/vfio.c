/* A driver in user space for the device of VfioDevicesIT: argument 1 says what it does. Exit code: the line that failed, or 0. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define NODE "/dev/vfio/devices/vfio0"
#define CONFIG (7ULL << 40)
#define SHARED (2ULL << 40)
#define IOVA 0x100000ULL
#define CHECK(what) do { if (!(what)) { fprintf(stderr, "vfio.c:%d: %s, errno %d\n", __LINE__, #what, errno); return __LINE__ % 250 + 1; } } while (0)

static int iommufd, device;

struct bind { uint32_t argsz, flags; int32_t iommufd; uint32_t out_devid; uint64_t token; };
struct attach { uint32_t argsz, flags, pt_id, pasid; };
struct ioas { uint32_t size, flags, out_id; };
struct map { uint32_t size, flags, ioas, reserved; uint64_t va, length, iova; };
struct irqs { uint32_t argsz, flags, index, start, count; int32_t fd; };
struct region { uint32_t argsz, flags, index, cap_offset; uint64_t size, offset; };
struct state { uint32_t argsz, flags, state; int32_t fd; };

static int bind_and_attach(void *memory, size_t length) {
    CHECK((iommufd = open("/dev/iommu", O_RDWR)) >= 0);
    CHECK((device = open(NODE, O_RDWR)) >= 0);
    uint32_t id;
    CHECK(pread(device, &id, 4, CONFIG) == -1 && errno == EINVAL);
    struct bind bind = {sizeof bind, 0, iommufd};
    CHECK(ioctl(device, 0x3b76, &bind) == 0 && bind.out_devid > 0);
    struct ioas ioas = {sizeof ioas};
    CHECK(ioctl(iommufd, 0x3b81, &ioas) == 0);
    struct map map = {sizeof map, 7, ioas.out_id, 0, (uintptr_t) memory, length, IOVA};
    CHECK(ioctl(iommufd, 0x3b85, &map) == 0);
    struct attach attach = {sizeof attach, 0, ioas.out_id};
    CHECK(ioctl(device, 0x3b77, &attach) == 0 && attach.pt_id != ioas.out_id);
    uint16_t command = 6;
    CHECK(pwrite(device, &command, 2, CONFIG + 4) == 2);
    return 0;
}

static int set_eventfd(int index, int fd) {
    struct irqs irqs = {sizeof irqs, 0x24, index, 0, 1, fd};
    return ioctl(device, 0x3b6e, &irqs);
}

/* The device writes a value to memory and interrupts. */
static int order(uint64_t iova, uint64_t value) {
    uint64_t registers[3] = {iova, value, 1};
    return pwrite(device, registers, sizeof registers, 0) == sizeof registers ? 0 : -1;
}

static int drive(uint64_t *memory, size_t length) {
    int failed = bind_and_attach(memory, length);
    if (failed) return failed;
    uint32_t id;
    CHECK(pread(device, &id, 4, CONFIG) == 4 && id == 0x11e81234);
    struct region region = {sizeof region, 0, 2};
    CHECK(ioctl(device, 0x3b6c, &region) == 0 && (region.flags & 7) == 7 && region.size == 8192 && region.offset == SHARED);
    int fd = eventfd(0, 0);
    CHECK(set_eventfd(2, fd) == 0);
    uint64_t count = 0;
    for (int i = 1; i <= 100; i++) {
        CHECK(order(IOVA + 8 * i, 0x1000 + i) == 0);
        CHECK(read(fd, &count, 8) == 8 && count == 1);
        CHECK(memory[i] == 0x1000 + i);
    }
    /* Shared memory: the device adds one to the word we leave there. */
    volatile uint64_t *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device, SHARED);
    CHECK(shared != MAP_FAILED);
    shared[1] = 41;
    CHECK(order(0, 0) == 0);
    CHECK(read(fd, &count, 8) == 8 && shared[1] == 42);
    /* The device's state, through a file of its own. */
    struct state state = {sizeof state, 1 << 17 | 2, 3};
    CHECK(ioctl(device, 0x3b75, &state) == 0 && state.fd >= 0);
    uint64_t words[8];
    CHECK(read(state.fd, words, sizeof words) == 8 && read(state.fd, words + 1, 8) == 0);
    CHECK(close(state.fd) == 0);
    struct state running = {sizeof running, 1 << 17 | 2, 2};
    CHECK(ioctl(device, 0x3b75, &running) == 0 && running.fd == -1);
    CHECK(ioctl(device, 0x3b6f, 0) == 0);
    CHECK(close(device) == 0);
    /* Closed is closed: the next open finds it free. */
    CHECK((device = open(NODE, O_RDWR)) >= 0);
    struct bind again = {sizeof again, 0, iommufd};
    CHECK(ioctl(device, 0x3b76, &again) == 0);
    return 0;
}

static int hold(uint64_t *memory, size_t length) {
    int failed = bind_and_attach(memory, length);
    if (failed) return failed;
    int request = eventfd(0, 0);
    CHECK(set_eventfd(4, request) == 0);
    CHECK(creat(getenv("READY"), 0600) >= 0);
    struct pollfd wait = {request, POLLIN};
    CHECK(poll(&wait, 1, 20000) == 1);
    uint32_t id;
    for (int i = 0; i < 2000; i++) {
        if (pread(device, &id, 4, CONFIG) < 0) {
            CHECK(errno == ENODEV);
            CHECK(ioctl(device, 0x3b6f, 0) == -1 && errno == ENODEV);
            return 0;
        }
        usleep(5000);
    }
    CHECK(!"the device stays");
    return 0;
}

int main(int count, char **arguments) {
    size_t length = 1 << 20;
    uint64_t *memory = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(memory, 0, length);
    if (!strcmp(arguments[1], "drive")) return drive(memory, length);
    if (!strcmp(arguments[1], "hold")) return hold(memory, length);
    int failed = bind_and_attach(memory, length);
    if (failed) return failed;
    CHECK(set_eventfd(2, eventfd(0, 0)) == 0);
    CHECK(order(IOVA, 1) == 0);
    raise(SIGKILL);
    return 1;
}
