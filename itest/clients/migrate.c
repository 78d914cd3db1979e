// A small VMM whose guest has a virtual function of our NVMe controller, and moves to another runtime while it works.
//
//   migrate source SOCKET MIB      runs the guest for a while, then moves it to whoever connects to the socket
//   migrate target SOCKET MIB      takes the guest, lets it go on, then checks everything it ever did
//
// The guest is a thread that keeps blocks of its disk and pages of its RAM in a known state: what it knows lies in its RAM and moves with
// it. RAM is copied while the guest runs, by the dirty bitmaps of iommufd (what the device wrote) and of the guest's own writes (as KVM
// would tell them). Commands that are under way when the guest stops are under way in the state of the device.
//
//   @@ source rounds=... pages=... precopy_ms=... commands=... in_flight=... state_bytes=...
//   @@ target downtime_ms=... commands_before=... commands=... blocks=... wrong_blocks=... pages=... wrong_pages=... failed=...
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ULL
#define RAM_IOVA 0x40000000ULL
#define FREE_START (1ULL << 20)    // below: what the guest's driver knows, and its queues
#define BLOCKS 8192                // of 4 KiB, 8 logical blocks each
#define ENTRIES 64
#define DEPTH 8
#define VF_DEVICE_ID 0x4e571234u   // device and vendor
#define CONFIG (7ULL << 40)
#define CHECK(what) do { if (!(what)) { fprintf(stderr, "migrate.c:%d: %s, errno %d (%s)\n", __LINE__, #what, errno, strerror(errno)); exit(1); } } while (0)

struct slot { uint32_t active, write, block, generation; uint64_t page; };
// Lies in the first pages of guest RAM.
struct driver {
  uint32_t sq_tail, cq_head, phase, admin_tail, admin_head, admin_phase;
  uint64_t random, commands, failed;
  struct slot slots[DEPTH];
  uint32_t generation[BLOCKS];
  struct { uint32_t block, generation, known, reserved; } page[];   // what a page of RAM holds since it was last read into
};
enum { ADMIN_SQ = 0x80000, ADMIN_CQ = 0x81000, SQ = 0x82000, CQ = 0x83000, QUEUES_END = 0x84000 };

static uint8_t *ram;
static uint64_t ram_bytes;
static atomic_uchar *cpu_dirty;
static struct driver *driver;
static int iommufd, device;
static uint32_t hwpt;
static volatile uint32_t *doorbells;
static atomic_int pause_guest;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void touched(const void *what, size_t bytes) {
  uint64_t first = ((const uint8_t *) what - ram) / PAGE, last = ((const uint8_t *) what + bytes - 1 - ram) / PAGE;
  for (uint64_t page = first; page <= last; page++) atomic_store(&cpu_dirty[page], 1);
}

static void pattern(uint64_t *page, uint32_t block, uint32_t generation) {
  uint64_t state = generation ? block * 0x9E3779B97F4A7C15u ^ generation * 0xBF58476D1CE4E5B9u ^ 1 : 0;
  for (size_t i = 0; i < PAGE / 8; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    page[i] = state;
  }
}

static int holds(const void *page, uint32_t block, uint32_t generation) {
  uint64_t expected[PAGE / 8];
  pattern(expected, block, generation);
  return !memcmp(expected, page, PAGE);
}

// --- the device, as a VMM has it

