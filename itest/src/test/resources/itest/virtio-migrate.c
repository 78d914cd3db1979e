// Moves virtio devices, under load, to other instances of them in another runtime: their queues go on there where they stopped here.
//
//   virtio-migrate source SOCKET KIND IOMMU NET NET BLK      starts, is busy for a while, suspends, and hands everything over
//   virtio-migrate target SOCKET KIND IOMMU NET NET BLK      goes on with it to the end, and checks that nothing is lost or done twice
//
// The first network device sends to the second one over a loopback cable; what it sends is numbered. The block device gets blocks that
// are numbered as well, in two queues. All the memory, with what drivers remember of their queues, is a memory file that the source passes
// to the target. KIND is p for packed queues or "-" for split ones, i for indirect tables. IOMMU is what serves the
// devices here, as IOMMU_GET_HW_INFO says it: 1 for VT-d, 2 for SMMUv3.
#include "virtio-driver.h"
#include <sys/socket.h>
#include <sys/un.h>

enum { IOVA = 32 << 20, BYTES = 16 << 20, SIZE = 256, CHAINS = SIZE / CHAIN, QUEUE_BYTES = 128 << 10, DATA = 2 << 20, SLOT = 2 * PAGE, BLOCK = 4096, HEADER = 12 };
enum { RX, TX, BLK0, BLK1, QUEUES };   // where they are in memory
enum { PACKETS = 100000, BLOCKS = 3000, PASSES = 8, BUSY_MS = 1500 };

// What a client remembers of its work, at the beginning of memory.
struct progress {
  uint32_t bases[QUEUES];
  uint64_t sent, received, out_of_order, garbled;
  uint64_t submitted, completed, failed;             // blocks
  uint32_t block_of[2][CHAINS], done_of[BLOCKS];       // how often each block was written
  uint64_t sent_before, received_before, completed_before, in_flight_before[QUEUES];
};

static uint8_t *memory;
static struct progress *progress;
static struct device sender, receiver, disk;
static struct queue queues[QUEUES];
static const char *kind;
static int indirect;
// The source leaves some work to the target, however fast it is here.
static uint64_t most_packets = PACKETS, most_blocks = (uint64_t)BLOCKS * PASSES;

static uint64_t features(void) { return F_BASIC | (strchr(kind, 'p') ? F_PACKED : 0) | (indirect ? F_INDIRECT : 0) | F_EVENT_INDEX; }
static uint64_t queue_at(int queue) { return (1 << 20) + (uint64_t)queue * QUEUE_BYTES; }
static uint64_t data_at(int queue, int chain) { return DATA + ((uint64_t)queue * CHAINS + chain) * SLOT; }
static uint32_t word(uint32_t block, uint32_t pass, uint32_t i) { return (block + 1) * 2654435761u + pass * 40503u + i * 97u; }

static void give(void) {
  struct queue *rx = &queues[RX];
  uint64_t at = data_at(RX, rx->state->next_chain);
  struct part parts[2] = {{IOVA + at, 64}, {IOVA + at + 64, SLOT - 64}};
  NEED(add(rx, parts, 0, 2, indirect) >= 0);
}

static int send_next(void) {
  struct queue *tx = &queues[TX];
  if (progress->sent == most_packets || tx->state->busy[tx->state->next_chain]) return 0;
  uint64_t at = data_at(TX, tx->state->next_chain);
  uint32_t length = 60 + progress->sent % 700;
  uint8_t *packet = memory + at;
  memset(packet, 0, HEADER), memset(packet + HEADER, 0xff, 6), memset(packet + HEADER + 6, 2, 6);
  packet[HEADER + 12] = 0x88, packet[HEADER + 13] = 0xb5;
  memcpy(packet + HEADER + 14, &progress->sent, 8);
  memset(packet + HEADER + 22, (int)progress->sent, length - 22);
  struct part parts[2] = {{IOVA + at, HEADER}, {IOVA + at + HEADER, length}};
  if (add(tx, parts, 2, 0, indirect) < 0) return 0;
  progress->sent++;
  return 1;
}

static int receive_next(void) {
  uint32_t length;
  int chain = take(&queues[RX], &length);
  if (chain < 0) return 0;
  uint8_t *packet = memory + data_at(RX, chain);
  uint64_t number;
  memcpy(&number, packet + HEADER + 14, 8);
  if (number != progress->received) progress->out_of_order++;
  if (length != HEADER + 60 + number % 700 || packet[HEADER + 22] != (uint8_t)number || packet[length - 1] != (uint8_t)number) progress->garbled++;
  progress->received++;
  give();
  return 1;
}

static int write_next(void) {
  if (progress->submitted == most_blocks) return 0;
  int which = progress->submitted % 2;
  struct queue *queue = &queues[BLK0 + which];
  int chain = queue->state->next_chain;
  if (queue->state->busy[chain]) return 0;
  uint64_t at = data_at(BLK0 + which, chain);
  uint32_t block = progress->submitted % BLOCKS, pass = progress->submitted / BLOCKS;
  *(struct blk_header *)(memory + at) = (struct blk_header){BLK_WRITE, 0, 8ULL * block};
  memory[at + 64] = 0xff;
  for (int i = 0; i < BLOCK / 4; i++) ((uint32_t *)(memory + at + PAGE))[i] = word(block, pass, i);
  struct part parts[3] = {{IOVA + at, 16}, {IOVA + at + PAGE, BLOCK}, {IOVA + at + 64, 1}};
  if (add(queue, parts, 2, 1, indirect) < 0) return 0;
  progress->block_of[which][chain] = block;
  progress->submitted++;
  return 1;
}

