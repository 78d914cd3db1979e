// Issues random but reproducible requests to a VFIO device that is bound to an iommufd, and prints each with what came back, so that two
// implementations can be compared line by line.
//
//   vfio-device FIRST_SEED SEEDS OPERATIONS NODE
//
// linux-7.3-vfio-device.txt.gz is what Linux 7.3 prints for `1 20 400`, where the device is QEMU's `edu` on the root bus behind
// `intel-iommu`. As the first process of a machine it prepares that machine itself, and ends it.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTFDS = 6, OTHER_FILES = 2, STRUCT_BYTES = 256 };
#define CONFIG (7ULL << 40)

static uint64_t state;
static int device = -1, iommufd = -1, eventfds[EVENTFDS], other_file;
static uint32_t ioas, hwpt, devid;
static unsigned char *bytes; // ends where memory ends
static const char *node;

static uint32_t random32(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state * 0x2545F4914F6CDD1DULL >> 32;
}
static uint32_t below(uint32_t limit) { return random32() % limit; }
static int percent(uint32_t chance) { return below(100) < chance; }

static void put32(int offset, uint32_t value) { memcpy(bytes + offset, &value, 4); }
static void put64(int offset, uint64_t value) { memcpy(bytes + offset, &value, 8); }

// What descriptors are called in the transcript: their numbers differ. Eventfds that the device listens to are not those it signals:
// when it has seen a signal is a matter of time.
static uint32_t descriptor(char *name, int listens) {
  int index = below(EVENTFDS + 5);
  if (index < EVENTFDS) index = index % (EVENTFDS / 2) + (listens ? EVENTFDS / 2 : 0);
  if (index < EVENTFDS) return sprintf(name, "event%d", index), eventfds[index];
  if (index == EVENTFDS) return sprintf(name, "other"), other_file;
  if (index == EVENTFDS + 1) return sprintf(name, "999"), 999;
  if (index == EVENTFDS + 2) return sprintf(name, "-2"), -2;
  return sprintf(name, "-1"), -1;
}

static void result(long value) {
  if (value < 0) printf("= %s\n", errno == 0 ? "?" : strerrorname_np(errno));
  else printf("= %ld\n", value);
}

static void answer(int request, int length) {
  errno = 0;
  long value = ioctl(device, request, bytes);
  for (int i = 0; value >= 0 && i < length; i += 4) {
    uint32_t word;
    memcpy(&word, bytes + i, 4);
    printf("%x ", word);
  }
  result(value);
}

static uint32_t size_of(uint32_t usual) { return percent(85) ? usual : percent(50) ? below(usual + 16) : percent(50) ? 0 : -1u; }

static void device_info(void) {
  uint32_t size = size_of(24);
  put32(0, size);
  printf("GET_INFO %u ", size);
  errno = 0;
  long value = ioctl(device, 0x3b6b, bytes);
  // Whether it can be reset is the device's choice.
  if (value >= 0) printf("%x %u %u ", bytes[4] & ~1, bytes[8], bytes[12]);
  result(value);
}

static void region_info(void) {
  uint32_t size = size_of(32), index = percent(95) ? below(10) : random32();
  put32(0, size), put32(8, index);
  printf("GET_REGION_INFO %u %u ", size, index);
  errno = 0;
  long value = ioctl(device, 0x3b6c, bytes);
  uint64_t offset, length;
  uint32_t flags;
  memcpy(&flags, bytes + 4, 4), memcpy(&length, bytes + 16, 8), memcpy(&offset, bytes + 24, 8);
  // Which BARs can be mapped is the device's choice.
  if (value >= 0) printf("%x %llx %llx ", flags & 3, (unsigned long long) length, (unsigned long long) offset);
  result(value);
}

static void irq_info(void) {
  uint32_t size = size_of(16), index = percent(95) ? below(6) : random32();
  put32(0, size), put32(8, index);
  printf("GET_IRQ_INFO %u %u ", size, index);
  answer(0x3b6d, 16);
}

