// Drives the network and block devices of this project through their nodes, with every kind of queue.
//
//   virtio-devices blk NODE FILE KIND          a block device with two queues, and the file that has its blocks
//   virtio-devices net NODE NODE KIND          two network devices with two queue pairs each, on one loopback cable
//   virtio-devices tap NODE INTERFACE          a network device on the TAP interface
//   virtio-devices generate NODE               a network device on "null,generate=200"
//
// KIND is some of the letters p (packed), i (indirect), e (event index), o (in order), d (kicks by stores), r (the file is resized), or "-".
#include "virtio-driver.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

enum { IOVA = 16 << 20, SIZE = 128, BYTES = 8 << 20, DATA = 2 << 20, BLOCK = 4096, CONTROL_IOVA = IOVA };
enum { CSUM = 0, GUEST_CSUM = 1, GUEST_TSO4 = 7, HOST_TSO4 = 11, MERGEABLE = 15, CTRL_VQ = 17, CTRL_RX = 18, MULTI_QUEUE = 22, CTRL_MAC = 23 };
struct net_header { uint8_t flags, gso_type; uint16_t header, gso_size, csum_start, csum_offset, buffers; };

static const char *kind;
static int has(char letter) { return strchr(kind, letter) != NULL; }

static uint64_t ring_features(void) {
  return F_BASIC | (has('p') ? F_PACKED : 0) | (has('i') ? F_INDIRECT : 0) | (has('e') ? F_EVENT_INDEX : 0) | (has('o') ? F_IN_ORDER : 0);
}

static uint32_t random_state = 1;
static uint32_t random32(void) { return random_state = random_state * 1664525 + 1013904223, random_state >> 8; }

// ---------------------------------------------------------------- block

static struct queue blk[2];
static uint8_t *guest;
static int last_chain[2];

// Header and status of a request lie in front of its data: a page each, by queue and chain.
static uint64_t request_offset(int queue, int chain) { return DATA + ((uint64_t)queue * SIZE + chain) * 4 * PAGE; }

static int submit(int queue, uint32_t type, uint64_t sector, uint32_t length) {
  int chain = blk[queue].state->next_chain;
  uint64_t at = request_offset(queue, chain);
  *(struct blk_header *)(guest + at) = (struct blk_header){type, 0, sector};
  guest[at + 64] = 0xff;
  struct part parts[3] = {{IOVA + at, 16}, {IOVA + at + PAGE, length}, {IOVA + at + 64, 1}};
  if (length == 0) parts[1] = parts[2];
  int reads = type == BLK_READ || type == BLK_ID;
  return add(&blk[queue], parts, reads || length == 0 ? 1 : 2, reads ? 2 : 1, has('i') && chain % 2);
}

static int status_of(int queue, int chain) { return guest[request_offset(queue, chain) + 64]; }
static uint8_t *data_of(int queue, int chain) { return guest + request_offset(queue, chain) + PAGE; }

static int done(int queue) {
  uint32_t length;
  int chain = await(&blk[queue], &length);
  if (has('o')) NEED(chain == (last_chain[queue] + 1) % (int)blk[queue].state->chains);
  last_chain[queue] = chain;
  return chain;
}

static int one(int queue, uint32_t type, uint64_t sector, uint32_t length, const void *data) {
  if (data) memcpy(data_of(queue, blk[queue].state->next_chain), data, length);
  int chain = submit(queue, type, sector, length);
  NEED(chain >= 0 && done(queue) == chain);
  return chain;
}

static void expect_file(int file, uint64_t offset, const void *bytes, uint32_t length) {
  uint8_t found[4 * PAGE];
  NEED(pread(file, found, length, offset) == length && !memcmp(found, bytes, length));
}