static int written_next(void) {
  int some = 0;
  for (int which = 0; which < 2; which++) {
    uint32_t length;
    int chain = take(&queues[BLK0 + which], &length);
    if (chain < 0) continue;
    some = 1;
    if (memory[data_at(BLK0 + which, chain) + 64] != 0) progress->failed++;
    progress->done_of[progress->block_of[which][chain]]++;
    progress->completed++;
  }
  return some;
}

static void reap(void) {
  uint32_t length;
  while (take(&queues[TX], &length) >= 0) { }
}

// Some of everything. @return whether there was anything to do
static int turn(int receives_only) {
  int some = 0;
  for (int i = 0; i < 64; i++) some |= receive_next();
  if (receives_only) return some;
  reap();
  for (int i = 0; i < 32; i++) some |= send_next();
  for (int i = 0; i < 4; i++) some |= written_next() | write_next();
  return some;
}

// What kind of IOMMU a device is behind.
static uint32_t iommu_of(const char *path) {
  struct device device = open_device(path);
  int iommufd = open("/dev/iommu", O_RDWR);
  uint32_t bind[4] = {16, 0, iommufd, 0};
  struct { uint32_t size, flags, device, length; uint64_t at; uint32_t type, reserved; uint64_t capabilities; } info = {.size = 40};
  NEED(iommufd >= 0 && !ioctl(device.node, 0xC010AFF0, bind));
  info.device = bind[2];
  NEED(!ioctl(iommufd, _IO(';', 0x8a), &info));
  close(device.node), close(device.config_call), close(iommufd);
  return info.type;
}

static void open_all(char **nodes) {
  sender = open_device(nodes[0]), receiver = open_device(nodes[1]), disk = open_device(nodes[2]);
  struct device *all[] = {&sender, &receiver, &disk};
  for (int i = 0; i < 3; i++) map(all[i], 0, IOVA, BYTES, memory), negotiate(all[i], features() | (i < 2 ? 0 : 1ULL << 9 | 1ULL << 12));
}

static struct device *device_of(int queue) { return queue == TX ? &sender : queue == RX ? &receiver : &disk; }
static int index_of(int queue) { return queue == TX ? 1 : queue == BLK1 ? 1 : 0; }

// Full speed, and stop. The sender first: what is in the cable belongs to no queue, the receiver gets it.
static void stop_all(void) {
  most_packets += CHAINS, most_blocks += 2 * CHAINS;
  for (int i = 0; i < CHAINS; i++) send_next(), write_next();
  NEED(!ioctl(sender.node, SUSPEND) && !ioctl(disk.node, SUSPEND));
  for (int quiet = 0; quiet < 50;) turn(1) ? quiet = 0 : (usleep(1000), quiet++);
  NEED(!ioctl(receiver.node, SUSPEND));
  for (int i = 0; i < QUEUES; i++) {
    progress->bases[i] = base_of(device_of(i), index_of(i));
    progress->in_flight_before[i] = queues[i].state->in_flight;
  }
}

static void source(int socket, int file, char **nodes) {
  open_all(nodes);
  progress = (struct progress *)memory;
  most_packets = PACKETS / 2, most_blocks = BLOCKS * PASSES / 2;
  for (int i = 0; i < QUEUES; i++) queues[i] = make_queue(device_of(i), index_of(i), SIZE, memory + queue_at(i), IOVA + queue_at(i));
  go(&receiver), go(&sender), go(&disk);
  for (int i = 0; i < CHAINS; i++) give();
  for (uint64_t until = now_us() + BUSY_MS * 1000; now_us() < until && progress->received < PACKETS / 3 && progress->completed < BLOCKS * PASSES / 3;) turn(0);
  stop_all();
  // It could have gone on here.
  NEED(!ioctl(receiver.node, RESUME) && !ioctl(sender.node, RESUME) && !ioctl(disk.node, RESUME));
  uint64_t sent = progress->sent, completed = progress->completed;
  for (uint64_t until = now_us() + PATIENCE_MS * 1000ULL; now_us() < until && (progress->received < sent + 500 || progress->completed < completed + 100);) turn(0);
  NEED(progress->received >= sent + 500 && progress->completed >= completed + 100);
  stop_all();
  progress->sent_before = progress->sent, progress->received_before = progress->received, progress->completed_before = progress->completed;
  struct device *all[] = {&sender, &receiver, &disk};
  for (int i = 0; i < 3; i++) {
    NEED(status(all[i]) == 15);
    set_status(all[i], 0);
    close(all[i]->node);
  }
  char byte = 0, control[CMSG_SPACE(sizeof file)] = {0};
  struct iovec vector = {&byte, 1};
  struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *passed = CMSG_FIRSTHDR(&header);
  passed->cmsg_level = SOL_SOCKET, passed->cmsg_type = SCM_RIGHTS, passed->cmsg_len = CMSG_LEN(sizeof file);
  memcpy(CMSG_DATA(passed), &file, sizeof file);
  NEED(sendmsg(socket, &header, 0) == 1);
  NEED(read(socket, &byte, 1) == 1 && byte == 1);   // the target's verdict
}