static void open_device(void) {
  CHECK((iommufd = open("/dev/iommu", O_RDWR)) >= 0);
  struct { uint32_t size, flags, id; } ioas = {sizeof ioas};
  CHECK(!ioctl(iommufd, 0x3b81, &ioas));
  // Dirty bits are those of IOPTEs: small ones tell pages.
  struct { uint32_t size, option; uint16_t op, reserved; uint32_t object; uint64_t value; } small = {sizeof small, 1, 0, 0, ioas.id, 0};
  CHECK(!ioctl(iommufd, 0x3b87, &small));
  struct { uint32_t size, flags, ioas, reserved; uint64_t va, length, iova; } map = {sizeof map, 7, ioas.id, 0, (uintptr_t) ram, ram_bytes, RAM_IOVA};
  CHECK(!ioctl(iommufd, 0x3b85, &map));
  glob_t found;
  CHECK(!glob("/dev/vfio/devices/vfio*", 0, NULL, &found));
  for (size_t i = 0; i < found.gl_pathc; i++) {
    CHECK((device = open(found.gl_pathv[i], O_RDWR)) >= 0);
    struct { uint32_t argsz, flags; int32_t iommufd; uint32_t id; uint64_t token; } bind = {sizeof bind, 0, iommufd};
    CHECK(!ioctl(device, 0x3b76, &bind));
    uint32_t identity = 0;
    CHECK(pread(device, &identity, 4, CONFIG) == 4);
    if (identity == VF_DEVICE_ID) {
      struct { uint32_t size, flags, device, pt, out, reserved, type, length; uint64_t data; uint32_t fault, reserved2; } alloc = {
        sizeof alloc, 2, bind.id, ioas.id};
      CHECK(!ioctl(iommufd, 0x3b89, &alloc));
      hwpt = alloc.out;
      struct { uint32_t argsz, flags, pt, pasid; } attach = {sizeof attach, 0, hwpt};
      CHECK(!ioctl(device, 0x3b77, &attach));
      uint16_t command = 6;
      CHECK(pwrite(device, &command, 2, CONFIG + 4) == 2);
      doorbells = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0x1000);
      CHECK(doorbells != MAP_FAILED);
      return;
    }
    close(device);
  }
  fprintf(stderr, "none of %zu devices is a virtual function of an NVMe controller\n", found.gl_pathc);
  exit(1);
}

static void bar_write(uint64_t offset, uint64_t value, int bytes) { CHECK(pwrite(device, &value, bytes, offset) == bytes); }

static int set_state(uint32_t wanted) {
  struct { uint32_t argsz, flags, state; int32_t fd; } state = {sizeof state, 1 << 17 | 2, wanted, -1};
  CHECK(!ioctl(device, 0x3b75, &state));
  return state.fd;
}

static void track_dirty(void) {
  struct { uint32_t size, flags, hwpt, reserved; } set = {sizeof set, 1, hwpt};
  CHECK(!ioctl(iommufd, 0x3b8b, &set));
}

static void take_device_dirty(uint64_t *bitmap) {
  struct { uint32_t size, hwpt, flags, reserved; uint64_t iova, length, page_size, data; } get = {
    sizeof get, hwpt, 0, 0, RAM_IOVA, ram_bytes, PAGE, (uintptr_t) bitmap};
  CHECK(!ioctl(iommufd, 0x3b8c, &get));
}

// --- the guest's driver

static void store_command(uint64_t queue, uint32_t slot, const uint32_t *words) {
  memcpy(ram + queue + slot * 64, words, 64);
  touched(ram + queue + slot * 64, 64);
}

static void ring(int index, uint32_t value) {
  atomic_thread_fence(memory_order_seq_cst);
  doorbells[index] = value;
}

static int completion(uint64_t queue, uint32_t head, uint32_t phase, uint32_t *id, uint32_t *status) {
  volatile uint32_t *entry = (volatile uint32_t *) (ram + queue + head * 16);
  uint32_t last = entry[3];
  if ((last >> 16 & 1) != phase) return 0;
  *id = last & 0xffff;
  *status = last >> 17;
  return 1;
}

static void admin(uint32_t opcode, uint64_t prp, uint32_t word10, uint32_t word11) {
  uint32_t words[16] = {opcode, 0, 0, 0, 0, 0, (uint32_t) prp, (uint32_t) (prp >> 32), 0, 0, word10, word11}, id, status;
  store_command(ADMIN_SQ, driver->admin_tail, words);
  driver->admin_tail = (driver->admin_tail + 1) % ENTRIES;
  ring(0, driver->admin_tail);
  while (!completion(ADMIN_CQ, driver->admin_head, driver->admin_phase, &id, &status)) usleep(100);
  CHECK(status == 0);
  if (++driver->admin_head == ENTRIES) driver->admin_head = 0, driver->admin_phase ^= 1;
  ring(1, driver->admin_head);
}