// The file grows and shrinks: the driver is told, and finds the new blocks.
static void test_resize(struct device *device, int file) {
  uint64_t before, after;
  read_config(device, 0, 8, &before);
  eventfd_t told = 0;
  eventfd_read(device->config_call, &told);
  uint64_t grown = lseek(file, 0, SEEK_END) + (1 << 20);
  NEED(!ftruncate(file, grown));
  struct pollfd changed = {.fd = device->config_call, .events = POLLIN};
  NEED(poll(&changed, 1, PATIENCE_MS) == 1);
  read_config(device, 0, 8, &after);
  NEED(after == before + 2048 && after == grown / 512);
  uint8_t sevens[BLOCK];
  memset(sevens, 0x77, BLOCK);
  NEED(status_of(0, one(0, BLK_WRITE, after - 8, BLOCK, sevens)) == 0);
  expect_file(file, grown - BLOCK, sevens, BLOCK);
  NEED(!eventfd_read(device->config_call, &told));
  NEED(!ftruncate(file, grown - (1 << 20)));
  NEED(poll(&changed, 1, PATIENCE_MS) == 1);
  read_config(device, 0, 8, &after);
  NEED(after == before);
}

static void test_blk(const char *node, const char *path) {
  enum { BLOCKS = 200 };
  int file = open(path, O_RDWR), memory_file;
  NEED(file >= 0);
  struct device device = open_device(node);
  guest = shared_memory(&memory_file, BYTES);
  map(&device, 0, IOVA, BYTES, guest);
  negotiate(&device, ring_features() | 1ULL << 9 | 1ULL << 12 | 1ULL << 13 | 1ULL << 14);
  for (int i = 0; i < 2; i++) {
    blk[i] = make_queue(&device, i, SIZE, guest + i * (DATA / 2), IOVA + i * (DATA / 2));
    if (has('d')) use_doorbell(&blk[i]);
    last_chain[i] = blk[i].state->chains - 1;
  }
  go(&device);
  // Many writes in flight in both queues, then all is read back; and the file has it.
  static uint32_t seeds[BLOCKS];
  for (int pass = 0; pass < 2; pass++) {
    int submitted = 0, completed[2] = {0, 0}, in[2] = {0, 0};
    int block_of[2][SIZE];
    while (completed[0] + completed[1] < BLOCKS) {
      int queue = submitted % 2;
      if (submitted < BLOCKS && in[queue] < 20) {
        int chain = blk[queue].state->next_chain;
        uint32_t *words = (uint32_t *)data_of(queue, chain);
        if (pass == 0) for (int i = 0; i < BLOCK / 4; i++) words[i] = (seeds[submitted] = seeds[submitted] ?: random32() | 1) * (i + 1);
        else memset(words, 0, BLOCK);
        block_of[queue][chain] = submitted;
        NEED(submit(queue, pass == 0 ? BLK_WRITE : BLK_READ, 8ULL * submitted, BLOCK) == chain);
        submitted++, in[queue]++;
        continue;
      }
      queue = in[0] ? 0 : 1;
      int chain = done(queue);
      NEED(status_of(queue, chain) == 0);
      int block = block_of[queue][chain];
      uint32_t *words = (uint32_t *)data_of(queue, chain);
      for (int i = 0; i < BLOCK / 4; i++) NEED(words[i] == seeds[block] * (i + 1));
      if (pass == 1) expect_file(file, (uint64_t)block * BLOCK, words, BLOCK);
      in[queue]--, completed[queue]++;
    }
    NEED(completed[0] == BLOCKS / 2 && completed[1] == BLOCKS / 2);
  }
  NEED(status_of(0, one(0, BLK_FLUSH, 0, 0, NULL)) == 0);
  int chain = one(1, BLK_ID, 0, 20, NULL);
  NEED(status_of(1, chain) == 0 && !strncmp((char *)data_of(1, chain), "VDPA-IT", 20));
  static uint8_t zeroes[2 * BLOCK];
  struct blk_range ranges[2] = {{8, 16, 0}, {8 * 10, 8, 0}};
  NEED(status_of(0, one(0, BLK_DISCARD, 0, sizeof ranges, ranges)) == 0);
  expect_file(file, BLOCK, zeroes, 2 * BLOCK), expect_file(file, 10 * BLOCK, zeroes, BLOCK);
  ranges[0] = (struct blk_range){8 * 20, 8, 1}, ranges[1] = (struct blk_range){8 * 22, 8, 0};
  NEED(status_of(1, one(1, BLK_ZEROES, 0, sizeof ranges, ranges)) == 0);
  expect_file(file, 20 * BLOCK, zeroes, BLOCK), expect_file(file, 22 * BLOCK, zeroes, BLOCK);
  NEED(status_of(0, one(0, BLK_READ, 1ULL << 40, BLOCK, NULL)) == 1);
  NEED(status_of(0, one(0, 99, 0, BLOCK, NULL)) == 2);
  if (has('r')) test_resize(&device, file);
  printf("blk %s: %llu kicks, %llu calls for %d requests\n", kind, (unsigned long long)(blk[0].state->kicks + blk[1].state->kicks),
      (unsigned long long)(blk[0].state->calls + blk[1].state->calls), 2 * BLOCKS + 6);
  NEED(blk[0].state->kicks + blk[1].state->kicks > 0 && blk[0].state->calls + blk[1].state->calls > 0 && status(&device) == 15);
  set_status(&device, 0);
  close(device.node);
}

