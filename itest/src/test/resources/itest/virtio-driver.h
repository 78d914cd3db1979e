// The driver's end of a virtio device behind a vhost-vdpa node, for the programs here: split and packed queues, indirect tables, event
// indexes, kicks by eventfd or by a store. All of a queue, also what its driver remembers, is in memory that another process may map and
// go on with. What goes wrong ends the program, with the line.
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
#include <time.h>
#include <unistd.h>

#define NEED(condition) do { if (!(condition)) { fprintf(stderr, "%s line %d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno)); exit(3); } } while (0)

#define VHOST_IO(number) _IO(0xAF, number)
#define VHOST_SET(number, type) _IOW(0xAF, number, type)
#define VHOST_GET(number, type) _IOR(0xAF, number, type)
#define VHOST_BOTH(number, type) _IOWR(0xAF, number, type)

struct vring_state { uint32_t index, num; };
struct vring_file { uint32_t index; int32_t fd; };
struct vring_address { uint32_t index, flags; uint64_t desc, used, avail, log; };
struct iotlb_message { uint32_t type, asid; uint64_t iova, size, uaddr; uint8_t perm, kind; uint8_t padding[38]; };
struct config_header { uint32_t offset, length; };
struct descriptor { uint64_t address; uint32_t length; uint16_t flags, next; };        // of a split queue
struct packed_descriptor { uint64_t address; uint32_t length; uint16_t id, flags; };   // of a packed one

#define SET_STATUS VHOST_SET(0x72, uint8_t)
#define GET_STATUS VHOST_GET(0x71, uint8_t)
#define SET_VRING_NUM VHOST_SET(0x10, struct vring_state)
#define SET_VRING_ADDR VHOST_SET(0x11, struct vring_address)
#define SET_VRING_BASE VHOST_SET(0x12, struct vring_state)
#define GET_VRING_BASE VHOST_BOTH(0x12, struct vring_state)
#define SET_VRING_KICK VHOST_SET(0x20, struct vring_file)
#define SET_VRING_CALL VHOST_SET(0x21, struct vring_file)
#define SET_VRING_ERR VHOST_SET(0x22, struct vring_file)
#define SET_VRING_ENABLE VHOST_SET(0x75, struct vring_state)
#define SET_CONFIG_CALL VHOST_SET(0x77, int)
#define SET_GROUP_ASID VHOST_SET(0x7C, struct vring_state)
#define SUSPEND VHOST_IO(0x7D)
#define RESUME VHOST_IO(0x7E)

enum { UPDATE = 2, INVALIDATE = 3, BATCH_BEGIN = 5, BATCH_END = 6 };
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 0x40 };
enum { NEXT = 1, WRITE = 2, INDIRECT = 4, AVAILABLE = 1 << 7, USED = 1 << 15 };
#define F_INDIRECT (1ULL << 28)
#define F_EVENT_INDEX (1ULL << 29)
#define F_BASIC (3ULL << 32)
#define F_PACKED (1ULL << 34)
#define F_IN_ORDER (1ULL << 35)

enum { PAGE = 4096, CHAIN = 4, PATIENCE_MS = 10000 };

// What a driver remembers of a queue, in front of the queue. Chains are numbered; number n has descriptors CHAIN * n and on, and table n.
struct queue_memory {
  uint64_t features;
  uint32_t size, chains, next_chain, in_flight;
  uint16_t next, used, flags_of[1024], count_of[1024];   // of a packed queue the positions in the ring
  uint8_t next_wrap, used_wrap, busy[1024];
  uint64_t kicks, calls;
};

struct device {
  int node, config_call;
  uint64_t features;
};

struct queue {
  struct device *device;
  int index, kick, call, error;
  uint64_t features;
  struct queue_memory *state;
  uint8_t *ring, *driver, *deviceArea, *tables;
  uint64_t iova;              // of the state; memory here and there differ by the same
  volatile uint32_t *doorbell;   // a page to store to, or null
};

struct part { uint64_t iova; uint32_t length; };

static inline uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000ULL + time.tv_nsec / 1000;
}

static inline void message(struct device *device, int kind, uint32_t asid, uint64_t iova, uint64_t size, void *at, int perm) {
  struct iotlb_message message = {.type = 2, .asid = asid, .iova = iova, .size = size, .uaddr = (uintptr_t)at, .perm = perm, .kind = kind};
  NEED(write(device->node, &message, sizeof message) == sizeof message);
}
static inline void map(struct device *device, uint32_t asid, uint64_t iova, uint64_t size, void *at) { message(device, UPDATE, asid, iova, size, at, 3); }
static inline void unmap(struct device *device, uint32_t asid, uint64_t iova, uint64_t size) { message(device, INVALIDATE, asid, iova, size, 0, 0); }

