// Misuses a block device through its node in every way a driver can, while another one serves a driver that does nothing wrong.
//
//   virtio-hostile NODE OTHER SEED KILLS
//
// After each misuse the device says that it needs a reset, tells by its eventfds, and works again after one.
#include "virtio-driver.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum { IOVA = 16 << 20, BYTES = 2 << 20, SIZE = 64, DATA = 1 << 20, READ_ONLY_IOVA = 64 << 20, NOWHERE = 512 << 20, HEADER = DATA, STATUS = DATA + 64, BLOCK = DATA + PAGE };

static uint8_t *memory;
static struct device device;
static struct queue queue;
static uint64_t features;

static uint32_t random_state;
static uint32_t random32(void) { return random_state = random_state * 1664525 + 1013904223, random_state >> 8; }

static void start(void) {
  negotiate(&device, features);
  queue = make_queue(&device, 0, SIZE, memory, IOVA);
  go(&device);
}

static void stop(void) {
  close_eventfds(&queue);
}

static int request(uint32_t type, uint64_t sector, uint64_t data_iova, uint32_t length, int indirect) {
  *(struct blk_header *)(memory + HEADER) = (struct blk_header){type, 0, sector};
  memory[STATUS] = 0xff;
  struct part parts[3] = {{IOVA + HEADER, 16}, {data_iova, length}, {IOVA + STATUS, 1}};
  return add(&queue, parts, type == BLK_READ ? 1 : 2, type == BLK_READ ? 2 : 1, indirect);
}

static void good_request(void) {
  uint32_t length;
  NEED(request(BLK_READ, 0, IOVA + BLOCK, PAGE, 0) >= 0);
  await(&queue, &length);
  NEED(length == PAGE + 1 && memory[STATUS] == 0);
}

static void expect_broken(const char *what) {
  struct pollfd told[2] = {{.fd = queue.error, .events = POLLIN}, {.fd = device.config_call, .events = POLLIN}};
  for (int i = 0; i < 2; i++) {
    if (poll(&told[i], 1, PATIENCE_MS) != 1) {
      fprintf(stderr, "%s: %s eventfd is silent, status 0x%x\n", what, i ? "configuration's" : "the queue's error", status(&device));
      exit(3);
    }
  }
  NEED(status(&device) == (15 | NEEDS_RESET));
  eventfd_t count;
  NEED(!eventfd_read(device.config_call, &count));
  // Bits go away by a reset only.
  uint8_t all = 15;
  NEED(ioctl(device.node, SET_STATUS, &all) && errno == EINVAL);
}

// ---------------------------------------------------------------- rings that cannot be

static struct descriptor *split(void) { return (struct descriptor *)queue.ring; }
static struct packed_descriptor *packed(void) { return (struct packed_descriptor *)queue.ring; }

static void publish_split(uint16_t head, uint16_t index) {
  uint16_t *avail = (uint16_t *)queue.driver;
  avail[2] = head;
  __atomic_store_n(avail + 1, index, __ATOMIC_RELEASE);
}

static void set_split(int index, uint64_t address, uint32_t length, uint16_t flags, uint16_t next) { split()[index] = (struct descriptor){address, length, flags, next}; }
static void set_packed(int index, uint64_t address, uint32_t length, uint16_t flags) { packed()[index] = (struct packed_descriptor){address, length, 0, flags}; }