// ---------------------------------------------------------------- network

struct end {
  struct device device;
  struct queue rx[2], tx[2], control;
  uint8_t *memory, *apart;   // what the control queue has lies apart, in address space 1, at the same IOVAs
};

enum { QUEUE_BYTES = 256 << 10, RX_DATA = 2 << 20, TX_DATA = 4 << 20, BUFFER = 4096, HEADER = 12, LARGE = 60000 };

static uint64_t buffer(uint64_t area, int pair, int chain) { return area + ((uint64_t)pair * (SIZE / CHAIN) + chain) * 4 * BUFFER; }

static void give(struct end *end, int pair) {
  int chain = end->rx[pair].state->next_chain;
  uint64_t at = buffer(RX_DATA, pair, chain);
  struct part parts[3] = {{IOVA + at, HEADER + 100}, {IOVA + at + HEADER + 100, BUFFER}, {IOVA + at + 2 * BUFFER, BUFFER}};
  NEED(add(&end->rx[pair], parts, 0, 3, has('i')) == chain);
}

static int order(struct end *end, uint8_t class, uint8_t command, const void *data, uint32_t length) {
  uint8_t *at = end->apart + QUEUE_BYTES;
  at[0] = class, at[1] = command, memcpy(at + 2, data, length), at[512] = 0xff;
  uint64_t iova = CONTROL_IOVA + QUEUE_BYTES;
  struct part parts[3] = {{iova, 2}, {iova + 2, length}, {iova + 512, 1}};
  uint32_t used;
  NEED(add(&end->control, parts, 2, 1, 0) >= 0);
  await(&end->control, &used);
  NEED(used == 1);
  return at[512];
}

