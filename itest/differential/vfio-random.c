// Issues random but reproducible requests to /dev/vfio/vfio and to a group, and prints each with what came back, so that the
// output of two implementations can be compared line by line. Linux only, static, nothing but libc.
//
//   vfio-random FIRST_SEED SEEDS OPERATIONS GROUP_NODE DEVICE
//
// The group has one device, which nobody uses meanwhile. Nothing printed depends on the machine. What bitmaps of dirty pages say
// is not printed, only which words of them are written: Linux has every page dirty, hardware that tracks knows better.
//
// linux-7.3-vfio.txt.gz is what Linux 7.3 prints for `1 20 400`, where the device is QEMU's `edu` behind `intel-iommu,aw-bits=48`.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE 4096ull
#define REQUEST(number) (0x3b00u | (number))
enum { GET_API_VERSION = 0x64, CHECK_EXTENSION, SET_IOMMU, GROUP_STATUS, SET_CONTAINER, UNSET_CONTAINER, GET_DEVICE_FD,
       GET_INFO = 0x70, MAP_DMA, UNMAP_DMA, DIRTY_PAGES = 0x75 };

// ---- what the client owns

#define BASE 0x200000000000ull
#define SPACING (1ull << 24)
#define REGION_PAGES 64
enum region { ARGUMENT, BITMAP, SHARED, READ_ONLY, NO_ACCESS, HOLE, REGIONS };
static const char *const region_names[] = {"argument", "bitmap", "shared", "readonly", "noaccess", "hole"};
#define AT(region) (BASE + (region) * SPACING)

enum file { CONTAINER, OTHER_CONTAINER, IOMMUFD, GROUP, NULL_DEVICE, DEVICE, SAME_DEVICE, FILES };
static const char *const file_names[] = {"container", "other", "iommufd", "group", "null", "device", "again"};
static int files[FILES];
static const char *group_path, *device_name;
static enum file chosen;   // what the group was last put into

// ---- chance