static void loop(void) { set_split(0, IOVA + BLOCK, 16, NEXT, 1), set_split(1, IOVA + BLOCK, 16, NEXT, 0), publish_split(0, 1); }
static void self_loop(void) { set_split(0, IOVA + BLOCK, 16, NEXT, 0), publish_split(0, 1); }
static void next_outside(void) { set_split(0, IOVA + BLOCK, 16, NEXT, SIZE), publish_split(0, 1); }
static void head_outside(void) { publish_split(SIZE, 1); }
static void index_jumps(void) { publish_split(0, SIZE + 1); }
static void index_goes_back(void) { publish_split(0, 0xffff); }
static void far_buffer(void) { set_split(0, NOWHERE, 16, NEXT, 1), set_split(1, IOVA + STATUS, 1, WRITE, 0), publish_split(0, 1); }
static void far_status(void) { set_split(0, IOVA + HEADER, 16, NEXT, 1), set_split(1, NOWHERE, 1, WRITE, 0), publish_split(0, 1); }
static void wraps(void) { set_split(0, -8ULL, 16, NEXT, 1), set_split(1, IOVA + STATUS, 1, WRITE, 0), publish_split(0, 1); }
static void zero_length(void) { set_split(0, IOVA + HEADER, 0, NEXT, 1), set_split(1, IOVA + STATUS, 1, WRITE, 0), publish_split(0, 1); }
static void short_header(void) { set_split(0, IOVA + HEADER, 15, NEXT, 1), set_split(1, IOVA + STATUS, 1, WRITE, 0), publish_split(0, 1); }
static void no_status(void) { set_split(0, IOVA + HEADER, 16, 0, 0), publish_split(0, 1); }
static void wrong_order(void) { set_split(0, IOVA + STATUS, 1, WRITE | NEXT, 1), set_split(1, IOVA + HEADER, 16, 0, 0), publish_split(0, 1); }
static void table_nowhere(void) { set_split(0, NOWHERE, 32, INDIRECT, 0), publish_split(0, 1); }
static void table_odd(void) { set_split(0, IOVA + BLOCK, 33, INDIRECT, 0), publish_split(0, 1); }
static void table_empty(void) { set_split(0, IOVA + BLOCK, 0, INDIRECT, 0), publish_split(0, 1); }
static void table_huge(void) { set_split(0, IOVA, 16 * 4096, INDIRECT, 0), publish_split(0, 1); }
static void table_goes_on(void) { set_split(0, IOVA + BLOCK, 32, INDIRECT | NEXT, 1), publish_split(0, 1); }
static void table_in_table(void) {
  *(struct descriptor *)(memory + BLOCK) = (struct descriptor){IOVA + BLOCK, 16, INDIRECT, 0};
  set_split(0, IOVA + BLOCK, 16, INDIRECT, 0), publish_split(0, 1);
}
static void table_loops(void) {
  ((struct descriptor *)(memory + BLOCK))[0] = (struct descriptor){IOVA + HEADER, 16, NEXT, 0};
  set_split(0, IOVA + BLOCK, 32, INDIRECT, 0), publish_split(0, 1);
}
static void table_next_outside(void) {
  ((struct descriptor *)(memory + BLOCK))[0] = (struct descriptor){IOVA + HEADER, 16, NEXT, 2};
  set_split(0, IOVA + BLOCK, 32, INDIRECT, 0), publish_split(0, 1);
}

static void packed_endless(void) { for (int i = SIZE - 1; i >= 0; i--) set_packed(i, IOVA + BLOCK, 16, NEXT | AVAILABLE); }
static void packed_far(void) { set_packed(1, IOVA + STATUS, 1, WRITE | AVAILABLE), set_packed(0, NOWHERE, 16, NEXT | AVAILABLE); }
static void packed_empty(void) { set_packed(1, IOVA + STATUS, 1, WRITE | AVAILABLE), set_packed(0, IOVA + HEADER, 0, NEXT | AVAILABLE); }
static void packed_no_status(void) { set_packed(0, IOVA + HEADER, 16, AVAILABLE); }
static void packed_order(void) { set_packed(1, IOVA + HEADER, 16, AVAILABLE), set_packed(0, IOVA + STATUS, 1, WRITE | NEXT | AVAILABLE); }
static void packed_table_nowhere(void) { set_packed(0, NOWHERE, 32, INDIRECT | AVAILABLE); }
static void packed_table_odd(void) { set_packed(0, IOVA + BLOCK, 17, INDIRECT | AVAILABLE); }
static void packed_table_goes_on(void) { set_packed(1, IOVA + STATUS, 1, WRITE | AVAILABLE), set_packed(0, IOVA + BLOCK, 32, INDIRECT | NEXT | AVAILABLE); }
static void packed_table_in_table(void) {
  *(struct packed_descriptor *)(memory + BLOCK) = (struct packed_descriptor){IOVA + BLOCK, 16, 0, INDIRECT};
  set_packed(0, IOVA + BLOCK, 16, INDIRECT | AVAILABLE);
}

// What the IOMMU refuses.
static void ring_unmapped(void) { unmap(&device, 0, IOVA, BYTES); }
static void data_unmapped(void) { NEED(request(BLK_READ, 0, NOWHERE, PAGE, 0) >= 0); }
static void read_only(void) { NEED(request(BLK_READ, 0, READ_ONLY_IOVA, PAGE, 0) >= 0); }

static const struct misuse { const char *name; void (*run)(void); } SPLIT[] = {{"loop", loop}, {"self loop", self_loop}, {"next outside", next_outside},
    {"head outside", head_outside}, {"index jumps", index_jumps}, {"index goes back", index_goes_back}, {"far buffer", far_buffer}, {"far status", far_status},
    {"wraps", wraps}, {"zero length", zero_length}, {"short header", short_header}, {"no status", no_status}, {"wrong order", wrong_order},
    {"table nowhere", table_nowhere}, {"table odd", table_odd}, {"table empty", table_empty}, {"table huge", table_huge}, {"table goes on", table_goes_on},
    {"table in table", table_in_table}, {"table loops", table_loops}, {"table next outside", table_next_outside}, {"ring unmapped", ring_unmapped},
    {"data unmapped", data_unmapped}, {"read only", read_only}};
