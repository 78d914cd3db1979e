// Issues random but reproducible requests to a vhost-vdpa node, and prints each with what came back, so that two implementations can be
// compared line by line.
//
//   vhost-vdpa FIRST_SEED SEEDS OPERATIONS NODE
//
// linux-7.3-vhost-vdpa.txt.gz is what Linux 7.3 prints for `1 20 400`, where the device is its simulator of a network device
// (`vdpa_sim_net`, with `vdpa_sim.use_va=0 vdpa_sim.batch_mapping=0`: memory is pinned, mappings take effect at once). If there is no NODE,
// a device of that kind is made by netlink.
//
// Queues are never kicked: what a device does with them is its own. Not drawn is what docs/differences.md explains.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define IO(number) _IO(0xAF, number)
#define SET(number, bytes) _IOC(_IOC_WRITE, 0xAF, number, bytes)
#define GET(number, bytes) _IOC(_IOC_READ, 0xAF, number, bytes)
#define BOTH(number, bytes) _IOC(_IOC_READ | _IOC_WRITE, 0xAF, number, bytes)

enum { QUEUES = 3, EVENTFDS = 4, STRUCT_BYTES = 2304, PAGE = 4096, SLOT = 16 * PAGE, SLOTS = 12, DRIVER_OK = 4 };

static uint64_t state;
static int node = -1, eventfds[EVENTFDS], other_file;
static const char *path;
static unsigned char *bytes; // ends where memory ends
static unsigned char *memory, *constant, *hole;
static unsigned status; // the last one that was taken
static int sized[QUEUES]; // since the reset
static int owned;

static uint32_t random32(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state * 0x2545F4914F6CDD1DULL >> 32;
}
static uint32_t below(uint32_t limit) { return random32() % limit; }
static int percent(uint32_t chance) { return below(100) < chance; }

static void put32(int offset, uint32_t value) { memcpy(bytes + offset, &value, 4); }
static void put64(int offset, uint64_t value) { memcpy(bytes + offset, &value, 8); }
static uint32_t get32(int offset) { uint32_t value; return memcpy(&value, bytes + offset, 4), value; }
static uint64_t get64(int offset) { uint64_t value; return memcpy(&value, bytes + offset, 8), value; }

static long result(long value) {
  if (value < 0) printf("= %s\n", strerrorname_np(errno));
  else printf("= %ld\n", value);
  return value;
}

static long request(unsigned number, const void *argument) {
  errno = 0;
  return ioctl(node, number, argument);
}

// Where an argument may be that is read or written at once; a bad one now and then.
static void *somewhere(void) { return percent(97) ? bytes : hole; }

static uint32_t queue(void) { return percent(92) ? below(QUEUES) : percent(50) ? QUEUES : random32(); }

static int32_t descriptor(char *name) {
  int index = below(EVENTFDS + 5);
  if (index < EVENTFDS) return sprintf(name, "event%d", index), eventfds[index];
  if (index == EVENTFDS) return sprintf(name, "other"), other_file;
  if (index == EVENTFDS + 1) return sprintf(name, "999"), 999;
  if (index == EVENTFDS + 2) return sprintf(name, "-2"), -2;
  return sprintf(name, "-1"), -1;
}

static uint64_t features(void) {
  static const uint64_t sets[] = {3ULL << 32, 1ULL << 33 | 1 << 5, 3ULL << 32 | 1 << 5 | 1 << 16 | 1 << 17, 1ULL << 32, 0, -1ULL, 1ULL << 33 | 1ULL << 60};
  return sets[below(7)];
}

static void get_features(void) {
  void *where = somewhere();
  long value = request(GET(0, 8), where);
  printf("GET_FEATURES %d ", where == hole);
  if (value == 0) printf("%llx ", (unsigned long long) get64(0));
  result(value);
}

static void set_features(void) {
  put64(0, features());
  printf("SET_FEATURES %llx ", (unsigned long long) get64(0));
  result(request(SET(0, 8), bytes));
}

static void get_backend_features(void) {
  void *where = somewhere();
  long value = request(GET(0x26, 8), where);
  printf("GET_BACKEND_FEATURES %d ", where == hole);
  if (value == 0) printf("%llx ", (unsigned long long) get64(0));
  result(value);
}