static void start_disk(void) {
  driver->phase = driver->admin_phase = 1;
  driver->random = 88172645463325252ULL;
  bar_write(0x24, (ENTRIES - 1) | (ENTRIES - 1) << 16, 4);
  bar_write(0x28, RAM_IOVA + ADMIN_SQ, 8);
  bar_write(0x30, RAM_IOVA + ADMIN_CQ, 8);
  bar_write(0x14, 1 | 6 << 16 | 4 << 20, 4);
  uint32_t status = 0;
  for (int i = 0; i < 10000 && (status & 1) == 0; i++) {
    CHECK(pread(device, &status, 4, 0x1c) == 4);
    usleep(100);
  }
  CHECK(status == 1);
  admin(5, RAM_IOVA + CQ, 1 | (ENTRIES - 1) << 16, 1);
  admin(1, RAM_IOVA + SQ, 1 | (ENTRIES - 1) << 16, 1 | 1 << 16);
}

static uint64_t next_random(void) {
  uint64_t state = driver->random;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return driver->random = state;
}

static int busy(uint32_t block, uint64_t page) {
  for (int i = 0; i < DEPTH; i++) {
    if (driver->slots[i].active && (driver->slots[i].block == block || driver->slots[i].page == page)) return 1;
  }
  return 0;
}

static void submit(int index) {
  struct slot *slot = &driver->slots[index];
  uint32_t block = next_random() % BLOCKS;
  uint64_t page = FREE_START / PAGE + next_random() % ((ram_bytes - FREE_START) / PAGE);
  if (busy(block, page)) return;
  *slot = (struct slot) {1, next_random() & 1, block, driver->generation[block], page};
  driver->page[page].known = 0;
  if (slot->write) {
    slot->generation++;
    pattern((uint64_t *) (ram + page * PAGE), block, slot->generation);
    touched(ram + page * PAGE, PAGE);
  }
  uint64_t prp = RAM_IOVA + page * PAGE;
  uint32_t words[16] = {(slot->write ? 1 : 2) | index << 16, 1, 0, 0, 0, 0, (uint32_t) prp, (uint32_t) (prp >> 32), 0, 0, block * 8, 0, 7};
  store_command(SQ, driver->sq_tail, words);
  driver->sq_tail = (driver->sq_tail + 1) % ENTRIES;
  ring(2, driver->sq_tail);
  touched(driver, sizeof *driver);
  touched(&driver->page[page], sizeof driver->page[page]);
}

static void complete(void) {
  uint32_t id, status;
  while (completion(CQ, driver->cq_head, driver->phase, &id, &status)) {
    CHECK(id < DEPTH && driver->slots[id].active);
    struct slot *slot = &driver->slots[id];
    if (status) driver->failed++;
    if (slot->write) driver->generation[slot->block] = slot->generation;
    driver->page[slot->page].block = slot->block;
    driver->page[slot->page].generation = slot->generation;
    driver->page[slot->page].known = 1;
    touched(&driver->page[slot->page], sizeof driver->page[slot->page]);
    slot->active = 0;
    driver->commands++;
    if (++driver->cq_head == ENTRIES) driver->cq_head = 0, driver->phase ^= 1;
    ring(3, driver->cq_head);
    touched(driver, sizeof *driver);
  }
}

static void *guest(void *unused) {
  (void) unused;
  while (!atomic_load(&pause_guest)) {
    for (int i = 0; i < DEPTH; i++) {
      if (!driver->slots[i].active) submit(i);
    }
    complete();
    usleep(20);   // guests think, too
  }
  return NULL;
}

static pthread_t start_guest(void) {
  pthread_t thread;
  atomic_store(&pause_guest, 0);
  CHECK(!pthread_create(&thread, NULL, guest, NULL));
  return thread;
}