static const struct misuse PACKED[] = {{"endless", packed_endless}, {"far buffer", packed_far}, {"zero length", packed_empty}, {"no status", packed_no_status},
    {"wrong order", packed_order}, {"table nowhere", packed_table_nowhere}, {"table odd", packed_table_odd}, {"table goes on", packed_table_goes_on},
    {"table in table", packed_table_in_table}, {"ring unmapped", ring_unmapped}, {"data unmapped", data_unmapped}, {"read only", read_only}};

static void misuse_rings(const struct misuse *misuses, int count) {
  for (int i = 0; i < count; i++) {
    start();
    misuses[i].run();
    kick(&queue);
    expect_broken(misuses[i].name);
    if (misuses[i].run == ring_unmapped) map(&device, 0, IOVA, BYTES, memory);
    stop();
    start();
    good_request();
    stop();
  }
}

// ---------------------------------------------------------------- requests out of order

static int error_of(int result) { return result ? errno : 0; }
#define IS(request, argument, error) NEED(error_of(ioctl(device.node, request, argument)) == (error))

static void misuse_requests(void) {
  set_status(&device, 0);
  struct vring_state state = {7, 8};
  IS(SET_VRING_NUM, &state, ENOBUFS);
  state = (struct vring_state){0, 48};
  IS(SET_VRING_NUM, &state, EINVAL);
  state.num = 1 << 20;
  IS(SET_VRING_NUM, &state, EINVAL);
  state = (struct vring_state){0, 1};
  IS(SET_GROUP_ASID, &state, EINVAL);   // it has one address space
  struct iotlb_message far = {.type = 2, .asid = 9, .iova = 0, .size = PAGE, .uaddr = (uintptr_t)memory, .perm = 3, .kind = UPDATE};
  NEED(write(device.node, &far, sizeof far) < 0 && errno == EFAULT);
  far.asid = 0, far.uaddr = 0;
  NEED(write(device.node, &far, sizeof far) < 0 && errno == EFAULT);
  int file = open("/dev/null", O_RDWR);
  struct vring_file kicked = {0, file};
  IS(SET_VRING_KICK, &kicked, EINVAL);
  kicked.fd = 9999;
  IS(SET_VRING_KICK, &kicked, EBADF);
  close(file);
  // Enabled twice, kicked before it is ready, enabled after DRIVER_OK: all of no consequence.
  negotiate(&device, features);
  queue = make_queue(&device, 0, SIZE, memory, IOVA);
  state = (struct vring_state){0, 1};
  IS(SET_VRING_ENABLE, &state, 0);
  for (int i = 0; i < 100; i++) kick(&queue);
  uint8_t late = 15;
  IS(SET_STATUS, &late, 0);
  good_request();
  state.num = 0;
  IS(SET_VRING_ENABLE, &state, 0);
  kick(&queue);
  state.num = 1;
  IS(SET_VRING_ENABLE, &state, 0);
  IS(SET_VRING_ENABLE, &state, 0);
  good_request();
  // While it works nothing moves; features stay.
  state = (struct vring_state){0, 0};
  IS(SET_VRING_BASE, &state, EINVAL);
  struct vring_address address = {0, 0, IOVA, IOVA, IOVA, 0};
  IS(SET_VRING_ADDR, &address, EINVAL);
  IS(VHOST_SET(0x00, uint64_t), &features, EBUSY);
  IS(VHOST_IO(0x01), 0, EBUSY);
  good_request();
  // A base that no queue has, and a ring that is nowhere.
  stop();
  negotiate(&device, features);
  queue = make_queue(&device, 0, SIZE, memory, IOVA);
  address = (struct vring_address){0, 0, NOWHERE, NOWHERE + PAGE, NOWHERE + 2 * PAGE, 0};
  IS(SET_VRING_ADDR, &address, 0);
  go(&device);
  expect_broken("a ring nowhere");
  stop();
  negotiate(&device, features);
  queue = make_queue(&device, 0, SIZE, memory, IOVA);
  state = (struct vring_state){0, features & F_PACKED ? 0x7fff7fff : 0x8000};
  IS(SET_VRING_BASE, &state, 0);
  go(&device);
  kick(&queue);
  expect_broken("a base nowhere");
  stop();
  start();
  good_request();
  stop();
}

// ---------------------------------------------------------------- rings that change

static volatile int scribbling;

static void *scribble(void *unused) {
  (void)unused;
  while (scribbling) {
    uint32_t *at = (uint32_t *)(queue.ring + random32() % (queue.tables - queue.ring - 4) / 4 * 4);
    *at = random32() % 3 ? random32() % (2 * SIZE) : random32() << 8 | random32();
  }
  return NULL;
}

