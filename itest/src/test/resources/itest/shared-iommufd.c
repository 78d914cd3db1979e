// One iommufd, one address space, memory mapped and pinned once, and two devices that move the same bytes: a VFIO device with a DMA engine
// (edu) and a virtio block device, each by its own uAPI. Prints "done", or the line that failed.
//
//   shared-iommufd VFIO-NODE VHOST-VDPA-NODE
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEED(condition) do { if (!(condition)) { fprintf(stderr, "line %d: %s\n", __LINE__, strerror(errno)); exit(3); } } while (0)
#define IOMMUFD(number) (';' << 8 | (number))
#define VDPA(direction, number, type) _IOC(direction, 0xAF, number, sizeof(type))

enum { PAGE = 4096, BYTES = 1 << 20, IOVA = 1 << 20, ENTRIES = 8, AVAIL = 0x800, USED = 0x1000, HEADER = 0x2000, STATUS = 0x2800,
  A = 0x3000, B = 0x4000, C = 0x5000, D = 0x6000, EDU_BUFFER = 0x40000, SECTOR = 512 };

struct ioas_alloc { uint32_t size, flags, id; };
struct ioas_map { uint32_t size, flags, ioas, reserved; uint64_t address, length, iova; };
struct bind { uint32_t argsz, flags; int32_t iommufd; uint32_t device; };
struct attach { uint32_t argsz, flags, pt; };
struct vdpa_iommufd { uint32_t argsz, flags, value, pasid; };
struct state { uint32_t index, num; };
struct file { uint32_t index; int32_t fd; };
struct address { uint32_t index, flags; uint64_t desc, used, avail, log; };
struct descriptor { uint64_t address; uint32_t length; uint16_t flags, next; };
struct request { uint32_t type, reserved; uint64_t sector; };
struct region { uint32_t argsz, flags, index, cap; uint64_t size, offset; };

static int iommufd, edu, blk, kick, call;
static uint64_t bar;
static uint8_t *memory;

static void become_ordinary(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  NEED(!syscall(SYS_capget, &header, data));
  data[0].effective &= ~(1u << CAP_SYS_RESOURCE | 1u << CAP_IPC_LOCK);
  NEED(!syscall(SYS_capset, &header, data));
  struct rlimit limit = {BYTES + PAGE, BYTES + PAGE};
  NEED(!setrlimit(RLIMIT_MEMLOCK, &limit));
}

static int map(uint32_t ioas, void *address, uint64_t length, uint64_t iova) {
  struct ioas_map map = {sizeof map, 7, ioas, 0, (uintptr_t) address, length, iova};
  return ioctl(iommufd, IOMMUFD(0x85), &map);
}

static void wide(uint64_t offset, uint64_t value) { NEED(pwrite(edu, &value, 8, bar + offset) == 8); }

// The engine copies one page through its buffer.
static void edu_copy(uint64_t from, uint64_t to) {
  for (int back = 0; back < 2; back++) {
    uint64_t command = 1;
    wide(0x80, back ? EDU_BUFFER : IOVA + from);
    wide(0x88, back ? IOVA + to : EDU_BUFFER);
    wide(0x90, PAGE);
    wide(0x98, back ? 3 : 1);
    for (int i = 0; i < 5000 && (command & 1); i++) {
      NEED(pread(edu, &command, 8, bar + 0x98) == 8);
      if (command & 1) usleep(100);
    }
    NEED(!(command & 1));
  }
}

static void blk_request(uint16_t index, int write, uint64_t sector, uint64_t page) {
  struct descriptor *ring = (struct descriptor *) memory;
  uint16_t *avail = (uint16_t *) (memory + AVAIL);
  *(struct request *) (memory + HEADER) = (struct request){write, 0, sector};
  memory[STATUS] = 0xff;
  ring[0] = (struct descriptor){IOVA + HEADER, sizeof(struct request), 1, 1};
  ring[1] = (struct descriptor){IOVA + page, PAGE, write ? 1 : 3, 2};
  ring[2] = (struct descriptor){IOVA + STATUS, 1, 2, 0};
  avail[2 + index % ENTRIES] = 0;
  __atomic_store_n(avail + 1, (uint16_t) (index + 1), __ATOMIC_SEQ_CST);
  NEED(eventfd_write(kick, 1) == 0);
  struct pollfd called = {call, POLLIN};
  for (int tries = 0; __atomic_load_n((uint16_t *) (memory + USED) + 1, __ATOMIC_ACQUIRE) != (uint16_t) (index + 1); tries++) {
    eventfd_t count;
    NEED(tries < 3 && poll(&called, 1, 5000) == 1 && eventfd_read(call, &count) == 0);
  }
  NEED(memory[STATUS] == 0);
}