static void set_backend_features(void) {
  static const uint64_t sets[] = {0, 2, 6, 14, 14, 0x7e, 0x17e, 0x1fe, 0x80, 0x88, 0x88, 1, 0x200, 0x10, 0x20, 0x40, 0x100, -1ULL};
  put64(0, sets[below(18)]);
  void *where = somewhere();
  printf("SET_BACKEND_FEATURES %llx %d ", (unsigned long long) get64(0), where == hole);
  result(request(SET(0x25, 8), where));
}

static void numbers(void) {
  static const struct { const char *name; unsigned number, bytes; } requests[] = {{"DEVICE_ID", 0x70, 4}, {"VRING_NUM", 0x76, 2}, {"CONFIG_SIZE", 0x79, 4},
      {"AS_NUM", 0x7a, 4}, {"VQS_COUNT", 0x80, 4}, {"GROUP_NUM", 0x81, 4}};
  int which = below(6);
  void *where = somewhere();
  printf("%s %d ", requests[which].name, where == hole);
  long value = request(GET(requests[which].number, requests[which].bytes), where);
  if (value == 0) printf("%x ", get32(0));
  result(value);
}

static void iova_range(void) {
  void *where = somewhere();
  printf("IOVA_RANGE %d ", where == hole);
  long value = request(GET(0x78, 16), where);
  // How wide it is is the IOMMU's choice.
  if (value == 0) printf("%llx %s ", (unsigned long long) get64(0), get64(8) >> 38 ? "wide" : "narrow");
  result(value);
}

static void get_status(void) {
  void *where = somewhere();
  printf("GET_STATUS %d ", where == hole);
  long value = request(GET(0x71, 1), where);
  if (value == 0) printf("%x ", bytes[0]);
  result(value);
}

static void set_status(void) {
  static const unsigned next[] = {0, 1, 3, 11, 15, 15, 11, 0x80};
  bytes[0] = percent(35) ? status | 1 << below(8) : percent(95) ? next[below(8)] : random32();
  if (bytes[0] & 0x40) bytes[0] &= ~0x40;
  void *where = somewhere();
  printf("SET_STATUS %x %d ", bytes[0], where == hole);
  unsigned wanted = bytes[0];
  if (result(request(SET(0x72, 1), where)) == 0) {
    status = wanted;
    if (status == 0) memset(sized, 0, sizeof sized);
  }
}

static void config(void) {
  static const uint32_t offsets[] = {0, 0, 1, 4, 6, 10, 12, 23, 24, 25, -1u, 1u << 31}, lengths[] = {0, 1, 2, 4, 6, 8, 12, 24, 25, -1u, 1u << 31};
  uint32_t offset = offsets[below(12)], length = lengths[below(11)];
  int writes = percent(40);
  put32(0, offset), put32(4, length);
  for (uint32_t i = 0; i < 32; i++) bytes[8 + i] = random32();
  printf("%s %x %x ", writes ? "SET_CONFIG" : "GET_CONFIG", offset, length);
  if (writes) for (uint32_t i = 0; i < length && i < 24; i++) printf("%02x", bytes[8 + i]);
  long value = request(writes ? SET(0x74, 8) : GET(0x73, 8), bytes);
  if (!writes && value == 0) for (uint32_t i = 0; i < length && i < 24; i++) printf("%02x", bytes[8 + i]);
  printf(" "), result(value);
}

static void config_call(void) {
  char name[16];
  put32(0, descriptor(name));
  printf("SET_CONFIG_CALL %s ", name);
  result(request(SET(0x77, 4), bytes));
}

static void set_owner(void) {
  printf("SET_OWNER ");
  owned |= result(request(IO(1), bytes)) == 0;
}

static void vring_num(void) {
  static const uint32_t sizes[] = {1, 2, 4, 64, 128, 256, 512, 0, 3, 32768, 65536, -1u, 1u << 31};
  uint32_t index = queue(), size = sizes[percent(70) ? below(6) : below(13)];
  put32(0, index), put32(4, size);
  printf("SET_VRING_NUM %x %x ", index, size);
  if (result(request(SET(0x10, 8), bytes)) == 0) sized[index] = 1;
}