static void change_rings(int rounds) {
  for (int i = 0; i < rounds; i++) {
    start();
    pthread_t thread;
    scribbling = 1;
    NEED(!pthread_create(&thread, NULL, scribble, NULL));
    uint64_t until = now_us() + 5000;
    do kick(&queue);
    while (now_us() < until);
    scribbling = 0;
    pthread_join(thread, NULL);
    stop();
  }
  eventfd_t count;
  eventfd_read(device.config_call, &count);
  start();
  good_request();
  stop();
}

// Mappings go while requests are under way.
static void unmap_under_requests(int rounds) {
  for (int i = 0; i < rounds; i++) {
    start();
    for (int j = 0; j < SIZE / CHAIN; j++) request(BLK_READ, 0, IOVA + BLOCK, 64 * PAGE, 0);
    usleep(random32() % 300);
    unmap(&device, 0, IOVA, BYTES);
    set_status(&device, 0);
    map(&device, 0, IOVA, BYTES, memory);
    stop();
  }
  eventfd_t count;
  eventfd_read(device.config_call, &count);
  start();
  good_request();
  stop();
}

// ---------------------------------------------------------------- drivers that are killed

static void killed_drivers(const char *node, int kills) {
  close(device.node), close(device.config_call);
  for (int i = 0; i < kills; i++) {
    int child = fork();
    NEED(child >= 0);
    if (child == 0) {
      for (;;) {
        device = open_device(node);
        map(&device, 0, IOVA, BYTES, memory);
        features = F_BASIC | (random32() % 2 ? F_PACKED : 0);
        start();
        for (int j = 0; j < 200; j++) {
          request(random32() % 2 ? BLK_READ : BLK_WRITE, 0, IOVA + BLOCK, 16 * PAGE, 0);
          uint32_t length;
          while (take(&queue, &length) >= 0) { }
        }
        close(device.node), close(device.config_call), close_eventfds(&queue);
      }
    }
    usleep(random32() % 12000);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    random_state += i;
  }
  device = open_device(node);
  map(&device, 0, IOVA, BYTES, memory);
  features = F_BASIC;
  start();
  good_request();
  set_status(&device, 0);
  stop();
}

// ---------------------------------------------------------------- the driver that does nothing wrong

struct witness { volatile int stop; volatile uint64_t requests, slowest_us; };

static void witness(const char *node, struct witness *seen) {
  device = open_device(node);
  features = F_BASIC;
  int file;
  memory = shared_memory(&file, BYTES);
  map(&device, 0, IOVA, BYTES, memory);
  start();
  while (!seen->stop) {
    uint64_t before = now_us();
    uint32_t sector = 8 * (seen->requests % 100), length;
    memset(memory + BLOCK, (int)seen->requests, PAGE);
    NEED(request(BLK_WRITE, sector, IOVA + BLOCK, PAGE, 0) >= 0);
    await(&queue, &length);
    NEED(memory[STATUS] == 0);
    memset(memory + BLOCK, 0, PAGE);
    NEED(request(BLK_READ, sector, IOVA + BLOCK, PAGE, 0) >= 0);
    await(&queue, &length);
    NEED(memory[STATUS] == 0 && memory[BLOCK] == (uint8_t)seen->requests && memory[BLOCK + PAGE - 1] == (uint8_t)seen->requests);
    uint64_t took = now_us() - before;
    if (took > seen->slowest_us) seen->slowest_us = took;
    seen->requests++;
    usleep(200);
  }
  NEED(status(&device) == 15);
  exit(0);
}

int main(int count, char **arguments) {
  NEED(count == 5);
  random_state = atoi(arguments[3]);
  struct witness *seen = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int child = fork();
  if (child == 0) witness(arguments[2], seen);
  int file, end;
  memory = shared_memory(&file, BYTES);
  uint8_t *constant = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  device = open_device(arguments[1]);
  map(&device, 0, IOVA, BYTES, memory);
  message(&device, UPDATE, 0, READ_ONLY_IOVA, PAGE, constant, 1);
  uint64_t before = seen->requests;
  for (int round = 0; round < 2; round++) {
    features = F_BASIC | F_INDIRECT | (round ? F_PACKED : 0);
    if (round == 0) misuse_rings(SPLIT, sizeof SPLIT / sizeof *SPLIT);
    else misuse_rings(PACKED, sizeof PACKED / sizeof *PACKED);
    misuse_requests();
    change_rings(20);
    unmap_under_requests(20);
  }
  for (int i = 0; i < PAGE; i++) NEED(constant[i] == 0);
  killed_drivers(arguments[1], atoi(arguments[4]));
  close(device.node);
  uint64_t during = seen->requests - before;
  seen->stop = 1;
  NEED(waitpid(child, &end, 0) == child && end == 0);
  printf("the other device served %llu requests meanwhile, the slowest in %llu us\n", (unsigned long long)during, (unsigned long long)seen->slowest_us);
  NEED(during > 100 && seen->slowest_us < 2000000);
  return 0;
}