static void stop_guest(pthread_t thread) {
  atomic_store(&pause_guest, 1);
  pthread_join(thread, NULL);
}

// --- the way between

static void send_all(int to, const void *bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    ssize_t sent = write(to, (const uint8_t *) bytes + done, count - done);
    CHECK(sent > 0);
    done += sent;
  }
}

static void receive_all(int from, void *bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    ssize_t got = read(from, (uint8_t *) bytes + done, count - done);
    CHECK(got > 0);
    done += got;
  }
}

// RAM travels in runs of pages: where, how many, and their bytes.
struct run { int64_t page, count; };
enum { END_OF_RAM = -1 };

static uint64_t send_dirty(int to, uint64_t *bitmap) {
  int64_t pages = ram_bytes / PAGE, sent = 0;
  struct run run = {0, 0};
  for (int64_t page = 0; page <= pages; page++) {
    int dirty = page < pages && (atomic_exchange(&cpu_dirty[page], 0) | bitmap[page / 64] >> page % 64 & 1);
    if (dirty && !run.count++) run.page = page;
    if (!dirty && run.count) {
      send_all(to, &run, sizeof run);
      send_all(to, ram + run.page * PAGE, run.count * PAGE);
      sent += run.count;
      run.count = 0;
    }
  }
  return sent;
}

static void source(int to) {
  uint64_t words = ram_bytes / PAGE / 64, *bitmap = calloc(words, 8), total = 0, sent;
  open_device();
  start_disk();
  pthread_t thread = start_guest();
  usleep(500000);
  int64_t begin = now_ns();
  track_dirty();
  memset(bitmap, 0xff, words * 8);   // the first round is everything
  int rounds = 0, fd = set_state(6);   // PRE_COPY: the disk is flushed meanwhile
  do {
    uint64_t nothing;
    CHECK(read(fd, &nothing, sizeof nothing) == -1 && errno == ENOMSG);
    total += sent = send_dirty(to, bitmap);
    memset(bitmap, 0, words * 8);
    take_device_dirty(bitmap);
    rounds++;
  } while (rounds < 3 || sent > 2000 && rounds < 10);
  int64_t stopped = now_ns();
  stop_guest(thread);
  set_state(7);                      // PRE_COPY_P2P
  int in_flight = 0;
  for (int i = 0; i < DEPTH; i++) in_flight += driver->slots[i].active;
  touched(driver, sizeof *driver);
  take_device_dirty(bitmap);         // adds to what the last round left
  total += send_dirty(to, bitmap);
  struct run end = {END_OF_RAM, 0};
  send_all(to, &end, sizeof end);
  CHECK(set_state(3) == -1);         // STOP_COPY: the same file goes on with the rest
  uint8_t state[1 << 17];
  uint32_t state_bytes = 0;
  for (ssize_t got; (got = read(fd, state + state_bytes, sizeof state - state_bytes)) > 0;) state_bytes += got;
  close(fd);
  send_all(to, &stopped, sizeof stopped);
  send_all(to, &state_bytes, sizeof state_bytes);
  send_all(to, state, state_bytes);
  set_state(1);
  printf("@@ source rounds=%d pages=%lu precopy_ms=%.1f commands=%lu in_flight=%d state_bytes=%u\n", rounds, total,
    (stopped - begin) / 1e6, driver->commands, in_flight, state_bytes);
}