// Opens a node; who had it may be letting go of it still.
static inline struct device open_device(const char *path) {
  struct device device = {.node = -1};
  for (int i = 0; i < PATIENCE_MS && (device.node = open(path, O_RDWR)) < 0 && errno == EBUSY; i++) usleep(1000);
  NEED(device.node >= 0);
  uint64_t backend;
  NEED(!ioctl(device.node, VHOST_IO(0x01)));
  NEED(!ioctl(device.node, VHOST_GET(0x26, uint64_t), &backend));
  NEED(!ioctl(device.node, VHOST_SET(0x25, uint64_t), &backend));
  device.config_call = eventfd(0, EFD_NONBLOCK);
  NEED(!ioctl(device.node, SET_CONFIG_CALL, &device.config_call));
  return device;
}

static inline uint64_t offered(struct device *device) {
  uint64_t features;
  NEED(!ioctl(device->node, VHOST_GET(0x00, uint64_t), &features));
  return features;
}

static inline uint8_t status(struct device *device) {
  uint8_t status;
  NEED(!ioctl(device->node, GET_STATUS, &status));
  return status;
}

static inline void set_status(struct device *device, uint8_t status) { NEED(!ioctl(device->node, SET_STATUS, &status)); }

// From reset to FEATURES_OK.
static inline void negotiate(struct device *device, uint64_t features) {
  set_status(device, 0);
  set_status(device, ACKNOWLEDGE);
  set_status(device, ACKNOWLEDGE | DRIVER);
  NEED((offered(device) & features) == features);
  NEED(!ioctl(device->node, VHOST_SET(0x00, uint64_t), &features));
  set_status(device, ACKNOWLEDGE | DRIVER | FEATURES_OK);
  NEED(status(device) & FEATURES_OK);
  device->features = features;
}

static inline void go(struct device *device) { set_status(device, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK); }

static inline void read_config(struct device *device, uint32_t offset, uint32_t length, void *to) {
  uint8_t bytes[512];
  struct config_header *header = (struct config_header *)bytes;
  header->offset = offset, header->length = length;
  NEED(!ioctl(device->node, VHOST_GET(0x73, struct config_header), bytes));
  memcpy(to, bytes + 8, length);
}

// Bytes of a queue of that size in memory: state, ring, the areas of driver and device, tables.
static inline uint64_t queue_bytes(uint32_t size) { return 2 * PAGE + 16ULL * size + 3ULL * PAGE + 8ULL * size + 16ULL * CHAIN * size + PAGE; }

static inline void locate(struct queue *queue, uint8_t *memory, uint32_t size) {
  queue->state = (struct queue_memory *)memory;
  queue->ring = memory + 2 * PAGE;
  queue->driver = queue->ring + 16 * size;
  queue->deviceArea = queue->driver + PAGE + 2 * size;
  queue->deviceArea = memory + ((queue->deviceArea - memory + 63) & -64);
  queue->tables = queue->deviceArea + PAGE + 8 * size;
  queue->tables = memory + ((queue->tables - memory + 63) & -64);
}

static inline uint64_t there(struct queue *queue, void *here) { return queue->iova + ((uint8_t *)here - (uint8_t *)queue->state); }

static inline void place(struct queue *queue, uint32_t base) {
  struct queue_memory *state = queue->state;
  int node = queue->device->node, index = queue->index;
  NEED(!ioctl(node, SET_VRING_NUM, &((struct vring_state){index, state->size})));
  NEED(!ioctl(node, SET_VRING_ADDR, &((struct vring_address){index, 0, there(queue, queue->ring), there(queue, queue->deviceArea), there(queue, queue->driver), 0})));
  NEED(!ioctl(node, SET_VRING_BASE, &((struct vring_state){index, base})));
  NEED(!ioctl(node, SET_VRING_KICK, &((struct vring_file){index, queue->kick})));
  NEED(!ioctl(node, SET_VRING_CALL, &((struct vring_file){index, queue->call})));
  NEED(!ioctl(node, SET_VRING_ERR, &((struct vring_file){index, queue->error})));
  NEED(!ioctl(node, SET_VRING_ENABLE, &((struct vring_state){index, 1})));
}

static inline void make_eventfds(struct queue *queue) {
  queue->kick = eventfd(0, EFD_NONBLOCK), queue->call = eventfd(0, EFD_NONBLOCK), queue->error = eventfd(0, EFD_NONBLOCK);
  NEED(queue->kick >= 0 && queue->call >= 0 && queue->error >= 0);
}

static inline void close_eventfds(struct queue *queue) { close(queue->kick), close(queue->call), close(queue->error); }