static void start_end(struct end *end, const char *node, uint64_t features) {
  int file;
  *end = (struct end){.device = open_device(node), .memory = shared_memory(&file, BYTES)};
  close(file), end->apart = shared_memory(&file, 1 << 20), close(file);
  // The data's address space has nothing of the control queue's, though it is at the same IOVAs.
  map(&end->device, 0, IOVA, BYTES, end->memory);
  map(&end->device, 1, CONTROL_IOVA, 1 << 20, end->apart);
  negotiate(&end->device, features);
  NEED(ioctl(end->device.node, SET_GROUP_ASID, &((struct vring_state){1, 2})) && errno == EINVAL);
  NEED(ioctl(end->device.node, SET_GROUP_ASID, &((struct vring_state){2, 1})) && errno == EINVAL);
  NEED(ioctl(end->device.node, SET_GROUP_ASID, &((struct vring_state){5, 1})) && errno == ENOBUFS);
  NEED(!ioctl(end->device.node, SET_GROUP_ASID, &((struct vring_state){1, 1})));
  for (int pair = 0; pair < 2; pair++) {
    end->rx[pair] = make_queue(&end->device, 2 * pair, SIZE, end->memory + 2 * pair * QUEUE_BYTES, IOVA + 2 * pair * QUEUE_BYTES);
    end->tx[pair] = make_queue(&end->device, 2 * pair + 1, SIZE, end->memory + (2 * pair + 1) * QUEUE_BYTES, IOVA + (2 * pair + 1) * QUEUE_BYTES);
    if (has('d')) use_doorbell(&end->rx[pair]), use_doorbell(&end->tx[pair]);
  }
  end->control = make_queue(&end->device, 4, 64, end->apart, CONTROL_IOVA);
  if (has('d')) use_doorbell(&end->control);
  go(&end->device);
  NEED(ioctl(end->device.node, SET_GROUP_ASID, &((struct vring_state){1, 0})) && errno == EBUSY);
  for (int pair = 0; pair < 2; pair++) for (int i = 0; i < SIZE / CHAIN; i++) give(end, pair);
}

// Sends a packet of that many bytes in two parts. The first bytes are Ethernet's, the rest is told by its number.
static int send_packet(struct end *end, int pair, uint32_t number, uint32_t length, struct net_header header) {
  int chain = end->tx[pair].state->next_chain;
  if (end->tx[pair].state->busy[chain]) return 0;
  uint64_t at = length > 3 * BUFFER ? TX_DATA + (2 << 20) - (1 << 18) : buffer(TX_DATA, pair, chain);
  uint8_t *bytes = end->memory + at;
  memcpy(bytes, &header, HEADER);
  memset(bytes + HEADER, 0xff, 6), memset(bytes + HEADER + 6, 2, 6), bytes[HEADER + 12] = 0x88, bytes[HEADER + 13] = 0xb5;
  for (uint32_t i = 14; i < length; i++) bytes[HEADER + i] = number * 31 + i;
  memcpy(bytes + HEADER + 14, &number, 4);
  struct part parts[2] = {{IOVA + at, HEADER}, {IOVA + at + HEADER, length}};
  return add(&end->tx[pair], parts, 2, 0, has('i') && number % 3 == 0) >= 0;
}

static uint32_t gathered[16384];   // a packet that was received

// @return its length, 0 if none comes in time; buffers are given back at once
static uint32_t receive(struct end *end, int pair, struct net_header *header, int milliseconds) {
  uint32_t length, total = 0;
  uint8_t *packet = (uint8_t *)gathered;
  for (int i = 0, count = 1; i < count; i++) {
    int chain = await_within(&end->rx[pair], &length, milliseconds);
    if (chain < 0) return 0;
    uint8_t *bytes = end->memory + buffer(RX_DATA, pair, chain);
    uint32_t skip = 0;
    if (i == 0) memcpy(header, bytes, HEADER), count = header->buffers, skip = HEADER, length -= HEADER;
    uint32_t room[3] = {HEADER + 100 - skip, BUFFER, BUFFER};
    uint8_t *parts[3] = {bytes + skip, bytes + HEADER + 100, bytes + 2 * BUFFER};
    for (int part = 0; part < 3 && length > 0; part++) {
      uint32_t take = length < room[part] ? length : room[part];
      memcpy(packet + total, parts[part], take), total += take, length -= take;
    }
    give(end, pair);
  }
  return total;
}

static void reap(struct end *end, int pair) {
  uint32_t length;
  while (take(&end->tx[pair], &length) >= 0) NEED(length == 0);
}