static void target(int from) {
  open_device();
  int fd = set_state(4);             // RESUMING
  for (struct run run;;) {
    receive_all(from, &run, sizeof run);
    if (run.page == END_OF_RAM) break;
    CHECK(run.page >= 0 && run.count > 0 && run.page + run.count <= (int64_t) (ram_bytes / PAGE));
    receive_all(from, ram + run.page * PAGE, run.count * PAGE);
  }
  int64_t stopped;
  uint32_t state_bytes;
  static uint8_t state[1 << 17];
  receive_all(from, &stopped, sizeof stopped);
  receive_all(from, &state_bytes, sizeof state_bytes);
  CHECK(state_bytes <= sizeof state);
  receive_all(from, state, state_bytes);
  for (uint32_t done = 0; done < state_bytes;) {
    ssize_t written = write(fd, state + done, state_bytes - done);
    CHECK(written > 0);
    done += written;
  }
  close(fd);
  set_state(1);
  set_state(2);                      // RUNNING
  uint64_t before = driver->commands;
  pthread_t thread = start_guest();
  double downtime_ms = (now_ns() - stopped) / 1e6;
  usleep(500000);
  stop_guest(thread);
  for (int64_t limit = now_ns() + 5000000000LL; now_ns() < limit;) {
    complete();
    int active = 0;
    for (int i = 0; i < DEPTH; i++) active += driver->slots[i].active;
    if (!active) break;
    usleep(1000);
  }
  uint64_t blocks = 0, wrong_blocks = 0, pages = 0, wrong_pages = 0, lost = 0;
  for (int i = 0; i < DEPTH; i++) lost += driver->slots[i].active;
  CHECK(lost == 0);
  for (uint64_t page = FREE_START / PAGE; page < ram_bytes / PAGE; page++) {
    if (!driver->page[page].known) continue;
    pages++;
    wrong_pages += !holds(ram + page * PAGE, driver->page[page].block, driver->page[page].generation);
  }
  uint64_t prp = RAM_IOVA + FREE_START;
  for (uint32_t block = 0; block < BLOCKS; block++) {
    uint32_t id, status, words[16] = {2 | DEPTH << 16, 1, 0, 0, 0, 0, (uint32_t) prp, (uint32_t) (prp >> 32), 0, 0, block * 8, 0, 7};
    store_command(SQ, driver->sq_tail, words);
    driver->sq_tail = (driver->sq_tail + 1) % ENTRIES;
    ring(2, driver->sq_tail);
    while (!completion(CQ, driver->cq_head, driver->phase, &id, &status)) ;
    CHECK(id == DEPTH && status == 0);
    if (++driver->cq_head == ENTRIES) driver->cq_head = 0, driver->phase ^= 1;
    ring(3, driver->cq_head);
    blocks += driver->generation[block] > 0;
    wrong_blocks += !holds(ram + FREE_START, block, driver->generation[block]);
  }
  printf("@@ target downtime_ms=%.1f commands_before=%lu commands=%lu blocks=%lu wrong_blocks=%lu pages=%lu wrong_pages=%lu failed=%lu\n", downtime_ms,
    before, driver->commands, blocks, wrong_blocks, pages, wrong_pages, driver->failed);
}

int main(int count, char **arguments) {
  CHECK(count == 4);
  ram_bytes = strtoull(arguments[3], NULL, 0) << 20;
  int file = memfd_create("guest", 0);
  CHECK(file >= 0 && !ftruncate(file, ram_bytes));
  ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  cpu_dirty = calloc(ram_bytes / PAGE, 1);
  CHECK(ram != MAP_FAILED && cpu_dirty);
  driver = (struct driver *) ram;
  CHECK(sizeof *driver + ram_bytes / PAGE * sizeof driver->page[0] <= ADMIN_SQ && QUEUES_END <= FREE_START);
  struct sockaddr_un address = {AF_UNIX};
  strncpy(address.sun_path, arguments[2], sizeof address.sun_path - 1);
  int meeting = socket(AF_UNIX, SOCK_STREAM, 0);
  if (!strcmp(arguments[1], "source")) {
    CHECK(!bind(meeting, (struct sockaddr *) &address, sizeof address) && !listen(meeting, 1));
    int to = accept(meeting, NULL, NULL);
    CHECK(to >= 0);
    source(to);
    return 0;
  }
  for (int i = 0; connect(meeting, (struct sockaddr *) &address, sizeof address); i++) {
    CHECK(i < 600);
    usleep(100000);
  }
  target(meeting);
  return 0;
}