static void vring_addr(void) {
  uint32_t index = queue(), flags = percent(90) ? 0 : below(4);
  uint64_t desc = (uint64_t) below(4) << 16 | (percent(90) ? 0 : 1), used = (uint64_t) below(4) << 16 | 0x2000 | (percent(90) ? 0 : below(4));
  uint64_t avail = (uint64_t) below(4) << 16 | 0x1000 | (percent(90) ? 0 : below(4)), log = percent(90) ? 0 : below(8);
  put32(0, index), put32(4, flags), put64(8, desc), put64(16, used), put64(24, avail), put64(32, log);
  printf("SET_VRING_ADDR %x %x %llx %llx %llx %llx ", index, flags, (unsigned long long) desc, (unsigned long long) used, (unsigned long long) avail, (unsigned long long) log);
  result(request(SET(0x11, 40), bytes));
}

static void vring_base(void) {
  uint32_t index = queue(), base = percent(90) ? below(65536) : random32();
  put32(0, index), put32(4, base);
  printf("SET_VRING_BASE %x %x ", index, base);
  result(request(SET(0x12, 8), bytes));
}

static void get_vring(unsigned number, const char *name) {
  put32(0, queue()), put32(4, 0x5a5a5a5a);
  printf("%s %x ", name, get32(0));
  long value = request(BOTH(number, 8), bytes);
  if (value == 0) printf("%x %x ", get32(0), get32(4));
  result(value);
}
static void get_base(void) { get_vring(0x12, "GET_VRING_BASE"); }
static void get_group(void) { get_vring(0x7b, "GET_VRING_GROUP"); }
static void get_desc_group(void) { get_vring(0x7f, "GET_VRING_DESC_GROUP"); }

// A simulator says the largest size before DRIVER_OK, and keeps it across resets.
static void get_size(void) {
  put32(0, queue());
  printf("GET_VRING_SIZE %x ", get32(0));
  long value = request(BOTH(0x82, 8), bytes);
  if (value == 0 && (status & DRIVER_OK) && sized[get32(0)]) printf("%x ", get32(4));
  result(value);
}

static void vring_file(void) {
  static const struct { const char *name; unsigned number; } requests[] = {{"SET_VRING_KICK", 0x20}, {"SET_VRING_CALL", 0x21}, {"SET_VRING_ERR", 0x22}};
  int which = below(3);
  char name[16];
  put32(0, queue()), put32(4, descriptor(name));
  printf("%s %x %s ", requests[which].name, get32(0), name);
  result(request(SET(requests[which].number, 8), bytes));
}

static void vring_enable(void) {
  put32(0, queue()), put32(4, percent(60) ? 1 : percent(70) ? 0 : random32());
  printf("SET_VRING_ENABLE %x %x ", get32(0), get32(4));
  result(request(SET(0x75, 8), bytes));
}

static void group_asid(void) {
  put32(0, percent(70) ? below(2) : queue()), put32(4, percent(80) ? below(2) : percent(50) ? 2 : random32());
  printf("SET_GROUP_ASID %x %x ", get32(0), get32(4));
  result(request(SET(0x7c, 8), bytes));
}

static void busy_loop(void) {
  int gets = percent(50);
  put32(0, queue()), put32(4, below(1000));
  printf("%s %x %x ", gets ? "GET_BUSYLOOP" : "SET_BUSYLOOP", get32(0), get32(4));
  long value = request(SET(gets ? 0x24 : 0x23, 8), bytes);
  if (gets && value == 0) printf("%x %x ", get32(0), get32(4));
  result(value);
}

static void suspend(void) {
  int resumes = percent(50);
  printf(resumes ? "RESUME " : "SUSPEND ");
  result(request(IO(resumes ? 0x7e : 0x7d), bytes));
}

static void memory_table(void) {
  uint32_t regions = percent(90) ? below(4) : percent(50) ? 64 : 65 + below(1000);
  put32(0, regions), put32(4, percent(95) ? 0 : 1);
  for (uint32_t i = 0; i < regions && i < 64; i++) {
    uint64_t start = percent(90) ? (uint64_t) below(16) << 20 : -4096ULL, size = percent(90) ? 1 << 20 : percent(50) ? 0 : 8192;
    put64(8 + 32 * i, start), put64(16 + 32 * i, size), put64(24 + 32 * i, (uintptr_t) memory);
  }
  printf("SET_MEM_TABLE %u %u ", regions, get32(4));
  result(request(SET(3, 8), bytes));
}