static void set_irqs(void) {
  static const uint32_t actions[] = {8, 16, 32, 32, 32, 32, 0, 40}, data[] = {1, 1, 2, 4, 4, 4, 4, 0, 3};
  uint32_t flags = actions[below(8)] | data[below(9)] | (percent(2) ? 64 : 0);
  uint32_t index = percent(97) ? below(5) : below(8), start = percent(80) ? 0 : below(3), count = percent(70) ? 1 : below(3);
  uint32_t values = flags & 4 ? 4 * count : flags & 2 ? count : 0, size = percent(95) ? 20 + values : below(40);
  put32(0, size), put32(4, flags), put32(8, index), put32(12, start), put32(16, count);
  printf("SET_IRQS %u %x %u %u %u ", size, flags, index, start, count);
  for (uint32_t i = 0; i < count; i++) {
    char name[16] = "";
    if (flags & 4) put32(20 + 4 * i, descriptor(name, flags & 16)), printf("%s ", name);
    else bytes[20 + i] = percent(70);
    if ((flags & 7) == 2) printf("%d ", bytes[20 + i]);
  }
  errno = 0;
  result(ioctl(device, 0x3b6e, bytes));
}

static void counts(void) {
  printf("COUNTS ");
  for (int i = 0; i < EVENTFDS; i++) {
    uint64_t count = 0;
    if (read(eventfds[i], &count, 8) < 0) count = 0;
    printf("%llu ", (unsigned long long) count);
  }
  printf("\n");
}

static void hot_reset(void) {
  uint32_t size = size_of(12 + 4 * 8), flags = percent(90) ? 0 : 1, count = percent(60) ? 0 : below(3);
  int info = percent(50);
  put32(0, size), put32(4, flags), put32(8, count), put32(12, 999), put32(16, -1);
  printf("%s %u %x %u ", info ? "GET_PCI_HOT_RESET_INFO" : "PCI_HOT_RESET", size, flags, count);
  errno = 0;
  result(ioctl(device, info ? 0x3b70 : 0x3b71, bytes));
}

static void ioeventfd(void) {
  static const uint64_t offsets[] = {0x20, 0x24, 0x80, 0xfffff, 0x100000, CONFIG, 1ULL << 40, 6ULL << 40, 9ULL << 40};
  uint32_t size = size_of(40), flags = percent(85) ? 1 << below(4) : below(64);
  uint64_t offset = offsets[percent(70) ? below(3) : below(9)], data = below(2);
  char name[16];
  put32(0, size), put32(4, flags), put64(8, offset), put64(16, data), put32(24, descriptor(name, 1));
  printf("IOEVENTFD %u %x %llx %llu %s ", size, flags, (unsigned long long) offset, (unsigned long long) data, name);
  errno = 0;
  result(ioctl(device, 0x3b74, bytes));
}

static void feature(void) {
  // Not those that depend on the device or on configuration: logging, migration, dma-buf, waking up from a sleep it may never reach.
  static const uint32_t features[] = {0, 3, 3, 5, 10, 13, 14, 99, 0xffff};
  static const uint32_t operations[] = {1 << 16, 1 << 17, 1 << 17, 1 << 17, 1 << 18, 5 << 16, 6 << 16, 7 << 16, 3 << 16, 0};
  uint32_t which = features[below(9)], operation = operations[below(10)] | (percent(3) ? 1 << 20 : 0), data = percent(70) ? 16 : below(9);
  uint32_t size = percent(95) ? 8 + data : below(9);
  char name[16];
  memset(bytes + 8, 0, 32);
  put32(0, size), put32(4, which | operation), put32(8, descriptor(name, 1));
  printf("FEATURE %u %x %s ", size, which | operation, name);
  errno = 0;
  result(ioctl(device, 0x3b75, bytes));
}