static u64 state;
static u64 next(void) {
  u64 z = (state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}
static u64 below(u64 bound) { return next() % bound; }
static int percent(u64 chance) { return below(100) < chance; }
#define ONE_OF(...) ({ const u64 choice_[] = {__VA_ARGS__}; choice_[below(sizeof choice_ / sizeof *choice_)]; })

// ---- requests

static const char *error_name(int number) {
  const char *name = strerrorname_np(number);
  return name ? name : "?";
}

static long request(enum file file, u32 number, u64 argument) {
  long result = ioctl(files[file], REQUEST(number), argument);
  printf(" on %s", file_names[file]);
  if (result < 0) printf(" = %s", error_name(errno));
  else if (number != GET_DEVICE_FD) printf(" = %ld", result);
  else printf(" = descriptor");
  return result;
}

static u64 struct_address(void) {
  return percent(97) ? AT(ARGUMENT) : ONE_OF(0, AT(HOLE), AT(NO_ACCESS), AT(ARGUMENT) + REGION_PAGES * PAGE - 12, ~0ull);
}

// Puts a struct where it can be, and returns its address.
static u64 put(const void *bytes, size_t length) {
  u64 address = struct_address();
  memcpy((void *)AT(ARGUMENT), bytes, length);
  if (address == AT(ARGUMENT) + REGION_PAGES * PAGE - 12) memcpy((void *)address, bytes, 12);
  return address;
}

static u64 some_iova(void) {
  static const u64 windows[] = {0, 0, 0, 1ull << 32, 0xfedf8000, 0xfeef8000, (1ull << 48) - 8 * PAGE, -8 * PAGE};
  u64 iova = windows[below(8)] + below(24) * PAGE;
  return percent(2) ? iova + 1 : iova;
}

static u64 some_size(void) {
  return percent(3) ? ONE_OF(0, 1, PAGE - 1, PAGE + 1, -PAGE, ~0ull, 1ull << 47) : (1 + below(percent(10) ? 30 : 6)) * PAGE;
}

static u32 argsz(u32 right) {
  return percent(94) ? right : (u32)ONE_OF(0, 1, right - 1, right + 1, right + 64, ~0u);
}

static void map(enum file file) {
  struct { u32 argsz, flags; u64 vaddr, iova, size; } map;
  enum region region = percent(85) ? SHARED : below(REGIONS);
  u64 page = below(REGION_PAGES);
  map.argsz = argsz(sizeof map);
  map.flags = percent(90) ? (u32)ONE_OF(3, 3, 3, 1, 2) : (u32)ONE_OF(0, 4, 4, 5, 8, 1u << 31);
  map.vaddr = percent(98) ? AT(region) + page * PAGE : ONE_OF(0, AT(SHARED) + 1, ~0ull, -PAGE);
  map.iova = some_iova();
  map.size = some_size();
  if (file == IOMMUFD) {
    // It takes mappings that nobody can use; which error a device then gets when it comes is not compared.
    if (map.flags == 0) map.flags = 3;
    region = SHARED;
    map.vaddr = AT(SHARED) + page / 2 * PAGE;
    if (map.size == 1ull << 47) map.size = PAGE;
  }
  printf("MAP argsz %u flags %x %s+%llx iova %llx size %llx", map.argsz, map.flags, region_names[region],
         (unsigned long long)(map.vaddr - AT(region)), (unsigned long long)map.iova, (unsigned long long)map.size);
  request(file, MAP_DMA, put(&map, sizeof map));
}

static void unmap(enum file file) {
  struct { u32 argsz, flags; u64 iova, size, pgsize, bytes, data; } unmap;
  unmap.flags = percent(75) ? 0 : percent(90) ? (u32)ONE_OF(1, 2, 2, 4, 6) : (u32)ONE_OF(3, 5, 7, 8, 1u << 31);
  unmap.argsz = argsz(unmap.flags & 1 ? 48 : 24);
  int all = unmap.flags & 2;
  unmap.iova = all && percent(90) ? 0 : some_iova();
  unmap.size = all && percent(90) ? 0 : percent(30) ? 24 * PAGE : some_size();
  unmap.pgsize = percent(95) ? PAGE : ONE_OF(0, 1, 512, 8192, PAGE + 1);
  unmap.bytes = percent(90) ? 64 : ONE_OF(0, 8, 7, 1ull << 28, (1ull << 28) + 1, ~0ull);
  unmap.data = percent(95) ? AT(BITMAP) : ONE_OF(0, AT(HOLE), AT(READ_ONLY), ~0ull, 1ull << 62);
  printf("UNMAP argsz %u flags %x iova %llx size %llx", unmap.argsz, unmap.flags, (unsigned long long)unmap.iova, (unsigned long long)unmap.size);
  if (unmap.flags & 1) printf(" bitmap %llx*%llx", (unsigned long long)unmap.pgsize, (unsigned long long)unmap.bytes);
  if (request(file, UNMAP_DMA, put(&unmap, sizeof unmap)) >= 0)
    printf(" size %llx", (unsigned long long)((u64 *)AT(ARGUMENT))[2]);
}

static void get_bitmap(enum file file) {
  struct { u32 argsz, flags; u64 iova, size, pgsize, bytes, data; } get;
  get.argsz = argsz(sizeof get);
  get.flags = 4;
  get.iova = some_iova();
  get.size = percent(60) ? 24 * PAGE : some_size();
  get.pgsize = percent(95) ? PAGE : ONE_OF(0, 1, 512, 8192, PAGE + 1);
  get.bytes = percent(90) ? 64 : ONE_OF(0, 8, 7, 1ull << 28, (1ull << 28) + 1, ~0ull);
  get.data = percent(95) ? AT(BITMAP) : ONE_OF(0, AT(HOLE), AT(READ_ONLY), ~0ull, 1ull << 62);
  printf("DIRTY get argsz %u iova %llx size %llx bitmap %llx*%llx", get.argsz, (unsigned long long)get.iova,
         (unsigned long long)get.size, (unsigned long long)get.pgsize, (unsigned long long)get.bytes);
  u64 *words = (u64 *)AT(BITMAP), address = put(&get, sizeof get);
  unsigned written = 0;
  memset(words, 0, 64);
  long result = request(file, DIRTY_PAGES, address);
  for (int i = 0; i < 8; i++) written |= (words[i] != 0) << i;
  memset(words, 0xff, 64);
  ioctl(files[file], REQUEST(DIRTY_PAGES), address);
  for (int i = 0; i < 8; i++) written |= (words[i] != ~0ull) << i;
  if (result >= 0) printf(" words %x", written);
}

static void dirty(enum file file) {
  if (percent(60)) {
    get_bitmap(file);
    return;
  }
  u32 words[2] = {argsz(8), percent(90) ? (u32)ONE_OF(1, 1, 1, 2) : (u32)ONE_OF(0, 3, 5, 6, 7, 8, 1u << 31)};
  printf("DIRTY argsz %u flags %x", words[0], words[1]);
  request(file, DIRTY_PAGES, put(words, sizeof words));
}

static void info(enum file file) {
  u32 room = percent(60) ? 1024 : (u32)ONE_OF(0, 15, 16, 20, 24, 40, 72, 87, 88, 104, 120);
  memset((void *)AT(ARGUMENT), 0, 1024);
  printf("INFO argsz %u", room);
  u32 *words = (u32 *)AT(ARGUMENT);
  if (request(file, GET_INFO, put(&room, sizeof room)) < 0) return;
  printf(" argsz %u flags %x sizes %llx", words[0], words[1], (unsigned long long)*(u64 *)(words + 2));
  for (u32 at = words[4]; at && room >= 1024; at = *(u32 *)(AT(ARGUMENT) + at + 4)) {
    const char *capability = (const char *)AT(ARGUMENT) + at;
    printf(" [%u", *(const uint16_t *)capability);
    int longs = *(const uint16_t *)capability == 1 ? 1 + 2 * *(const u32 *)(capability + 8) : *(const uint16_t *)capability == 2 ? 3 : 1;
    for (int i = 1; i <= longs; i++) printf(" %llx", (unsigned long long)((const u64 *)capability)[i]);
    printf("]");
  }
}

// ---- files

static void open_file(enum file file, const char *path) {
  int descriptor = open(path, O_RDWR | O_CLOEXEC);
  printf("OPEN %s = %s", file_names[file], descriptor < 0 ? error_name(errno) : "descriptor");
  if (descriptor < 0) return;
  if (files[file] >= 0) close(files[file]);
  files[file] = descriptor;
}

static void close_file(enum file file) {
  if (files[file] < 0) return;
  printf("CLOSE %s", file_names[file]);
  close(files[file]);
  files[file] = -1;
}

static int device_open(void) { return files[DEVICE] >= 0 || files[SAME_DEVICE] >= 0; }

// In an iommufd Linux lets a group go while its devices are open; that is not drawn.
static int group_may_go(void) { return !(chosen == IOMMUFD && device_open()); }

static void set_container(void) {
  enum file file = percent(70) ? CONTAINER : below(5);
  int number = percent(3) ? 1000 : files[file];
  printf("SET_CONTAINER %s", number == 1000 ? "1000" : file_names[file]);
  if (request(GROUP, SET_CONTAINER, put(&number, sizeof number)) >= 0) chosen = file;
}

static void get_device(void) {
  char name[64] = {0};
  snprintf(name, sizeof name, "%s%s", device_name, percent(15) ? "x" : "");
  enum file file = percent(50) ? DEVICE : SAME_DEVICE;
  printf("GET_DEVICE%s", name[strlen(device_name)] ? " unknown" : "");
  long descriptor = request(GROUP, GET_DEVICE_FD, put(name, sizeof name));
  if (descriptor < 0) return;
  if (fcntl(descriptor, F_GETFD) != FD_CLOEXEC) printf(" kept by exec");
  if (files[file] >= 0) close(files[file]);
  files[file] = descriptor;
}

static void operate(void) {
  enum file asked = percent(90) && chosen <= IOMMUFD ? chosen : below(3);
  u64 dice = below(1000);
  if (dice < 330) map(asked);
  else if (dice < 560) unmap(asked);
  else if (dice < 660) { if (asked != IOMMUFD) dirty(asked); }
  else if (dice < 720) { if (asked != IOMMUFD) info(asked); }
  else if (dice < 770) {
    u64 type = percent(90) ? ONE_OF(3, 3, 1) : ONE_OF(0, 2, 4, 6, 8, 9, 1ull << 32 | 1, ~0ull);
    printf("SET_IOMMU %llx", (unsigned long long)type);
    request(asked, SET_IOMMU, type);
  } else if (dice < 810) {
    u64 extension = ONE_OF(0, 1, 2, 3, 5, 6, 7, 9, 10, 11);
    printf("CHECK_EXTENSION %llx", (unsigned long long)extension);
    request(asked, CHECK_EXTENSION, extension);
  } else if (dice < 820) { printf("API_VERSION"); request(asked, GET_API_VERSION, below(3)); }
  else if (dice < 880) set_container();
  else if (dice < 895) { if (group_may_go()) { printf("UNSET_CONTAINER"); if (request(GROUP, UNSET_CONTAINER, 0) >= 0) chosen = FILES; } }
  else if (dice < 925) {
    u32 words[2] = {argsz(8), below(4)};
    printf("STATUS argsz %u", words[0]);
    if (request(GROUP, GROUP_STATUS, put(words, sizeof words)) >= 0) printf(" flags %x", ((u32 *)AT(ARGUMENT))[1]);
  } else if (dice < 940) get_device();
  else if (dice < 965) close_file(percent(50) ? DEVICE : SAME_DEVICE);
  else if (dice < 970) { u32 number = (u32)ONE_OF(0x6b, 0x6c, 0x73, 0x74, 0x76); printf("OTHER %x", number); request(percent(50) ? GROUP : asked % 2, number, 0); }
  else if (dice < 980) { if (files[GROUP] < 0 || percent(20)) open_file(GROUP, group_path); }
  else if (dice < 985) { if (group_may_go()) { close_file(GROUP); if (!device_open()) chosen = FILES; } }
  else if (dice < 993) open_file(percent(50) ? CONTAINER : OTHER_CONTAINER, "/dev/vfio/vfio");
  else if (dice < 997) open_file(IOMMUFD, "/dev/iommu");
  else close_file(below(3));
}

static void *region(enum region which, int protection, int kind) {
  void *mapped = mmap((void *)AT(which), REGION_PAGES * PAGE, protection, kind | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (mapped == MAP_FAILED) { perror("mmap"); exit(2); }
  return mapped;
}

static void run(u64 seed, u64 operations) {
  state = seed * 0x9e3779b97f4a7c15ull;
  printf("seed %llu\n", (unsigned long long)seed);
  for (int i = 0; i < FILES; i++) files[i] = -1;
  files[NULL_DEVICE] = open("/dev/null", O_RDWR);
  open_file(CONTAINER, "/dev/vfio/vfio");
  printf(", ");
  open_file(OTHER_CONTAINER, "/dev/vfio/vfio");
  printf(", ");
  open_file(IOMMUFD, "/dev/iommu");
  printf(", ");
  open_file(GROUP, group_path);
  chosen = FILES;
  printf("\n");
  if (percent(90)) {
    enum file file = percent(75) ? CONTAINER : IOMMUFD;
    int number = files[file];
    u64 type = ONE_OF(1, 3, 3);
    printf("begin");
    if (request(GROUP, SET_CONTAINER, put(&number, sizeof number)) >= 0) chosen = file;
    request(file, SET_IOMMU, type);
    printf("\n");
  }
  for (u64 i = 0; i < operations; i++) {
    printf("%llu ", (unsigned long long)i);
    operate();
    printf("\n");
  }
  for (int i = FILES; i-- > 0;) if (files[i] >= 0) close(files[i]);
}

int main(int count, char **arguments) {
  if (count != 6) {
    fprintf(stderr, "usage: vfio-random FIRST_SEED SEEDS OPERATIONS GROUP_NODE DEVICE\n");
    return 2;
  }
  group_path = arguments[4];
  device_name = arguments[5];
  memset(region(ARGUMENT, PROT_READ | PROT_WRITE, MAP_SHARED), 0, REGION_PAGES * PAGE);
  memset(region(BITMAP, PROT_READ | PROT_WRITE, MAP_SHARED), 0, REGION_PAGES * PAGE);
  memset(region(SHARED, PROT_READ | PROT_WRITE, MAP_SHARED), 1, REGION_PAGES * PAGE);
  memset(region(READ_ONLY, PROT_READ | PROT_WRITE, MAP_SHARED), 3, REGION_PAGES * PAGE);
  mprotect((void *)AT(READ_ONLY), REGION_PAGES * PAGE, PROT_READ);
  region(NO_ACCESS, PROT_NONE, MAP_PRIVATE);
  u64 first = strtoull(arguments[1], NULL, 0), seeds = strtoull(arguments[2], NULL, 0), operations = strtoull(arguments[3], NULL, 0);
  for (u64 seed = first; seed < first + seeds; seed++) run(seed, operations);
  return 0;
}