// Goes on with a queue that another process had.
static inline struct queue take_over(struct device *device, int index, uint8_t *memory, uint64_t iova, uint32_t base) {
  struct queue queue = {.device = device, .index = index, .iova = iova, .features = device->features};
  locate(&queue, memory, ((struct queue_memory *)memory)->size);
  make_eventfds(&queue);
  place(&queue, base);
  return queue;
}

// A new queue in memory that is mapped at an IOVA.
static inline struct queue make_queue(struct device *device, int index, uint32_t size, uint8_t *memory, uint64_t iova) {
  struct queue_memory *state = (struct queue_memory *)memory;
  memset(memory, 0, queue_bytes(size));
  state->features = device->features, state->size = size, state->chains = size / CHAIN;
  state->next_wrap = state->used_wrap = 1;
  return take_over(device, index, memory, iova, device->features & F_PACKED ? 0x80008000 : 0);
}

static inline void kick(struct queue *queue) {
  queue->state->kicks++;
  if (queue->doorbell) __atomic_store_n(queue->doorbell, queue->index, __ATOMIC_SEQ_CST);
  else NEED(!eventfd_write(queue->kick, 1));
}

static inline int passes(uint16_t event, uint16_t before, uint16_t after) { return (uint16_t)(after - event - 1) < (uint16_t)(after - before); }

// Kicks if the device wants it, after descriptors from before on were made available.
static inline void kick_if_wanted(struct queue *queue, uint16_t before) {
  struct queue_memory *state = queue->state;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  volatile uint16_t *wish = (uint16_t *)queue->deviceArea;
  if (!(queue->features & F_PACKED)) {
    if (queue->features & F_EVENT_INDEX ? passes(wish[2 + 4 * state->size], before, state->next) : !(wish[0] & 1)) kick(queue);
    return;
  }
  uint16_t where = wish[0], flags = wish[1] & 3, event = where & 0x7fff;
  if (flags == 2) {
    if ((where >> 15) != state->next_wrap) event -= state->size;
    if (passes(event, before > state->next ? before - state->size : before, state->next)) kick(queue);
  } else if (flags == 0) {
    kick(queue);
  }
}

static inline uint16_t packed_flags(int wrap) { return wrap ? AVAILABLE : USED; }

// Makes a buffer available: parts the device reads, then parts it writes. @return its number, or -1 if there is no room
static inline int add(struct queue *queue, const struct part *parts, int readable, int writable, int indirect) {
  struct queue_memory *state = queue->state;
  int count = readable + writable, chain = state->next_chain;
  NEED(count <= CHAIN);
  if (state->busy[chain] || (state->in_flight + 1) * CHAIN > state->size) return -1;
  int slots = indirect ? 1 : count;
  uint16_t before = state->next;
  if (queue->features & F_PACKED) {
    struct packed_descriptor *ring = (void *)queue->ring, *table = (void *)(queue->tables + 16 * CHAIN * chain), *first = &ring[state->next];
    uint16_t first_flags = 0;
    for (int i = 0; i < count; i++) {
      uint16_t flags = i >= readable ? WRITE : 0;
      if (indirect) {
        table[i] = (struct packed_descriptor){parts[i].iova, parts[i].length, 0, flags};
        continue;
      }
      flags |= packed_flags(state->next_wrap) | (i + 1 < count ? NEXT : 0);
      struct packed_descriptor *at = &ring[state->next];
      at->address = parts[i].iova, at->length = parts[i].length, at->id = chain;
      if (i == 0) first_flags = flags;
      else at->flags = flags;
      if (++state->next == state->size) state->next = 0, state->next_wrap ^= 1;
    }
    if (indirect) {
      first->address = there(queue, table), first->length = 16 * count, first->id = chain;
      first_flags = INDIRECT | packed_flags(state->next_wrap);
      if (++state->next == state->size) state->next = 0, state->next_wrap ^= 1;
    }
    state->count_of[chain] = slots;
    __atomic_store_n(&first->flags, first_flags, __ATOMIC_RELEASE);
  } else {
    struct descriptor *head = (struct descriptor *)queue->ring + CHAIN * chain, *at = indirect ? (void *)(queue->tables + 16 * CHAIN * chain) : head;
    int first = indirect ? 0 : CHAIN * chain;
    for (int i = 0; i < count; i++)
      at[i] = (struct descriptor){parts[i].iova, parts[i].length, (i >= readable ? WRITE : 0) | (i + 1 < count ? NEXT : 0), i + 1 < count ? first + i + 1 : 0};
    if (indirect) *head = (struct descriptor){there(queue, at), 16 * count, INDIRECT, 0};
    uint16_t *avail = (uint16_t *)queue->driver;
    avail[2 + state->next % state->size] = CHAIN * chain;
    __atomic_store_n(avail + 1, ++state->next, __ATOMIC_RELEASE);
  }
  state->busy[chain] = 1, state->in_flight++;
  state->next_chain = (chain + 1) % state->chains;
  kick_if_wanted(queue, before);
  return chain;
}