// Sends a packet once its chain is free: the device may have delivered a packet before it has told that it is sent.
static int send_when_free(struct end *end, int pair, uint32_t number, uint32_t length, struct net_header header) {
  for (int waited = 0; waited < PATIENCE_MS; waited++) {
    reap(end, pair);
    if (send_packet(end, pair, number, length, header)) return 1;
    usleep(1000);
  }
  return 0;
}

static uint16_t internet_sum(const uint8_t *bytes, uint32_t length) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < length; i++) sum += i % 2 ? bytes[i] : bytes[i] << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

static void expect_packet(uint32_t number, uint32_t length) {
  uint8_t *packet = (uint8_t *)gathered;
  NEED(!memcmp(packet + 14, &number, 4));
  for (uint32_t i = 18; i < length; i++) NEED(packet[i] == (uint8_t)(number * 31 + i));
}

static void test_net(const char *one, const char *other) {
  enum { PACKETS = 1500 };
  struct end a, b;
  struct net_header header, plain = {0};
  uint64_t features = ring_features() | 1ULL << CTRL_VQ | 1ULL << CTRL_RX | 1ULL << CTRL_MAC | 1ULL << MULTI_QUEUE | 1ULL << MERGEABLE;
  start_end(&a, one, features | 1ULL << CSUM | 1ULL << HOST_TSO4);
  start_end(&b, other, features | 1ULL << GUEST_CSUM | 1ULL << GUEST_TSO4);
  uint16_t pairs = 2, too_many = 3, none = 0;
  NEED(order(&a, 4, 0, &pairs, 2) == 0 && order(&b, 4, 0, &pairs, 2) == 0);
  NEED(order(&a, 4, 0, &too_many, 2) == 1 && order(&a, 4, 0, &none, 2) == 1 && order(&a, 9, 9, &none, 2) == 1);
  uint8_t mac[6] = {0x52, 0x54, 0, 9, 9, 9}, found[6];
  NEED(order(&b, 1, 1, mac, 6) == 0);
  read_config(&b.device, 0, 6, found);
  NEED(!memcmp(found, mac, 6));
  // Both pairs, every packet in order.
  uint32_t sent[2] = {0, 0}, received[2] = {0, 0};
  while (received[0] < PACKETS || received[1] < PACKETS) {
    for (int pair = 0; pair < 2; pair++) {
      for (int burst = 0; burst < 16 && sent[pair] < PACKETS && send_packet(&a, pair, sent[pair], 60 + sent[pair] % 1400, plain); burst++) sent[pair]++;
      reap(&a, pair);
      uint32_t length;
      while (received[pair] < sent[pair] && (length = receive(&b, pair, &header, received[pair] == sent[pair] - 1 || sent[pair] == PACKETS ? PATIENCE_MS : 0)) > 0) {
        NEED(length == 60 + received[pair] % 1400);
        expect_packet(received[pair]++, length);
      }
    }
  }
  // What is left to be done passes through: a checksum, and 60,000 bytes that are to be segments.
  struct net_header large = {1, 1, 54, 1448, 34, 16, 0};
  NEED(send_when_free(&a, 0, 7, LARGE, large));
  NEED(receive(&b, 0, &header, PATIENCE_MS) == LARGE);
  NEED(header.flags == 1 && header.gso_type == 1 && header.gso_size == 1448 && header.csum_start == 34 && header.csum_offset == 16 && header.buffers > 1);
  expect_packet(7, 34 + 16);
  NEED(status(&a.device) == 15 && status(&b.device) == 15);
  // A receiver that cannot do this gets checksums, and no such packets.
  set_status(&b.device, 0);
  close(b.device.node);
  start_end(&b, other, features);
  reap(&a, 0);
  NEED(send_when_free(&a, 0, 8, LARGE, large));
  NEED(send_when_free(&a, 0, 9, 300, (struct net_header){1, 0, 0, 0, 34, 16, 0}));
  NEED(receive(&b, 0, &header, PATIENCE_MS) == 300);
  NEED(header.flags == 0 && header.gso_type == 0);
  expect_packet(9, 34 + 16);
  // The sum is over what was sent, with what was in its place.
  uint8_t pattern[300];
  for (int i = 18; i < 300; i++) pattern[i] = 9 * 31 + i;
  uint8_t *sum = (uint8_t *)gathered + 34 + 16;
  NEED((sum[0] << 8 | sum[1]) == (uint16_t)~internet_sum(pattern + 34, 300 - 34));
  printf("net %s: %llu kicks, %llu calls for %d packets\n", kind, (unsigned long long)(a.tx[0].state->kicks + a.tx[1].state->kicks),
      (unsigned long long)(b.rx[0].state->calls + b.rx[1].state->calls), 2 * PACKETS);
  set_status(&a.device, 0), set_status(&b.device, 0);
  close(a.device.node), close(b.device.node);
}