static void bind_again(void) {
  char name[16];
  put32(0, size_of(24)), put32(4, percent(80) ? 0 : below(4)), put64(16, 0);
  uint32_t fd = percent(50) ? (strcpy(name, "iommufd"), iommufd) : descriptor(name, 0);
  put32(8, fd);
  printf("BIND %u %u %s ", *(uint32_t *) bytes, *(uint32_t *) (bytes + 4), name);
  errno = 0;
  result(ioctl(device, 0x3b76, bytes));
}

static void attach(void) {
  uint32_t size = size_of(16), flags = percent(90) ? 0 : below(4), target = percent(60) ? ioas : percent(50) ? hwpt : percent(50) ? devid : 77;
  put32(0, size), put32(4, flags), put32(8, target), put32(12, below(8));
  printf("ATTACH %u %x %s ", size, flags, target == ioas ? "ioas" : target == hwpt ? "hwpt" : target == devid ? "device" : "nothing");
  errno = 0;
  long value = ioctl(device, 0x3b77, bytes);
  if (value == 0) printf("%s ", *(uint32_t *) (bytes + 8) == hwpt ? "hwpt" : *(uint32_t *) (bytes + 8) == ioas ? "ioas" : "new");
  result(value);
}

static void detach(void) {
  uint32_t size = size_of(12), flags = percent(90) ? 0 : below(4);
  put32(0, size), put32(4, flags), put32(8, below(8));
  printf("DETACH %u %x ", size, flags);
  errno = 0;
  result(ioctl(device, 0x3b78, bytes));
}

static void config(void) {
  // Of the header what is not the device's own: command, BARs, cache line, interrupt line. Bits for errors and ports are the host's.
  static const int offsets[] = {0, 4, 4, 4, 5, 6, 8, 12, 16, 16, 17, 20, 24, 36, 48, 52, 60, 61, 62, 254, 255, 256, 4095, 4096};
  static const int widths[] = {1, 2, 4, 4, 3, 8};
  int offset = offsets[below(24)], width = widths[below(6)], writes = percent(50);
  unsigned char data[8] = {0};
  if (writes) {
    for (int i = 0; i < width; i++) data[i] = percent(50) ? random32() : percent(50) ? 0xff : 0;
    if (offset <= 4 && offset + width > 4) data[4 - offset] = data[4 - offset] & 6 | 2;
    if (offset <= 5 && offset + width > 5) data[5 - offset] &= 4;
    if (offset < 48 && offset + width > 48) width = 1; // expansion ROM
    if (offset < 16 && offset + width > 15) width = 1; // BIST
    if (offset >= 254 && offset < 256) return (void) printf("nothing\n"); // beyond the capabilities: the device's own
  }
  printf("CONFIG %s %d %d ", writes ? "write" : "read", offset, width);
  if (writes) for (int i = 0; i < width; i++) printf("%02x", data[i]);
  errno = 0;
  long value = writes ? pwrite(device, data, width, CONFIG + offset) : pread(device, data, width, CONFIG + offset);
  if (!writes && value > 0) for (int i = 0; i < value; i++) printf("%02x", data[i] & (offset + i == 4 ? 6 : offset + i == 5 ? 4 : offset + i == 6 || offset + i == 7 ? 0 : 0xff));
  printf(" "), result(value);
}

static void bar(void) {
  static const uint64_t offsets[] = {0, 4, 0xffffc, 0xfffff, 0x100000, 0x100004, 1ULL << 40, 2ULL << 40, 5ULL << 40, 6ULL << 40, 8ULL << 40, 9ULL << 40, 1000ULL << 40};
  uint64_t offset = offsets[below(13)], data = 0;
  int writes = percent(30) && offset != 0, width = offset < 0x1000 ? 4 : 1 << below(4);
  printf("BAR %s %llx %d ", writes ? "write" : "read", (unsigned long long) offset, width);
  errno = 0;
  result(writes ? pwrite(device, &data, width, offset) : pread(device, &data, width, offset));
}