static uint32_t bind_edu(uint32_t ioas, const char *node) {
  NEED((edu = open(node, O_RDWR)) >= 0);
  struct bind bind = {sizeof bind, 0, iommufd};
  NEED(!ioctl(edu, IOMMUFD(118), &bind));
  struct attach attach = {sizeof attach, 0, ioas};
  NEED(!ioctl(edu, IOMMUFD(119), &attach));
  struct region region = {sizeof region, 0, 0}, config = {sizeof config, 0, 7};
  NEED(!ioctl(edu, IOMMUFD(108), &region) && !ioctl(edu, IOMMUFD(108), &config));
  bar = region.offset;
  uint16_t command = 6;
  NEED(pwrite(edu, &command, 2, config.offset + 4) == 2);
  return attach.pt;
}

static uint32_t bind_blk(uint32_t ioas, const char *node) {
  NEED((blk = open(node, O_RDWR)) >= 0);
  NEED(!ioctl(blk, _IO(0xAF, 0x01)));
  struct vdpa_iommufd bind = {sizeof bind, 0, iommufd}, attach = {sizeof attach, 0, ioas};
  NEED(!ioctl(blk, VDPA(_IOC_READ | _IOC_WRITE, 0xF0, bind), &bind));
  NEED(!ioctl(blk, VDPA(_IOC_READ | _IOC_WRITE, 0xF1, attach), &attach));
  uint64_t features = 3ULL << 32;
  uint8_t status = 1;
  NEED(!ioctl(blk, VDPA(_IOC_WRITE, 0x72, status), &status));
  status = 3;
  NEED(!ioctl(blk, VDPA(_IOC_WRITE, 0x72, status), &status));
  NEED(!ioctl(blk, VDPA(_IOC_WRITE, 0x00, features), &features));
  status = 11;
  NEED(!ioctl(blk, VDPA(_IOC_WRITE, 0x72, status), &status));
  NEED(!ioctl(blk, VDPA(_IOC_WRITE, 0x10, struct state), &((struct state){0, ENTRIES})));
  NEED(!ioctl(blk, VDPA(_IOC_WRITE, 0x11, struct address), &((struct address){0, 0, IOVA, IOVA + USED, IOVA + AVAIL, 0})));
  NEED((kick = eventfd(0, EFD_NONBLOCK)) >= 0 && (call = eventfd(0, EFD_NONBLOCK)) >= 0);
  NEED(!ioctl(blk, VDPA(_IOC_WRITE, 0x20, struct file), &((struct file){0, kick})));
  NEED(!ioctl(blk, VDPA(_IOC_WRITE, 0x21, struct file), &((struct file){0, call})));
  NEED(!ioctl(blk, VDPA(_IOC_WRITE, 0x75, struct state), &((struct state){0, 1})));
  status = 15;
  NEED(!ioctl(blk, VDPA(_IOC_WRITE, 0x72, status), &status));
  return attach.value;
}

int main(int count, char **nodes) {
  NEED(count == 3);
  become_ordinary();
  memory = mmap(NULL, BYTES + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  NEED(memory != MAP_FAILED);
  NEED((iommufd = open("/dev/iommu", O_RDWR)) >= 0);
  struct ioas_alloc ioas = {sizeof ioas};
  NEED(!ioctl(iommufd, IOMMUFD(0x81), &ioas));
  NEED(!map(ioas.id, memory, BYTES, IOVA));
  uint32_t one = bind_edu(ioas.id, nodes[1]), other = bind_blk(ioas.id, nodes[2]);
  // The two share a page table, and the limit is for the memory and one page more: pinned twice, it would not be enough for the first.
  NEED(one == other);
  NEED(!map(ioas.id, memory + BYTES, PAGE, IOVA + BYTES));
  NEED(map(ioas.id, memory + BYTES + PAGE, PAGE, IOVA + BYTES + PAGE) == -1 && errno == ENOMEM);
  for (int i = 0; i < 50; i++) {
    for (int at = 0; at < PAGE; at += 8) *(uint64_t *) (memory + A + at) = (i + 1) * 0x9E3779B97F4A7C15u + at;
    memset(memory + B, 0, 3 * PAGE);
    edu_copy(A, B);
    blk_request(2 * i, 1, i * (PAGE / SECTOR), B);
    blk_request(2 * i + 1, 0, i * (PAGE / SECTOR), C);
    edu_copy(C, D);
    NEED(!memcmp(memory + A, memory + D, PAGE));
  }
  // Closing one takes nothing from the other.
  NEED(!close(edu));
  blk_request(100, 0, 0, C);
  NEED(*(uint64_t *) (memory + C) == 0x9E3779B97F4A7C15u);
  printf("done\n");
  return 0;
}