static void test_generate(const char *node) {
  struct end end;
  struct net_header header;
  uint64_t number = 0;
  start_end(&end, node, ring_features() | 1ULL << CTRL_VQ | 1ULL << MULTI_QUEUE | 1ULL << MERGEABLE);
  for (int i = 0; i < 2000; i++) {
    NEED(receive(&end, 0, &header, PATIENCE_MS) == 200);
    uint64_t found;
    memcpy(&found, (uint8_t *)gathered + 14, 8);
    if (i == 0) number = found;
    NEED(found == number + i);
  }
  for (int i = 0; i < 500;) i += send_packet(&end, 0, i, 100, (struct net_header){0}), reap(&end, 0);
  set_status(&end.device, 0);
  close(end.device.node);
}

static void test_tap(const char *node, const char *interface) {
  struct end end;
  struct net_header header;
  int wire = socket(AF_PACKET, SOCK_RAW, htons(0x88b5));
  struct ifreq request = {0};
  strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  NEED(wire >= 0 && !ioctl(wire, SIOCGIFFLAGS, &request));
  request.ifr_flags |= IFF_UP;
  NEED(!ioctl(wire, SIOCSIFFLAGS, &request) && !ioctl(wire, SIOCGIFINDEX, &request));
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(0x88b5), .sll_ifindex = request.ifr_ifindex};
  NEED(!bind(wire, (struct sockaddr *)&address, sizeof address));
  start_end(&end, node, ring_features() | 1ULL << CTRL_VQ | 1ULL << MULTI_QUEUE | 1ULL << MERGEABLE);
  uint8_t packet[2048];
  for (int i = 0; i < 200; i++) {
    NEED(send_when_free(&end, 0, i, 100 + i, (struct net_header){0}));
    struct pollfd polled = {.fd = wire, .events = POLLIN};
    NEED(poll(&polled, 1, PATIENCE_MS) == 1 && recv(wire, packet, sizeof packet, 0) == 100 + i && !memcmp(packet + 14, &(uint32_t){i}, 4));
    reap(&end, 0);
    packet[14] = ~packet[14];
    NEED(send(wire, packet, 100 + i, 0) == 100 + i);
    do NEED(receive(&end, 0, &header, PATIENCE_MS) > 0);   // the kernel sends packets of its own there
    while (((uint8_t *)gathered)[12] != 0x88 || ((uint8_t *)gathered)[13] != 0xb5);
    NEED(!memcmp(gathered, packet, 100 + i));
  }
  set_status(&end.device, 0);
  close(end.device.node);
}

int main(int count, char **arguments) {
  NEED(count > 2);
  kind = count > 4 ? arguments[4] : "-";
  if (!strcmp(arguments[1], "blk")) test_blk(arguments[2], arguments[3]);
  else if (!strcmp(arguments[1], "net")) test_net(arguments[2], arguments[3]);
  else if (!strcmp(arguments[1], "tap")) test_tap(arguments[2], arguments[3]);
  else if (!strcmp(arguments[1], "generate")) test_generate(arguments[2]);
  else NEED(0);
  return 0;
}