static void unknown(void) {
  static const int requests[] = {0x3b6a, 0x3b72, 0x3b79, 0x3b00, 0x3b80, 0x1234};
  int request = requests[below(6)];
  printf("ioctl %x ", request);
  errno = 0;
  result(ioctl(device, request, bytes));
}

static int open_all(void) {
  if ((iommufd = open("/dev/iommu", O_RDWR)) < 0 || (device = open(node, O_RDWR)) < 0) return perror(node), -1;
  uint32_t bind[6] = {24, 0, iommufd}, alloc[3] = {12}, table[12] = {48};
  if (ioctl(device, 0x3b76, bind) || ioctl(iommufd, 0x3b81, alloc)) return perror("bind"), -1;
  devid = bind[3], ioas = alloc[2];
  table[2] = devid, table[3] = ioas;
  if (ioctl(iommufd, 0x3b89, table)) return perror("table"), -1;
  hwpt = table[4];
  for (int i = 0; i < EVENTFDS; i++) eventfds[i] = eventfd(0, EFD_NONBLOCK);
  other_file = open("/dev/null", O_RDWR);
  // Where the host has put BARs is its choice.
  for (int offset = 16; offset < 40; offset += 4) pwrite(device, "\xff\xff\xff\xff", 4, CONFIG + offset);
  pwrite(device, "", 1, CONFIG + 60); // nor is its interrupt's number
  return 0;
}

static void close_all(void) {
  close(device), close(iommufd), close(other_file);
  for (int i = 0; i < EVENTFDS; i++) close(eventfds[i]);
}

static const struct { int weight; void (*run)(void); } OPERATIONS[] = {{3, device_info}, {8, region_info}, {6, irq_info}, {35, set_irqs}, {8, counts},
    {3, hot_reset}, {8, ioeventfd}, {14, feature}, {2, bind_again}, {6, attach}, {5, detach}, {22, config}, {8, bar}, {2, unknown}};

static int run(uint64_t first, uint64_t seeds, uint64_t operations) {
  bytes = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(bytes + 4096, 4096, PROT_NONE);
  bytes += 4096 - STRUCT_BYTES;
  int total = 0;
  for (unsigned i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++) total += OPERATIONS[i].weight;
  for (uint64_t seed = first; seed < first + seeds; seed++) {
    if (open_all()) return 1;
    state = seed * 0x9E3779B97F4A7C15ULL + 1;
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

static void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) perror(path);
  close(fd);
}

// The only process of a machine that was booted for this.
static void prepare_machine(void) {
  mkdir("/proc", 0755), mkdir("/sys", 0755), mkdir("/dev", 0755);
  mount("proc", "/proc", "proc", 0, 0), mount("sys", "/sys", "sysfs", 0, 0), mount("dev", "/dev", "devtmpfs", 0, 0);
  freopen("/dev/console", "w", stdout), freopen("/dev/console", "w", stderr);
  char id[] = "1234 11e8";
  if (getenv("id")) memcpy(id, getenv("id"), 4), memcpy(id + 5, getenv("id") + 5, 4); // id=1b36:0010 on the kernel's command line
  write_file("/sys/bus/pci/drivers/vfio-pci/new_id", id);
}

int main(int count, char **arguments) {
  if (getpid() == 1) {
    prepare_machine();
    node = "/dev/vfio/devices/vfio0";
    printf("BEGIN\n");
    run(1, 20, 400);
    printf("END\n");
    fflush(stdout);
    reboot(RB_POWER_OFF);
  }
  if (count != 5) return fprintf(stderr, "usage: vfio-device FIRST_SEED SEEDS OPERATIONS NODE\n"), 2;
  node = arguments[4];
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  return run(strtoull(arguments[1], 0, 0), strtoull(arguments[2], 0, 0), strtoull(arguments[3], 0, 0));
}