static void unknown(void) {
  static const unsigned requests[] = {IO(2), SET(4, 8), SET(7, 4), SET(0x13, 8), SET(0x14, 8), GET(8, 4), SET(9, 4), SET(0x15, 8), BOTH(0x16, 8), IO(0x7f), IO(0x83),
      GET(0x83, 8), SET(0x30, 8), SET(0x60, 8), 0x1234, 0x3b64};
  unsigned which = requests[below(16)];
  put32(0, queue()), put32(4, -1);
  printf("ioctl %x %x ", which, get32(0));
  result(request(which, bytes));
}

static void message(void) {
  static const int kinds[] = {2, 2, 2, 2, 2, 3, 3, 3, 5, 6, 1, 4, 0, 7};
  int version = percent(95) ? 1 + below(2) : below(4), kind = kinds[below(14)], writes, slot = below(SLOTS);
  uint32_t asid = percent(75) ? 0 : percent(80) ? 1 : percent(50) ? 2 : random32();
  uint64_t iova = (uint64_t) (1 + slot) * SLOT, size = (uint64_t) (1 + below(3)) * PAGE, uaddr = (uintptr_t) memory + (uint64_t) below(16) * PAGE;
  const char *where = "memory";
  memset(bytes, 0, STRUCT_BYTES);
  if (kind == 3) size = percent(90) ? (uint64_t) (1 + below(3)) * SLOT : 0;
  else if (percent(10)) iova += below(PAGE), size = 1 + below(2 * PAGE);
  if (kind == 3 && percent(10)) iova = 0, size = percent(50) ? 0 : -1ULL;
  if (kind == 2 && percent(4)) size = 0;
  if (kind == 2 && percent(4)) iova = -4096ULL, size = 2 * PAGE;
  if (kind == 2 && percent(5)) uaddr = (uintptr_t) hole, where = "hole";
  if (kind == 2 && percent(8)) uaddr = (uintptr_t) constant, where = "constant", size = PAGE, iova = (uint64_t) (1 + slot) * SLOT;
  writes = 1 + below(3);
  int length = percent(95) ? 72 : below(72) + 1;
  put32(0, version), put32(4, asid), put64(8, iova), put64(16, size), put64(24, uaddr), bytes[32] = writes, bytes[33] = kind;
  printf("MESSAGE v%d %d asid %x %llx %llx %s %d %d ", version, kind, asid, (unsigned long long) iova, (unsigned long long) size, where, writes, length);
  errno = 0;
  long value = write(node, bytes, length);
  result(value > 0 ? 0 : value); // FUSE lets nobody say that more was written than was there
}

static void other_files(void) {
  int which = below(4);
  errno = 0;
  if (which == 0) {
    int again = open(path, O_RDWR);
    printf("open "), result(again);
    if (again >= 0) close(again);
  } else if (which == 1) {
    printf("read "), result(read(node, bytes, 72));
  } else if (which == 2) {
    struct pollfd polled = {.fd = node, .events = POLLIN | POLLOUT | POLLERR | POLLHUP};
    int count = poll(&polled, 1, 0);
    printf("poll %d %x\n", count, polled.revents);
  } else {
    printf("other process ");
    put32(0, 0), put32(4, 64);
    fflush(stdout);
    int child = fork();
    if (child == 0) _exit(request(SET(0x10, 8), bytes) == 0 ? 0 : errno);
    int end;
    waitpid(child, &end, 0);
    errno = WEXITSTATUS(end), result(errno ? -1 : 0);
  }
}

static int open_all(void) {
  if ((node = open(path, O_RDWR)) < 0) return perror(path), -1;
  status = owned = 0;
  memset(sized, 0, sizeof sized);
  for (int i = 0; i < EVENTFDS; i++) eventfds[i] = eventfd(0, EFD_NONBLOCK);
  other_file = open("/dev/null", O_RDWR);
  return 0;
}

static void close_all(void) {
  close(node), close(other_file);
  for (int i = 0; i < EVENTFDS; i++) close(eventfds[i]);
}

static const struct { int weight; void (*run)(void); } OPERATIONS[] = {{3, get_features}, {8, set_features}, {3, get_backend_features}, {6, set_backend_features},
    {4, numbers}, {1, iova_range}, {6, get_status}, {14, set_status}, {8, config}, {4, config_call}, {4, set_owner}, {8, vring_num}, {8, vring_addr},
    {8, vring_base}, {8, get_base}, {4, get_group}, {2, get_desc_group}, {4, get_size}, {10, vring_file}, {8, vring_enable}, {8, group_asid},
    {3, busy_loop}, {8, suspend}, {2, memory_table}, {5, unknown}, {45, message}, {4, other_files}};