// Takes a used buffer. @return its number, or -1 if there is none
static inline int take(struct queue *queue, uint32_t *length) {
  struct queue_memory *state = queue->state;
  int chain;
  if (queue->features & F_PACKED) {
    struct packed_descriptor *at = (struct packed_descriptor *)queue->ring + state->used;
    uint16_t flags = __atomic_load_n(&at->flags, __ATOMIC_ACQUIRE);
    if (!!(flags & AVAILABLE) != state->used_wrap || !!(flags & USED) != state->used_wrap || !state->in_flight) return -1;
    chain = at->id, *length = at->length;
    NEED(chain < (int)state->chains && state->busy[chain]);
    state->used += state->count_of[chain];
    if (state->used >= state->size) state->used -= state->size, state->used_wrap ^= 1;
  } else {
    uint16_t *used = (uint16_t *)queue->deviceArea;
    if (__atomic_load_n(used + 1, __ATOMIC_ACQUIRE) == state->used) return -1;
    uint32_t *element = (uint32_t *)(used + 2) + 2 * (state->used % state->size);
    chain = element[0] / CHAIN, *length = element[1];
    NEED(element[0] % CHAIN == 0 && chain < (int)state->chains && state->busy[chain]);
    state->used++;
  }
  state->busy[chain] = 0, state->in_flight--;
  return chain;
}

// Asks for a call at the next used buffer.
static inline void want_call(struct queue *queue) {
  struct queue_memory *state = queue->state;
  uint16_t *wish = (uint16_t *)queue->driver;
  if (queue->features & F_PACKED) {
    if (queue->features & F_EVENT_INDEX) {
      __atomic_store_n(wish, state->used | state->used_wrap << 15, __ATOMIC_RELEASE);
      __atomic_store_n(wish + 1, 2, __ATOMIC_RELEASE);
    } else {
      __atomic_store_n(wish + 1, 0, __ATOMIC_RELEASE);
    }
  } else if (queue->features & F_EVENT_INDEX) {
    __atomic_store_n(wish + 2 + state->size, state->used, __ATOMIC_RELEASE);
  }
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

// Takes a used buffer, and waits to be called for it. @return its number, -1 if none comes in time
static inline int await_within(struct queue *queue, uint32_t *length, int milliseconds) {
  uint64_t until = now_us() + milliseconds * 1000ULL;
  for (;;) {
    int chain = take(queue, length);
    if (chain >= 0) return chain;
    want_call(queue);
    if ((chain = take(queue, length)) >= 0) return chain;
    int64_t left = (int64_t)(until - now_us()) / 1000;
    struct pollfd called = {.fd = queue->call, .events = POLLIN};
    if (left <= 0 || poll(&called, 1, left) == 0) return -1;
    eventfd_t count;
    NEED(!eventfd_read(queue->call, &count));
    queue->state->calls += count;
  }
}

static inline int await(struct queue *queue, uint32_t *length) {
  int chain = await_within(queue, length, PATIENCE_MS);
  if (chain < 0) fprintf(stderr, "queue %d: no buffer came back, status 0x%x\n", queue->index, status(queue->device));
  NEED(chain >= 0);
  return chain;
}

static inline uint32_t base_of(struct device *device, int index) {
  struct vring_state state = {index, 0};
  NEED(!ioctl(device->node, GET_VRING_BASE, &state));
  return state.num;
}

static inline uint8_t *shared_memory(int *file, uint64_t bytes) {
  *file = memfd_create("guest", 0);
  NEED(*file >= 0 && !ftruncate(*file, bytes));
  uint8_t *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *file, 0);
  NEED(memory != MAP_FAILED);
  return memory;
}

// The page to kick a queue by.
static inline void use_doorbell(struct queue *queue) {
  queue->doorbell = mmap(0, PAGE, PROT_WRITE, MAP_SHARED, queue->device->node, (off_t)queue->index * PAGE);
  NEED(queue->doorbell != MAP_FAILED);
}

// Requests of block devices.
enum { BLK_READ = 0, BLK_WRITE = 1, BLK_FLUSH = 4, BLK_ID = 8, BLK_DISCARD = 11, BLK_ZEROES = 13 };
struct blk_header { uint32_t type, reserved; uint64_t sector; };
struct blk_range { uint64_t sector; uint32_t count, flags; };