static int receive_file(int socket) {
  char byte, control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec vector = {&byte, 1};
  struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  NEED(recvmsg(socket, &header, 0) == 1 && CMSG_FIRSTHDR(&header));
  int file;
  memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof file);
  return file;
}

static uint64_t read_back(void) {
  uint64_t wrong = 0;
  struct queue *queue = &queues[BLK0];
  for (uint32_t block = 0; block < BLOCKS; block++) {
    int chain = queue->state->next_chain;
    uint64_t at = data_at(BLK0, chain);
    *(struct blk_header *)(memory + at) = (struct blk_header){BLK_READ, 0, 8ULL * block};
    struct part parts[3] = {{IOVA + at, 16}, {IOVA + at + PAGE, BLOCK}, {IOVA + at + 64, 1}};
    uint32_t length;
    NEED(add(queue, parts, 1, 2, indirect) == chain && await(queue, &length) == chain && length == BLOCK + 1 && memory[at + 64] == 0);
    for (int i = 0; i < BLOCK / 4; i++) wrong += ((uint32_t *)(memory + at + PAGE))[i] != word(block, PASSES - 1, i);
  }
  return wrong;
}

static void target(int socket, char **nodes) {
  int file = receive_file(socket);
  memory = mmap(0, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  NEED(memory != MAP_FAILED);
  open_all(nodes);
  progress = (struct progress *)memory;
  for (int i = 0; i < QUEUES; i++) queues[i] = take_over(device_of(i), index_of(i), memory + queue_at(i), IOVA + queue_at(i), progress->bases[i]);
  go(&receiver), go(&sender), go(&disk);
  // Buffers that the source's devices had not begun with are not kicked again.
  uint64_t until = now_us() + 60000000;
  while (progress->received < PACKETS || progress->completed < (uint64_t)BLOCKS * PASSES) {
    if (!turn(0) && now_us() > until) break;
  }
  uint64_t wrong = read_back(), again = 0;
  for (int i = 0; i < BLOCKS; i++) again += progress->done_of[i] != PASSES;
  printf("%s: packets %llu sent (%llu before), %llu received (%llu before), %llu out of order, %llu garbled; blocks %llu written (%llu before), %llu failed, "
      "%llu not once, %llu wrong words; in flight when moved: %llu, %llu, %llu, %llu\n", kind, (unsigned long long)progress->sent,
      (unsigned long long)progress->sent_before, (unsigned long long)progress->received, (unsigned long long)progress->received_before,
      (unsigned long long)progress->out_of_order, (unsigned long long)progress->garbled, (unsigned long long)progress->completed,
      (unsigned long long)progress->completed_before, (unsigned long long)progress->failed, (unsigned long long)again, (unsigned long long)wrong,
      (unsigned long long)progress->in_flight_before[RX], (unsigned long long)progress->in_flight_before[TX],
      (unsigned long long)progress->in_flight_before[BLK0], (unsigned long long)progress->in_flight_before[BLK1]);
  NEED(progress->sent == PACKETS && progress->received == PACKETS && progress->out_of_order == 0 && progress->garbled == 0);
  NEED(progress->completed == (uint64_t)BLOCKS * PASSES && progress->failed == 0 && again == 0 && wrong == 0);
  // It was moved under load, with work on either side.
  NEED(progress->sent_before > 0 && progress->sent_before < PACKETS && progress->completed_before > 0 && progress->completed_before < (uint64_t)BLOCKS * PASSES);
  NEED(progress->in_flight_before[RX] == CHAINS && progress->in_flight_before[TX] > 0 && progress->in_flight_before[BLK0] + progress->in_flight_before[BLK1] > 0);
  char good = 1;
  NEED(write(socket, &good, 1) == 1);
}

int main(int count, char **arguments) {
  NEED(count == 8);
  kind = arguments[3], indirect = !!strchr(kind, 'i');
  for (int i = 5; i < 8; i++) NEED(iommu_of(arguments[i]) == (uint32_t)atoi(arguments[4]));
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, arguments[2], sizeof address.sun_path - 1);
  int end = socket(AF_UNIX, SOCK_STREAM, 0);
  if (!strcmp(arguments[1], "source")) {
    int file;
    memory = shared_memory(&file, BYTES);
    int tries = 0;
    while (connect(end, (struct sockaddr *)&address, sizeof address) && tries++ < 300) usleep(100000);
    source(end, file, arguments + 5);
  } else {
    NEED(!bind(end, (struct sockaddr *)&address, sizeof address) && !listen(end, 1));
    int peer = accept(end, NULL, NULL);
    NEED(peer >= 0);
    target(peer, arguments + 5);
  }
  return 0;
}