static int run(uint64_t first, uint64_t seeds, uint64_t operations) {
  bytes = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(bytes + PAGE, PAGE, PROT_NONE);
  hole = bytes + PAGE;
  bytes += PAGE - STRUCT_BYTES;
  int file = memfd_create("memory", 0);
  ftruncate(file, 32 * PAGE);
  memory = mmap(0, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  memset(memory, 0, 32 * PAGE);
  constant = mmap(0, PAGE, PROT_READ, MAP_SHARED, file, 0);
  int total = 0;
  for (unsigned i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++) total += OPERATIONS[i].weight;
  for (uint64_t seed = first; seed < first + seeds; seed++) {
    if (open_all()) return 1;
    state = seed * 0x9E3779B97F4A7C15ULL + 1;
    if (percent(80)) owned = request(IO(1), bytes) == 0;
    // What is in the configuration space outlives the driver.
    memset(bytes, 0, STRUCT_BYTES), put32(4, 24);
    request(SET(0x74, 8), bytes);
    for (uint64_t i = 0; i < operations; i++) {
      memset(bytes, 0, STRUCT_BYTES);
      printf("%llu/%llu ", (unsigned long long) seed, (unsigned long long) i);
      int dice = below(total), kind = 0;
      while ((dice -= OPERATIONS[kind].weight) >= 0) kind++;
      OPERATIONS[kind].run();
    }
    close_all();
  }
  fflush(stdout);
  return 0;
}

// A message of generic netlink that is being written.
static struct { struct nlmsghdr header; struct genlmsghdr command; char attributes[512]; } netlink;

static void attribute(int type, const char *text) {
  struct nlattr *at = (struct nlattr *) ((char *) &netlink + NLMSG_ALIGN(netlink.header.nlmsg_len));
  at->nla_type = type;
  at->nla_len = NLA_HDRLEN + strlen(text) + 1;
  strcpy((char *) at + NLA_HDRLEN, text);
  netlink.header.nlmsg_len = NLMSG_ALIGN(netlink.header.nlmsg_len) + NLA_ALIGN(at->nla_len);
}

static int ask(int socket, int family, int command, int version, char *answer, int most) {
  netlink.header.nlmsg_type = family, netlink.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  netlink.command.cmd = command, netlink.command.version = version;
  if (send(socket, &netlink, netlink.header.nlmsg_len, 0) < 0) return -1;
  return recv(socket, answer, most, 0);
}

static void begin_netlink(void) {
  memset(&netlink, 0, sizeof netlink);
  netlink.header.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
}

// What `vdpa dev add mgmtdev vdpasim_net name sim` does.
static void make_simulator(void) {
  char answer[8192];
  int from = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC), family = 0;
  begin_netlink();
  attribute(2, "vdpa"); // CTRL_ATTR_FAMILY_NAME
  int length = ask(from, GENL_ID_CTRL, 3, 1, answer, sizeof answer);
  for (int at = NLMSG_HDRLEN + GENL_HDRLEN; at + NLA_HDRLEN <= length;) {
    struct nlattr *found = (struct nlattr *) (answer + at);
    if (found->nla_type == 1) family = *(uint16_t *) (answer + at + NLA_HDRLEN); // CTRL_ATTR_FAMILY_ID
    if (found->nla_len == 0) break;
    at += NLA_ALIGN(found->nla_len);
  }
  begin_netlink();
  attribute(2, "vdpasim_net"); // VDPA_ATTR_MGMTDEV_DEV_NAME
  attribute(4, "sim");         // VDPA_ATTR_DEV_NAME
  if (family) ask(from, family, 3, 1, answer, sizeof answer); // VDPA_CMD_DEV_NEW
  close(from);
  for (int i = 0; i < 100 && access(path, F_OK); i++) usleep(20000);
}

int main(int count, char **arguments) {
  if (count != 5) return fprintf(stderr, "usage: vhost-vdpa FIRST_SEED SEEDS OPERATIONS NODE\n"), 2;
  path = arguments[4];
  if (access(path, F_OK)) make_simulator();
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  return run(strtoull(arguments[1], 0, 0), strtoull(arguments[2], 0, 0), strtoull(arguments[3], 0, 0));
}
