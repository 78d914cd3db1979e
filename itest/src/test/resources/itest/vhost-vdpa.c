// Drives a vDPA device that copies the first descriptor of a chain to the second: sets it up as QEMU does, passes buffers by real
// eventfds, suspends, moves on from the state it got. Prints "done", or returns the number of the line that failed.
//
//   vhost-vdpa NODE [hold]     with "hold" it prints "ready" and waits for its end
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define NEED(condition) do { if (!(condition)) { fprintf(stderr, "line %d: %s\n", __LINE__, strerror(errno)); exit(3); } } while (0)
#define IO(number) _IO(0xAF, number)
#define SET(number, type) _IOW(0xAF, number, type)
#define GET(number, type) _IOR(0xAF, number, type)
#define BOTH(number, type) _IOWR(0xAF, number, type)

struct state { uint32_t index, num; };
struct file { uint32_t index; int32_t fd; };
struct address { uint32_t index, flags; uint64_t desc, used, avail, log; };
struct message { uint32_t type, asid; uint64_t iova, size, uaddr; uint8_t perm, kind; uint8_t padding[38]; };
struct descriptor { uint64_t address; uint32_t length; uint16_t flags, next; };
struct config { uint32_t offset, length; uint8_t bytes[8]; };
struct config_header { uint32_t offset, length; };

enum { IOVA = 1 << 20, BYTES = 1 << 20, ENTRIES = 8, AVAIL = 0x800, USED = 0x1000, FROM = 0x2000, TO = 0x4000, LENGTH = 5000 };

static int node, kick, call;
static uint8_t *memory;

static void map(void *address, uint64_t iova) {
  struct message begin = {2, 0}, update = {2, 0, iova, BYTES, (uintptr_t)address, 3, 2}, end = {2, 0};
  begin.kind = 5;
  end.kind = 6;
  NEED(write(node, &begin, sizeof begin) == 72 && write(node, &update, sizeof update) == 72 && write(node, &end, sizeof end) == 72);
}

static void set_up(uint32_t base) {
  uint8_t status;
  uint64_t features = 3ULL << 32;
  for (int i = 0; i < 2; i++) { status = i == 0 ? 1 : 3; NEED(!ioctl(node, SET(0x72, uint8_t), &status)); }
  NEED(!ioctl(node, SET(0x00, uint64_t), &features));
  status = 11;
  NEED(!ioctl(node, SET(0x72, uint8_t), &status));
  NEED(!ioctl(node, SET(0x10, struct state), &((struct state){0, ENTRIES})));
  NEED(!ioctl(node, SET(0x11, struct address), &((struct address){0, 0, IOVA, IOVA + USED, IOVA + AVAIL, 0})));
  NEED(!ioctl(node, SET(0x12, struct state), &((struct state){0, base})));
  NEED(!ioctl(node, SET(0x20, struct file), &((struct file){0, kick})));
  NEED(!ioctl(node, SET(0x21, struct file), &((struct file){0, call})));
  NEED(!ioctl(node, SET(0x75, struct state), &((struct state){0, 1})));
  status = 15;
  NEED(!ioctl(node, SET(0x72, uint8_t), &status));
  NEED(!ioctl(node, GET(0x71, uint8_t), &status) && status == 15);
}

static void pass(uint16_t index) {
  struct descriptor *ring = (struct descriptor *)memory;
  uint16_t *avail = (uint16_t *)(memory + AVAIL);
  memset(memory + FROM, index + 1, LENGTH);
  memset(memory + TO, 0, LENGTH);
  ring[0] = (struct descriptor){IOVA + FROM, LENGTH, 1, 1};
  ring[1] = (struct descriptor){IOVA + TO, LENGTH, 2, 0};
  avail[2 + index % ENTRIES] = 0;
  __atomic_store_n(avail + 1, (uint16_t)(index + 1), __ATOMIC_RELEASE);
  NEED(eventfd_write(kick, 1) == 0);
  struct pollfd called = {call, POLLIN};
  NEED(poll(&called, 1, 5000) == 1);
  eventfd_t count;
  NEED(eventfd_read(call, &count) == 0);
  NEED(memory[TO] == (uint8_t)(index + 1) && memory[TO + LENGTH - 1] == (uint8_t)(index + 1));
  NEED(((uint16_t *)(memory + USED))[1] == (uint16_t)(index + 1));
}

static uint32_t base(void) {
  struct state state = {0, 0};
  NEED(!ioctl(node, BOTH(0x12, struct state), &state));
  return state.num;
}

int main(int count, char **arguments) {
  if (count < 2) return 2;
  node = open(arguments[1], O_RDWR);
  NEED(node >= 0);
  NEED(open(arguments[1], O_RDWR) < 0 && errno == EBUSY);
  kick = eventfd(0, EFD_NONBLOCK);
  call = eventfd(0, EFD_NONBLOCK);
  uint64_t backend;
  NEED(ioctl(node, SET(0x10, struct state), &((struct state){0, 8})) && errno == EPERM);
  NEED(!ioctl(node, IO(0x01)) && ioctl(node, IO(0x01)) && errno == EBUSY);
  NEED(!ioctl(node, GET(0x26, uint64_t), &backend));
  NEED(!ioctl(node, SET(0x25, uint64_t), &backend));
  struct config written = {0, 8, "virtual"}, read_back = {2, 6};
  NEED(!ioctl(node, SET(0x74, struct config_header), &written));
  NEED(!ioctl(node, GET(0x73, struct config_header), &read_back) && !memcmp(read_back.bytes, "rtual", 6));
  NEED(ioctl(node, SET(0x10, struct state), &((struct state){9, 8})) && errno == ENOBUFS);
  NEED(ioctl(node, SET(0x04, uint64_t), &backend) && errno == ENOTTY);
  char nothing[72];
  NEED(read(node, nothing, sizeof nothing) < 0 && errno == EINVAL);
  for (int flags = 0; flags < 2; flags++) {   // shared and private memory
    memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, (flags ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS, -1, 0);
    NEED(memory != MAP_FAILED);
    map(memory, IOVA);
    set_up(0);
    for (int i = 0; i < 100; i++) pass(i);
    if (count > 2) {
      printf("ready\n");
      fflush(stdout);
      uint8_t status;
      while (!ioctl(node, GET(0x71, uint8_t), &status)) usleep(20000);
      NEED(errno == ENODEV);
      return 0;
    }
    NEED(!ioctl(node, IO(0x7D)));
    uint32_t saved = base();
    NEED(saved == 100);
    uint8_t reset = 0;
    NEED(!ioctl(node, SET(0x72, uint8_t), &reset));
    set_up(saved);
    for (int i = 100; i < 200; i++) pass(i);
    NEED(!ioctl(node, SET(0x72, uint8_t), &reset));
    struct message all = {2, 0, IOVA, BYTES, 0, 0, 3};
    NEED(write(node, &all, sizeof all) == 72);
  }
  printf("done\n");
  return 0;
}
