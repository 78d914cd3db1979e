// Issues random but reproducible requests to /dev/iommu and prints each with what came back, so that the output of two
// implementations can be compared line by line. Linux only, static, nothing but libc.
//
//   iommufd-random FIRST_SEED SEEDS OPERATIONS [text|hash] [plain|mock]
//
// `text` prints every operation, `hash` one line for every seed. `mock` adds the mock devices of Linux's iommufd selftests.
// Addresses are shown as places in named regions, descriptors as what they are: nothing printed depends on the machine.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE 4096ull
#define ALL 0xffffffffffffffffull

// ---- requests: number, bytes of the structure, bytes that must be there

enum request {
  DESTROY, IOAS_ALLOC, IOAS_ALLOW_IOVAS, IOAS_COPY, IOAS_IOVA_RANGES, IOAS_MAP, IOAS_UNMAP, OPTION, VFIO_IOAS, HWPT_ALLOC,
  GET_HW_INFO, HWPT_SET_DIRTY_TRACKING, HWPT_GET_DIRTY_BITMAP, HWPT_INVALIDATE, FAULT_QUEUE_ALLOC, IOAS_MAP_FILE, VIOMMU_ALLOC,
  VDEVICE_ALLOC, IOAS_CHANGE_PROCESS, VEVENTQ_ALLOC, HW_QUEUE_ALLOC, IOAS_NOIOMMU_GET_PA, TEST_CMD
};

static const struct { const char *name; u32 number, bytes, least; } requests[] = {
  [DESTROY] = {"DESTROY", 0x80, 8, 8},
  [IOAS_ALLOC] = {"IOAS_ALLOC", 0x81, 12, 12},
  [IOAS_ALLOW_IOVAS] = {"IOAS_ALLOW_IOVAS", 0x82, 24, 24},
  [IOAS_COPY] = {"IOAS_COPY", 0x83, 40, 40},
  [IOAS_IOVA_RANGES] = {"IOAS_IOVA_RANGES", 0x84, 32, 32},
  [IOAS_MAP] = {"IOAS_MAP", 0x85, 40, 40},
  [IOAS_UNMAP] = {"IOAS_UNMAP", 0x86, 24, 24},
  [OPTION] = {"OPTION", 0x87, 24, 24},
  [VFIO_IOAS] = {"VFIO_IOAS", 0x88, 12, 12},
  [HWPT_ALLOC] = {"HWPT_ALLOC", 0x89, 48, 24},
  [GET_HW_INFO] = {"GET_HW_INFO", 0x8a, 40, 32},
  [HWPT_SET_DIRTY_TRACKING] = {"HWPT_SET_DIRTY_TRACKING", 0x8b, 16, 16},
  [HWPT_GET_DIRTY_BITMAP] = {"HWPT_GET_DIRTY_BITMAP", 0x8c, 48, 48},
  [HWPT_INVALIDATE] = {"HWPT_INVALIDATE", 0x8d, 32, 32},
  [FAULT_QUEUE_ALLOC] = {"FAULT_QUEUE_ALLOC", 0x8e, 16, 16},
  [IOAS_MAP_FILE] = {"IOAS_MAP_FILE", 0x8f, 40, 40},
  [VIOMMU_ALLOC] = {"VIOMMU_ALLOC", 0x90, 40, 24},
  [VDEVICE_ALLOC] = {"VDEVICE_ALLOC", 0x91, 24, 24},
  [IOAS_CHANGE_PROCESS] = {"IOAS_CHANGE_PROCESS", 0x92, 8, 8},
  [VEVENTQ_ALLOC] = {"VEVENTQ_ALLOC", 0x93, 32, 28},
  [HW_QUEUE_ALLOC] = {"HW_QUEUE_ALLOC", 0x94, 40, 40},
  [IOAS_NOIOMMU_GET_PA] = {"IOAS_NOIOMMU_GET_PA", 0x95, 40, 40},
  [TEST_CMD] = {"TEST_CMD", 0xa0, 72, 68},
};
#define NODE_IOCTL(number) (0x3b00u | (number))

// ---- what the client owns

enum region { ARGUMENT, ARRAY, LOCKED, PRIVATE, SHARED, MEMORY_FILE, READ_ONLY, READ_ONLY_FILE, NO_ACCESS, HOLE, REGIONS };
#define REGION_PAGES 64
#define REGION_BYTES (REGION_PAGES * PAGE)
#define SPACING (1ull << 24)
#define BASE 0x200000000000ull
static const char *const region_names[] = {
  "argument", "array", "locked", "private", "shared", "memfd", "readonly", "readonlyfile", "noaccess", "hole"};
#define AT(region) (BASE + (region) * SPACING)

enum file { MEMFD, MEMFD_READ_ONLY, MEMFD_SEALED, MEMFD_ODD, MEMFD_EMPTY, NULL_DEVICE, PIPE, ROOT, FILES };
static const char *const file_names[] = {"memfd", "memfd:r", "memfd:sealed", "memfd:odd", "memfd:empty", "null", "pipe", "root"};
static int files[FILES];

enum kind { IOAS, FAULT, HWPT, DEVICE, MOCK, NESTED, VIOMMU, VDEVICE, VEVENTQ, HW_QUEUE, KINDS };
#define OBJECTS 48
#define AREAS 64
#define QUEUES 4
#define ACCESSES 3
#define CONTEXTS 3
static struct context {
  int fd;
  struct { u32 id; enum kind kind; } objects[OBJECTS];
  int object_count;
  struct { u32 ioas; u64 iova, length; } areas[AREAS];
  int area_count;
  int queues[QUEUES];
  int accesses[ACCESSES];
  u32 pins[ACCESSES];
} contexts[CONTEXTS], *now;

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

// ---- the line being written

static char line[8192];
static size_t line_length;
static int text_wanted, mock_wanted;
static u64 hash;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(line + line_length, sizeof line - line_length, format, arguments);
  va_end(arguments);
  line_length += n;
  if (line_length >= sizeof line) line_length = sizeof line - 1;
}

static void end_line(void) {
  say("\n");
  for (size_t i = 0; i < line_length; i++) hash = (hash ^ (u8)line[i]) * 0x100000001b3ull;
  if (text_wanted) fwrite(line, 1, line_length, stdout);
  line_length = 0;
}

static void say_place(const char *name, u64 address) {
  for (int region = 0; region < REGIONS; region++) {
    int64_t offset = address - AT(region);
    if (offset >= -(int64_t)PAGE * 2 && offset < (int64_t)REGION_BYTES + (int64_t)PAGE * 16) {
      say(" %s=%s%+lld", name, region_names[region], (long long)offset);
      return;
    }
  }
  say(" %s=0x%llx", name, (unsigned long long)address);
}

// Set for requests that can be wrong in two ways at once, of which implementations may find either first.
static int any_refusal;

static void say_result(long result) {
  if (any_refusal && result < 0 && (errno == EADDRINUSE || errno == EFAULT)) errno = EINVAL;
  any_refusal = 0;
  if (result < 0) say(" = %s", strerrorname_np(errno) ?: "?");
  else say(" = %ld", result);
}

// ---- structures

static u8 cells[256];
static void put16(u32 offset, u16 value) { memcpy(cells + offset, &value, 2); }
static void put32(const char *name, u32 offset, u32 value) {
  memcpy(cells + offset, &value, 4);
  say(value < 1000 ? " %s=%u" : " %s=0x%x", name, value);
}
static void put64(const char *name, u32 offset, u64 value) {
  memcpy(cells + offset, &value, 8);
  say(" %s=0x%llx", name, (unsigned long long)value);
}
static void put_place(const char *name, u32 offset, u64 value) {
  memcpy(cells + offset, &value, 8);
  say_place(name, value);
}
static u32 get32(u32 offset) { u32 value; memcpy(&value, cells + offset, 4); return value; }
static u64 get64(u32 offset) { u64 value; memcpy(&value, cells + offset, 8); return value; }

// A window on memory whose changes are shown.
struct window { u64 address; u32 bytes; u8 before[512]; };
static void watch(struct window *window, u64 address, u32 bytes) {
  window->address = address;
  window->bytes = bytes;
  memcpy(window->before, (void *)address, bytes);
}
static void say_changes(const char *name, const struct window *window, int hidden) {
  const u8 *after = (const u8 *)window->address;
  int first = 1;
  for (u32 offset = 0; offset + 4 <= window->bytes; offset += 4) {
    u32 value;
    if (!memcmp(window->before + offset, after + offset, 4)) continue;
    memcpy(&value, after + offset, 4);
    if (first) say(" %s", name);
    first = 0;
    if ((int)offset == hidden) say("[%u]=fd", offset);
    else say("[%u]=%x", offset, value);
  }
}

static struct window array_window;

// Puts the first `bytes` of the structure somewhere, calls, and shows what changed. `cells` is what came back.
static int call_with(u32 command, u32 bytes, int hidden) {
  u64 address = AT(ARGUMENT) + ONE_OF(0, 0, 0, 0, 256, 8, 4, 1, PAGE - 8, PAGE - 4);
  int locked = 0;
  // Of requests with a size in their number FUSE copies the structure before the node sees the number.
  if (percent(mock_wanted ? 2 : 6) && !(command >> 16)) {
    u64 kind = below(4);
    if (kind == 0) address = ONE_OF(0, 8, AT(HOLE), AT(NO_ACCESS), 0x7ffffffff000ull, 0xffff888000000000ull, ALL - 3);
    else if (kind == 1) address = AT(ARGUMENT) + REGION_BYTES - bytes;
    else if (kind == 2) address = AT(ARGUMENT) + REGION_BYTES - ONE_OF(1, 3, 4, 7, 8, 12, 16, 20, 24, 32, 36);
    else { locked = 1; address = AT(LOCKED); }
  }
  say_place("at", address);
  u64 end = locked ? AT(LOCKED) + REGION_BYTES : AT(ARGUMENT) + REGION_BYTES;
  int ours = address >= BASE && address < end && (address < AT(ARGUMENT) + REGION_BYTES || locked);
  u32 room = 0;
  struct window window;
  if (ours) {
    room = end - address < sizeof cells ? end - address : sizeof cells;
    if (locked) mprotect((void *)AT(LOCKED), REGION_BYTES, PROT_READ | PROT_WRITE);
    memset((void *)(address & -PAGE), 0, end - (address & -PAGE) > 3 * PAGE ? 3 * PAGE : end - (address & -PAGE));
    memcpy((void *)address, cells, room);
    if (locked) mprotect((void *)AT(LOCKED), REGION_BYTES, PROT_READ);
    watch(&window, address, room);
  }
  errno = 0;
  int result = ioctl(now->fd, command, address);
  say_result(result);
  if (ours) {
    say_changes("", &window, hidden);
    memcpy(cells, (void *)address, room);
  }
  if (array_window.bytes) say_changes("array", &array_window, -1);
  array_window.bytes = 0;
  return result;
}

static u32 structure_size(enum request request) {
  u32 full = requests[request].bytes, least = requests[request].least;
  u32 size = full;
  if (percent(mock_wanted ? 2 : 8)) {
    size = ONE_OF(0, 4, 7, least - 1, least, least, full - 1, full - 4, full + 1, full + 4, full + 8, full + 64, 2048, PAGE, 2 * PAGE, 0x7fffffff,
                  0xffffffff);
    say(" size=%u", size);
    if (percent(30)) {
      u32 offset = full + below(sizeof cells - full);
      cells[offset] = 1;
      say(" tail[%u]", offset);
    }
  }
  memcpy(cells, &size, 4);
  return size;
}

static void begin(const char *name) {
  memset(cells, 0, sizeof cells);
  say("%d %s", (int)(now - contexts), name);
}

static int call(enum request request, int hidden) {
  structure_size(request);
  u32 command = NODE_IOCTL(requests[request].number);
  if (percent(1)) {
    command |= ONE_OF(1u << 30, 2u << 30, 3u << 30) | ONE_OF(0, requests[request].bytes, 8) << 16;
    say(" command=0x%x", command);
  }
  return call_with(command, requests[request].bytes, hidden);
}

// ---- values at the edges

static void own(enum kind kind, u32 id) {
  if (now->object_count == OBJECTS) memmove(now->objects, now->objects + 1, sizeof *now->objects * --now->object_count);
  now->objects[now->object_count].id = id;
  now->objects[now->object_count++].kind = kind;
}
static void disown(u32 id) {
  for (int i = 0; i < now->object_count; i++)
    if (now->objects[i].id == id) now->objects[i--] = now->objects[--now->object_count];
}

// An object of a kind, mostly.
static u32 object(enum kind kind) {
  u64 draw = below(100), pick = next();
  if (draw < 3) return ONE_OF(0, 0, 0xffffffff, 0x7fffffff, 0x80000000);
  if (draw < 6) return pick % 20;
  if (!now->object_count) return pick % 3;
  if (draw < 10) return now->objects[pick % now->object_count].id;
  u32 found[OBJECTS];
  int count = 0;
  for (int i = 0; i < now->object_count; i++)
    if (now->objects[i].kind == kind) found[count++] = now->objects[i].id;
  return count ? found[pick % count] : now->objects[pick % now->object_count].id;
}

static void remember(u32 ioas, u64 iova, u64 length) {
  int at = now->area_count < AREAS ? now->area_count++ : (int)below(AREAS);
  now->areas[at].ioas = ioas;
  now->areas[at].iova = iova;
  now->areas[at].length = length;
}
static int some_area(u32 ioas) {
  if (!now->area_count) return -1;
  int start = below(now->area_count);
  for (int i = 0; i < now->area_count; i++) {
    int at = (start + i) % now->area_count;
    if (now->areas[at].ioas == ioas) return at;
  }
  return start;
}

static u64 wild(void) {
  u64 power = 1ull << below(64);
  return ONE_OF(0, 1, ALL, ALL - 1, ALL - PAGE, ALL - PAGE + 1, ALL - 2 * PAGE + 1, ALL / 2, ALL / 2 + 1, power, power - 1, power - PAGE, power + PAGE, next());
}
static u64 some_length(void) {
  u64 draw = below(mock_wanted ? 73 : 100);
  if (draw < 70) return (1 + below(percent(70) ? 4 : REGION_PAGES)) * PAGE;
  if (draw < 85 && (!mock_wanted || percent(90))) return ONE_OF(0, 1, 512, 2048, PAGE - 1, PAGE + 1, PAGE + 2048, 3 * PAGE - 2048, 2 << 20, 1 << 30);
  return wild();
}
static u64 some_iova(u32 ioas) {
  u64 draw = below(100);
  int at = some_area(ioas);
  if (draw < 30 && at >= 0) {
    u64 iova = now->areas[at].iova, length = now->areas[at].length;
    return ONE_OF(iova, iova, iova + length, iova + length, iova - PAGE, iova + PAGE, iova + length - PAGE, iova + length / 2, iova - 1, iova + 1);
  }
  u64 base = mock_wanted && percent(85) ? 1 << 24 : 0;
  if (draw < 90) return base + below(percent(50) ? 32 : 512) * PAGE;
  if (draw < 95) return base + below(1 << 20);
  return wild();
}
static u64 some_place(void) {
  u64 draw = below(100);
  enum region region = ONE_OF(PRIVATE, PRIVATE, SHARED, SHARED, MEMORY_FILE, MEMORY_FILE, READ_ONLY, READ_ONLY_FILE, NO_ACCESS, HOLE);
  // Devices and accesses are compared on shared memory only: docs/differences.md.
  if (mock_wanted && (region == PRIVATE || region == READ_ONLY || percent(50))) region = percent(50) ? SHARED : MEMORY_FILE;
  u64 page = below(percent(70) ? 8 : REGION_PAGES + 2);
  if (draw < 85) return AT(region) + page * PAGE;
  if (draw < 95) return AT(region) + page * PAGE + ONE_OF(1, 8, 512, 2048, PAGE - 1, PAGE - 512);
  return percent(50) ? wild() : ONE_OF(0x7ffffffff000ull, 0x7fffffffe000ull, 0x800000000000ull, 0xffff888000000000ull, 0xffffffff81000000ull);
}
static u32 map_flags(void) {
  u64 draw = below(100);
  if (draw < 60) return ONE_OF(7, 7, 7, 5, 3);
  if (draw < 92) return ONE_OF(6, 6, 4, 2);
  return ONE_OF(0, 1, 8, 15, 0x80000007, 0xffffffff);
}
static u32 reserved(void) { return percent(3) ? ONE_OF(1, 0x80000000, 0xffffffff) : 0; }
static u32 zero_flags(void) { return percent(6) ? ONE_OF(1, 2, 0x80000000) : 0; }
static void put_reserved(u32 offset) {
  u32 value = reserved();
  if (value) put32("reserved", offset, value);
}

// ---- operations

static void ioas_alloc(void) {
  begin("IOAS_ALLOC");
  put32("flags", 4, zero_flags());
  if (!call(IOAS_ALLOC, -1)) own(IOAS, get32(8));
}

static void destroy(void) {
  begin("DESTROY");
  u32 id = object(below(mock_wanted ? KINDS : 2));
  put32("id", 4, id);
  if (!call(DESTROY, -1)) disown(id);
}

static void map(void) {
  begin("IOAS_MAP");
  u32 ioas = object(IOAS);
  put32("flags", 4, map_flags());
  put32("ioas", 8, ioas);
  put_reserved(12);
  put_place("va", 16, some_place());
  put64("length", 24, some_length());
  put64("iova", 32, some_iova(ioas));
  u64 length = get64(24);
  if (!call(IOAS_MAP, -1)) remember(ioas, get64(32), length);
}

static void map_file(void) {
  begin("IOAS_MAP_FILE");
  u32 ioas = object(IOAS);
  int fd, file = ONE_OF(MEMFD, MEMFD, MEMFD, MEMFD, MEMFD_READ_ONLY, MEMFD_SEALED, MEMFD_ODD, MEMFD_EMPTY, NULL_DEVICE, PIPE, ROOT);
  fd = files[file];
  const char *name = file_names[file];
  if (percent(8)) {
    switch (below(4)) {
      case 0: fd = -1; name = "-1"; break;
      case 1: fd = 1023; name = "closed"; break;
      case 2: fd = now->fd; name = "iommu"; break;
      default: fd = 0x7fffffff; name = "0x7fffffff";
    }
  }
  u32 flags = map_flags();
  // Linux lets a device write through a descriptor that cannot.
  if (mock_wanted && (file == MEMFD_READ_ONLY || file == MEMFD_SEALED)) flags &= ~2u;
  put32("flags", 4, flags);
  put32("ioas", 8, ioas);
  memcpy(cells + 12, &fd, 4);
  say(" fd=%s", name);
  put64("start", 16, percent(90) ? below(REGION_PAGES) * PAGE + (percent(5) ? 512 : 0) : wild());
  put64("length", 24, some_length());
  put64("iova", 32, some_iova(ioas));
  u64 length = get64(24);
  if (!call(IOAS_MAP_FILE, -1)) remember(ioas, get64(32), length);
}

static void copy(void) {
  begin("IOAS_COPY");
  u32 from = object(IOAS), to = percent(30) ? from : object(IOAS);
  u64 length = some_length(), source = some_iova(from);
  int at = some_area(from);
  if (at >= 0 && percent(60)) {
    from = now->areas[at].ioas;
    source = now->areas[at].iova;
    length = now->areas[at].length;
    if (percent(30)) length = ONE_OF(PAGE, length - PAGE, length + PAGE, length / 2);
    if (percent(20)) source += ONE_OF(PAGE, 1, 2048, -PAGE);
  }
  put32("flags", 4, map_flags());
  put32("to", 8, to);
  put32("from", 12, from);
  put64("length", 16, length);
  put64("iova", 24, some_iova(to));
  put64("source", 32, source);
  length = get64(16);
  if (!call(IOAS_COPY, -1)) remember(to, get64(24), length);
}

static void unmap(void) {
  begin("IOAS_UNMAP");
  u32 ioas = object(IOAS);
  u64 iova = some_iova(ioas), length = some_length();
  int at = some_area(ioas);
  if (at >= 0 && percent(60)) {
    ioas = percent(90) ? now->areas[at].ioas : ioas;
    iova = now->areas[at].iova;
    length = now->areas[at].length;
    if (percent(30)) length = ONE_OF(PAGE, length - PAGE, length + PAGE, length / 2, 64 * PAGE);
    if (percent(20)) iova += ONE_OF(PAGE, 1, 2048, -PAGE);
  } else if (percent(20)) {
    iova = 0;
    length = ONE_OF(ALL, ALL, ALL - 1, ALL - PAGE, 1 << 20, 1 << 21);
  }
  put32("ioas", 4, ioas);
  put64("iova", 8, iova);
  put64("length", 16, length);
  call(IOAS_UNMAP, -1);
}

static void fill_array(u32 *count, u64 *place) {
  u64 *array = (u64 *)AT(ARRAY);
  memset(array, 0, 2 * PAGE);
  *count = percent(90) ? below(6) : ONE_OF(0, 64, 256, 0x10000000, 0xffffffff);
  *place = AT(ARRAY);
  u64 cursor = 0;
  say(" ranges");
  for (u32 i = 0; i < *count && i < 5; i++) {
    u64 start = percent(90) ? cursor + below(64) * PAGE : wild(), last = percent(90) ? start + (1 + below(128)) * PAGE - 1 : wild();
    if (mock_wanted && i == 0 && percent(80)) start += 1 << 24, last += 1 << 24;
    if (percent(5)) last = ALL;
    array[2 * i] = start;
    array[2 * i + 1] = last;
    say(" %llx-%llx", (unsigned long long)start, (unsigned long long)last);
    cursor = last + 1;
  }
  if (percent(6)) *place = ONE_OF(0, AT(HOLE), AT(NO_ACCESS), AT(ARRAY) + 8, AT(ARRAY) + REGION_BYTES - 16, AT(ARRAY) + REGION_BYTES - 8, 0xffff888000000000ull);
}

static void allow_iovas(void) {
  u32 count;
  u64 place;
  begin("IOAS_ALLOW_IOVAS");
  fill_array(&count, &place);
  put32("ioas", 4, object(IOAS));
  put32("count", 8, count);
  put_reserved(12);
  put_place("array", 16, place);
  call(IOAS_ALLOW_IOVAS, -1);
}

static void iova_ranges(void) {
  begin("IOAS_IOVA_RANGES");
  memset((void *)AT(ARRAY), 0x5a, PAGE);
  u64 place = AT(ARRAY);
  if (percent(10)) place = ONE_OF(0, AT(HOLE), AT(READ_ONLY), AT(ARRAY) + REGION_BYTES - 8, AT(ARRAY) + REGION_BYTES - 16, AT(ARRAY) + 4);
  put32("ioas", 4, object(IOAS));
  put32("count", 8, ONE_OF(0, 1, 2, 3, 8, 16, 0xffffffff));
  put_reserved(12);
  put_place("array", 16, place);
  put64("alignment", 24, percent(20) ? wild() : 0);
  watch(&array_window, AT(ARRAY), 256);
  call(IOAS_IOVA_RANGES, -1);
}

static void option(void) {
  begin("OPTION");
  u32 id = ONE_OF(0, 0, 1, 1, 1, 1, percent(20) ? 2 : 1, percent(20) ? 0xffffffff : 0);
  put32("option", 4, id);
  u16 op = percent(95) ? below(2) : ONE_OF(2, 0x100, 0xffff);
  put16(8, op);
  say(" op=%u", op);
  if (percent(3)) put16(10, 1), say(" reserved");
  put32("object", 12, id == 0 && percent(80) ? 0 : object(IOAS));
  put64("value", 16, percent(90) ? below(3) : wild());
  call(OPTION, -1);
}

static void vfio_ioas(void) {
  begin("VFIO_IOAS");
  put32("ioas", 4, object(IOAS));
  u16 op = percent(95) ? below(3) : ONE_OF(3, 0x100, 0xffff);
  put16(8, op);
  say(" op=%u", op);
  if (percent(3)) put16(10, 1), say(" reserved");
  call(VFIO_IOAS, -1);
}

static void change_process(void) {
  begin("IOAS_CHANGE_PROCESS");
  put_reserved(4);
  call(IOAS_CHANGE_PROCESS, -1);
}

static void get_pa(void) {
  // Linux has it by configuration only: what can be compared is the dispatcher.
  begin("IOAS_NOIOMMU_GET_PA");
  put32("size", 0, ONE_OF(0, 4, 39));
  call_with(NODE_IOCTL(0x95), 40, -1);
}

static void unknown_request(void) {
  begin("unknown");
  u32 number = ONE_OF(0xa1, 0xc0, 0xff, 0x00, 0x63, 0x6f, 0x75, 0x7f);
  u32 command = (percent(90) ? 0x3b00u : 0x6400u) | number;
  say(" command=0x%x", command);
  put32("size", 0, ONE_OF(0, 8, 64));
  call_with(command, 64, -1);
}

// ---- page tables, devices and what hangs on them: without hardware they find no object

static void hwpt_alloc(void) {
  begin("HWPT_ALLOC");
  u32 flags = percent(80) ? ONE_OF(0, 0, 1, 2, 3, 8) : ONE_OF(4, 5, 16, 0x80000000, 9);
  put32("flags", 4, flags);
  put32("device", 8, object(DEVICE));
  put32("parent", 12, object(percent(60) ? IOAS : HWPT));
  put_reserved(20);
  u32 type = mock_wanted && percent(40) ? 0xdead : percent(80) ? 0 : ONE_OF(1, 2, 3, 4, 0xffffffff);
  put32("type", 24, type);
  if (type || percent(5)) {
    put32("datalength", 28, ONE_OF(8, 8, 8, 8, 4, 0, 16, 7));
    put_place("data", 32, percent(85) ? AT(ARRAY) : ONE_OF(0, AT(HOLE), AT(ARRAY) + REGION_BYTES - 4, ALL - 3));
    u32 *data = (u32 *)AT(ARRAY);
    memset(data, 0, 64);
    data[0] = ONE_OF(0, 0xbadbeef, 7);
    data[1] = ONE_OF(0, 0, 0, 1);
    say(" (%x %x)", data[0], data[1]);
  }
  put32("fault", 40, flags & 4 || percent(5) ? object(FAULT) : 0);
  put_reserved(44);
  int nested = type == 0xdead;
  if (!call(HWPT_ALLOC, -1)) own(nested ? NESTED : HWPT, get32(16));
}

static void hw_info(void) {
  begin("GET_HW_INFO");
  memset((void *)AT(ARRAY), 0x5a, 128);
  put32("flags", 4, percent(85) ? 0 : ONE_OF(1, 2, 3, 0x80000000));
  put32("device", 8, object(DEVICE));
  put32("datalength", 12, ONE_OF(0, 4, 8, 12, 64));
  put_place("data", 16, percent(93) ? AT(ARRAY) : ONE_OF(0, AT(HOLE), AT(READ_ONLY), AT(ARRAY) + REGION_BYTES - 4));
  put32("type", 24, percent(80) ? 0 : ONE_OF(1, 2, 0xfeedbeef));
  if (percent(3)) cells[29] = 1, say(" reserved");
  watch(&array_window, AT(ARRAY), 96);
  call(GET_HW_INFO, -1);
}

static void set_dirty_tracking(void) {
  begin("HWPT_SET_DIRTY_TRACKING");
  put32("flags", 4, percent(90) ? below(2) : ONE_OF(2, 3, 0x80000000));
  put32("hwpt", 8, object(HWPT));
  put_reserved(12);
  call(HWPT_SET_DIRTY_TRACKING, -1);
}

static void get_dirty_bitmap(void) {
  begin("HWPT_GET_DIRTY_BITMAP");
  memset((void *)AT(ARRAY), 0, 256);
  put32("hwpt", 4, object(HWPT));
  put32("flags", 8, percent(90) ? below(2) : ONE_OF(2, 3, 0x80000000));
  put_reserved(12);
  u64 length = percent(80) ? (1 + below(64)) * PAGE : some_length();
  put64("iova", 16, some_iova(0));
  put64("length", 24, length > 1 << 24 && percent(90) ? 1 << 20 : length);
  put64("pagesize", 32, percent(80) ? ONE_OF(2048, PAGE, PAGE, PAGE) : ONE_OF(0, 1, 512, 3 * PAGE, 1 << 21, 1ull << 63, ALL));
  put_place("data", 40, percent(93) ? AT(ARRAY) : ONE_OF(0, AT(HOLE), AT(READ_ONLY), AT(ARRAY) + 3));
  watch(&array_window, AT(ARRAY), 64);
  call(HWPT_GET_DIRTY_BITMAP, -1);
}

static void invalidate(void) {
  begin("HWPT_INVALIDATE");
  u32 *data = (u32 *)AT(ARRAY);
  memset(data, 0, 128);
  for (int i = 0; i < 8; i++) data[i] = ONE_OF(0, 0, 1, 2, 3, percent(10) ? 4 : 0);
  say(" (%x %x %x %x)", data[0], data[1], data[2], data[3]);
  put32("hwpt", 4, object(percent(70) ? NESTED : VIOMMU));
  put_place("data", 8, percent(90) ? AT(ARRAY) : ONE_OF(0, AT(HOLE)));
  put32("type", 16, mock_wanted && percent(80) ? 0xdeadbeef : ONE_OF(0, 1, 2, 0xdadbeef, 0xffffffff));
  put32("entrybytes", 20, ONE_OF(8, 8, 8, 8, 0, 4, 12, 16, 24, 0xffffffff));
  put32("entries", 24, percent(90) ? below(4) : ONE_OF(8, 0x10000000, 0xffffffff));
  put_reserved(28);
  call(HWPT_INVALIDATE, -1);
}

// Every file opened by a path has it on 64-bit machines, files that Linux makes without a path have not.
#define LARGE_FILE 0x8000

static void add_queue(int result, u32 id_at, u32 fd_at, enum kind kind) {
  if (result) return;
  own(kind, get32(id_at));
  int fd = get32(fd_at), at = below(QUEUES);
  say(" flags=%x,%x", fcntl(fd, F_GETFD), fcntl(fd, F_GETFL) & ~LARGE_FILE);
  if (now->queues[at] >= 0) close(now->queues[at]);
  now->queues[at] = fd;
}

static void fault_queue_alloc(void) {
  begin("FAULT_QUEUE_ALLOC");
  put32("flags", 4, zero_flags());
  add_queue(call(FAULT_QUEUE_ALLOC, 12), 8, 12, FAULT);
}

static void viommu_alloc(void) {
  begin("VIOMMU_ALLOC");
  put32("flags", 4, zero_flags());
  put32("type", 8, mock_wanted && percent(80) ? 0xdeadbeef : ONE_OF(0, 1, 2, 3, 0xffffffff));
  put32("device", 12, object(DEVICE));
  put32("hwpt", 16, object(HWPT));
  put_reserved(28);
  // Whatever data that can be read would also tell of a region to map: docs/conformance.md.
  if (percent(20)) {
    put32("datalength", 24, ONE_OF(1, 7, 8, 24, 25, PAGE, 0xffffffff));
    put_place("data", 32, ONE_OF(0, AT(HOLE), AT(NO_ACCESS), ALL - 3));
  }
  if (!call(VIOMMU_ALLOC, -1)) own(VIOMMU, get32(20));
}

static void vdevice_alloc(void) {
  begin("VDEVICE_ALLOC");
  put32("viommu", 4, object(VIOMMU));
  put32("device", 8, object(DEVICE));
  put64("virtual", 16, percent(90) ? below(4) : wild());
  if (!call(VDEVICE_ALLOC, -1)) own(VDEVICE, get32(12));
}

static void veventq_alloc(void) {
  begin("VEVENTQ_ALLOC");
  put32("flags", 4, zero_flags());
  put32("viommu", 8, object(VIOMMU));
  put32("type", 12, mock_wanted && percent(80) ? 0xbeefbeef : ONE_OF(0, 1, 2, 3, 0xffffffff));
  put32("depth", 16, ONE_OF(2, 2, 16, 0, 1 << 19, (1 << 19) + 1, 0xffffffff));
  put_reserved(28);
  add_queue(call(VEVENTQ_ALLOC, 24), 20, 24, VEVENTQ);
}

static void hw_queue_alloc(void) {
  begin("HW_QUEUE_ALLOC");
  put32("flags", 4, zero_flags());
  put32("viommu", 8, object(VIOMMU));
  put32("type", 12, mock_wanted && percent(80) ? 0xdeadbeef : ONE_OF(0, 1, 2));
  put32("index", 16, below(3));
  u64 iova = some_iova(0), length = some_length();
  // Whether several pages lie side by side is luck.
  if (mock_wanted) iova &= -PAGE, length = 1 + (length - 1) % PAGE;
  put64("iova", 24, iova);
  put64("length", 32, length);
  if (!call(HW_QUEUE_ALLOC, -1)) own(HW_QUEUE, get32(20));
}

// ---- VFIO containers

static void vfio(void) {
  u32 draw = below(6);
  if (draw == 0) {
    begin("VFIO_GET_API_VERSION");
    errno = 0;
    say_result(ioctl(now->fd, 0x3b64, percent(50) ? 0 : wild()));
  } else if (draw == 1) {
    begin("VFIO_CHECK_EXTENSION");
    u64 extension = percent(90) ? below(8) : ONE_OF(9, 10, 100, ALL);
    if (mock_wanted && extension == 4) extension = 9; // memory is always coherent here
    say(" extension=%llu", (unsigned long long)extension);
    errno = 0;
    say_result(ioctl(now->fd, 0x3b65, extension));
  } else if (draw == 2) {
    begin("VFIO_SET_IOMMU");
    u64 type = percent(40) ? 3 : ONE_OF(1, 1, 0, 2, 7, 99);
    say(" type=%llu", (unsigned long long)type);
    errno = 0;
    say_result(ioctl(now->fd, 0x3b66, type));
  } else if (draw == 3) {
    if (mock_wanted) return vfio_ioas(); // the page sizes are another IOMMU's
    begin("VFIO_IOMMU_GET_INFO");
    put32("argsz", 0, ONE_OF(16, 24, 24, 32, 40, 48, 64, 128, 200, 0, 8, 15));
    put32("flags", 4, percent(10) ? 0xff : 0);
    call_with(0x3b70, 24, -1);
  } else if (draw == 4) {
    begin("VFIO_IOMMU_MAP_DMA");
    put32("argsz", 0, percent(94) ? 32 : ONE_OF(0, 31, 33, 64));
    put32("flags", 4, percent(90) ? 1 + below(3) : ONE_OF(4, 8, 0x80000001));
    put_place("va", 8, some_place());
    put64("iova", 16, some_iova(0));
    put64("length", 24, some_length());
    u64 iova = get64(16), length = get64(24);
    if (!call_with(0x3b71, 32, -1)) remember(0, iova, length);
  } else {
    begin("VFIO_IOMMU_UNMAP_DMA");
    put32("argsz", 0, percent(94) ? 24 : ONE_OF(0, 23, 25, 64));
    u32 flags = percent(70) ? 0 : ONE_OF(2, 2, 2, 1, 4, 0x80000000);
    u64 iova = some_iova(0), length = some_length();
    int at = some_area(0);
    if (at >= 0 && percent(50)) iova = now->areas[at].iova, length = now->areas[at].length;
    if (flags == 2 && percent(80)) iova = length = 0;
    put32("flags", 4, flags);
    put64("iova", 8, iova);
    put64("length", 16, length);
    call_with(0x3b72, 24, -1);
  }
}

// ---- files

static void queue_call(void) {
  int at = below(QUEUES), fd = now->queues[at];
  u64 draw = below(8), count = ONE_OF(0, 1, 8, 16, 39, 40, 80, 4000, 4096), offset = ONE_OF(0, 1, 40);
  if (fd < 0) return;
  if (mock_wanted && !count) count = 40; // FUSE does not ask an event queue for nothing
  u64 place = percent(85) ? AT(ARRAY) : ONE_OF(0, AT(HOLE), AT(READ_ONLY));
  u32 *data = (u32 *)AT(ARRAY);
  memset(data, 0, PAGE);
  data[0] = below(3), data[1] = below(3), data[2] = below(3), data[3] = below(3);
  begin("queue");
  say(" %d", at);
  errno = 0;
  if (draw == 0 || draw == 1) {
    say(" read count=%llu", (unsigned long long)count);
    say_result(read(fd, (void *)AT(ARRAY), count));
  } else if (draw == 2 || draw == 3) {
    say(" write count=%llu (%u %u %u %u)", (unsigned long long)count, data[0], data[1], data[2], data[3]);
    // FUSE looks at the memory before the node sees the count.
    if (count % 8 || mock_wanted) place = AT(ARRAY);
    say_place("from", place);
    say_result(write(fd, (void *)place, count));
  } else if (draw == 4) {
    struct pollfd poller = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDNORM, 0};
    say(" poll");
    say_result(poll(&poller, 1, 0));
    say(" %x", poller.revents);
  } else if (draw == 5) {
    say(" pread count=%llu offset=%llu", (unsigned long long)count, (unsigned long long)offset);
    say_result(pread(fd, (void *)AT(ARRAY), count, offset));
  } else if (draw == 6) {
    int control = below(4);
    if (control == 0) say(" lseek"), say_result(lseek(fd, offset, SEEK_SET));
    else if (control == 1) say(" ioctl"), say_result(ioctl(fd, NODE_IOCTL(0x81), AT(ARRAY)));
    else if (control == 2) say(" pwrite"), say_result(pwrite(fd, (void *)AT(ARRAY), count, offset));
    else say(" dup"), now->queues[at] = dup(fd), close(fd);
  } else {
    say(" close"), say_result(close(fd));
    now->queues[at] = -1;
  }
}

static void node_call(void) {
  begin("node");
  errno = 0;
  switch (below(4)) {
    case 0: say(" read"), say_result(read(now->fd, (void *)AT(ARRAY), 8)); break;
    case 1: say(" write"), say_result(write(now->fd, (void *)AT(ARRAY), 8)); break;
    case 2: {
      struct pollfd poller = {now->fd, POLLIN | POLLOUT, 0};
      say(" poll"), say_result(poll(&poller, 1, 0)), say(" %x", poller.revents);
      break;
    }
    default: {
      int copy = dup(now->fd);
      say(" dup"), close(now->fd), now->fd = copy;
    }
  }
}

static void close_context(void) {
  if (now->fd >= 0) close(now->fd);
  for (int i = 0; i < QUEUES; i++)
    if (now->queues[i] >= 0) close(now->queues[i]);
  for (int i = 0; i < ACCESSES; i++)
    if (now->accesses[i] >= 0) close(now->accesses[i]);
}

static void open_context(void) {
  memset(now, 0, sizeof *now);
  for (int i = 0; i < QUEUES; i++) now->queues[i] = -1;
  for (int i = 0; i < ACCESSES; i++) now->accesses[i] = -1;
  now->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
  if (now->fd < 0) {
    fprintf(stderr, "/dev/iommu: %s\n", strerror(errno));
    exit(2);
  }
}

static void reopen(void) {
  if (mock_wanted && percent(70)) return begin("nothing");
  begin("reopen");
  close_context();
  open_context();
}

static void place_region(enum region region) {
  int flags = MAP_FIXED | MAP_NORESERVE, protection = PROT_READ | PROT_WRITE, fd = -1;
  switch (region) {
    case SHARED: flags |= MAP_SHARED | MAP_ANONYMOUS; break;
    case MEMORY_FILE: flags |= MAP_SHARED; fd = files[MEMFD]; break;
    case READ_ONLY_FILE: flags |= MAP_SHARED; fd = files[MEMFD_READ_ONLY]; protection = PROT_READ; break;
    case READ_ONLY: flags |= MAP_PRIVATE | MAP_ANONYMOUS; protection = PROT_READ; break;
    case NO_ACCESS: flags |= MAP_PRIVATE | MAP_ANONYMOUS; protection = PROT_NONE; break;
    default: flags |= MAP_PRIVATE | MAP_ANONYMOUS;
  }
  u64 bytes = region == MEMORY_FILE || region == READ_ONLY_FILE ? REGION_BYTES : REGION_BYTES;
  if (region == HOLE) munmap((void *)AT(region), REGION_BYTES);
  else if (mmap((void *)AT(region), bytes, protection, flags, fd, 0) == MAP_FAILED) {
    perror(region_names[region]);
    exit(2);
  }
}

static void change_memory(void) {
  // Pins of private memory end with its mapping where a process cannot hold the pages of another.
  enum region region = mock_wanted ? ONE_OF(SHARED, MEMORY_FILE) : ONE_OF(PRIVATE, SHARED, MEMORY_FILE);
  begin("memory");
  say(" %s", region_names[region]);
  if (percent(50)) {
    say(" new");
    place_region(region);
  } else {
    u64 page = below(REGION_PAGES);
    say(" unmap %llu", (unsigned long long)page);
    munmap((void *)(AT(region) + page * PAGE), PAGE);
  }
}

static void open_files(void) {
  char path[64];
  int pipe_ends[2];
  files[MEMFD] = memfd_create("memory", MFD_CLOEXEC);
  files[MEMFD_SEALED] = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  files[MEMFD_ODD] = memfd_create("odd", MFD_CLOEXEC);
  files[MEMFD_EMPTY] = memfd_create("empty", MFD_CLOEXEC);
  files[NULL_DEVICE] = open("/dev/null", O_RDWR | O_CLOEXEC);
  files[ROOT] = open("/", O_RDONLY | O_CLOEXEC);
  if (ftruncate(files[MEMFD], REGION_BYTES) || ftruncate(files[MEMFD_SEALED], REGION_BYTES) || ftruncate(files[MEMFD_ODD], 3 * PAGE + 100)
      || fcntl(files[MEMFD_SEALED], F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK) || pipe2(pipe_ends, O_CLOEXEC)) {
    perror("memory files");
    exit(2);
  }
  files[PIPE] = pipe_ends[0];
  snprintf(path, sizeof path, "/proc/self/fd/%d", files[MEMFD]);
  files[MEMFD_READ_ONLY] = open(path, O_RDONLY | O_CLOEXEC);
}

// ---- the mock devices of Linux's iommufd selftests (IOMMU_TEST_CMD); unions start at 16

static void begin_test(const char *name, u32 operation, const char *id_name, u32 id) {
  begin(name);
  memcpy(cells + 4, &operation, 4);
  put32(id_name, 8, id);
  put_reserved(12);
}

static void mock_domain(void) {
  int with_flags = percent(40);
  begin_test("MOCK_DOMAIN", with_flags ? 12 : 2, "table", object(percent(70) ? IOAS : HWPT));
  if (with_flags) put32("flags", 28, percent(90) ? ONE_OF(0, 1, 4, 5) : ONE_OF(2, 8, 0x80000000));
  if (call(TEST_CMD, -1)) return;
  own(MOCK, get32(16));
  own(DEVICE, get32(24));
  own(HWPT, get32(20));
}

static void mock_replace(void) {
  begin_test("MOCK_DOMAIN_REPLACE", 10, "device", object(MOCK));
  put32("table", 16, object(ONE_OF(IOAS, HWPT, HWPT, NESTED)));
  any_refusal = 1;
  call(TEST_CMD, -1);
}

static void add_reserved(void) {
  u32 ioas = object(IOAS);
  begin_test("ADD_RESERVED", 1, "ioas", ioas);
  put64("start", 16, some_iova(ioas));
  put64("length", 24, some_length());
  call(TEST_CMD, -1);
}

static void check_map(void) {
  begin_test("MD_CHECK_MAP", 3, "table", object(HWPT));
  int at = some_area(0);
  put64("iova", 16, at >= 0 ? now->areas[at].iova & -2048 : 0);
  put64("length", 24, ONE_OF(2048, PAGE, 0));
  put_place("va", 32, AT(SHARED) + below(4) * PAGE);
  call(TEST_CMD, -1);
}

static void create_access(void) {
  u32 ioas = object(IOAS);
  begin_test("CREATE_ACCESS", 5, "ioas", ioas);
  put32("flags", 20, percent(90) ? below(2) : ONE_OF(2, 0x80000000));
  if (call(TEST_CMD, 16)) return;
  int at = below(ACCESSES);
  if (now->accesses[at] >= 0) close(now->accesses[at]);
  now->accesses[at] = get32(16);
}

static int some_access(const char *name, u32 operation) {
  int at = below(ACCESSES);
  if (now->accesses[at] < 0 && percent(90)) at = (at + 1) % ACCESSES;
  if (now->accesses[at] < 0 && percent(90)) at = (at + 1) % ACCESSES;
  int fd = now->accesses[at];
  begin(name);
  memcpy(cells + 4, &operation, 4);
  memcpy(cells + 8, &fd, 4);
  say(" access=%d%s", at, fd < 0 ? " none" : "");
  return at;
}

static void some_mapped(u64 *iova, u64 *length) {
  int at = some_area(0);
  *iova = some_iova(0);
  *length = some_length();
  if (at >= 0 && percent(80)) {
    *iova = now->areas[at].iova;
    *length = now->areas[at].length;
    if (percent(40)) *iova += ONE_OF(PAGE, 1, 2048), *length = ONE_OF(1, 8, 512, PAGE, 2048);
  }
}

static void access_pages(void) {
  u64 iova, length;
  some_mapped(&iova, &length);
  int at = some_access("ACCESS_PAGES", 7);
  if (length > REGION_BYTES && percent(90)) length = PAGE;
  put32("flags", 16, percent(90) ? below(2) : ONE_OF(2, 4, 0x80000000));
  put64("iova", 24, iova);
  put64("length", 32, length);
  put_place("va", 40, percent(50) ? 0 : AT(SHARED) + below(4) * PAGE);
  if (!call(TEST_CMD, -1)) now->pins[at] = get32(20);
}

static void destroy_access_pages(void) {
  int at = some_access("DESTROY_ACCESS_PAGES", 6);
  put32("pages", 16, percent(80) ? now->pins[at] : ONE_OF(0, 1, 7, 0xffffffff));
  call(TEST_CMD, -1);
}

static void access_rw(void) {
  u64 iova, length;
  some_mapped(&iova, &length);
  some_access("ACCESS_RW", 8);
  u64 *data = (u64 *)AT(ARRAY);
  u64 content = next();
  for (int i = 0; i < 512; i++) data[i] = content + i;
  if (length > 8 * PAGE) length = PAGE;
  put64("iova", 16, iova);
  put64("length", 24, length);
  put_place("va", 32, percent(93) ? AT(ARRAY) + ONE_OF(0, 0, 1, 8) : ONE_OF(0, AT(HOLE), AT(READ_ONLY), AT(NO_ACCESS)));
  put32("flags", 40, percent(90) ? ONE_OF(0, 1, 4, 5) : ONE_OF(2, 8, 0x80000000));
  watch(&array_window, AT(ARRAY), 64);
  call(TEST_CMD, -1);
}

static void access_replace(void) {
  some_access("ACCESS_REPLACE_IOAS", 11);
  put32("ioas", 16, object(IOAS));
  call(TEST_CMD, -1);
}

static void close_access(void) {
  int at = below(ACCESSES);
  begin("access");
  say(" %d close", at);
  errno = 0;
  if (now->accesses[at] >= 0) say_result(close(now->accesses[at]));
  now->accesses[at] = -1;
}

static void make_dirty(void) {
  u32 *data = (u32 *)AT(ARRAY);
  for (int i = 0; i < 64; i++) data[i] = next();
  begin_test("DIRTY", 13, "table", object(HWPT));
  put32("flags", 16, percent(90) ? 0 : ONE_OF(1, 2));
  put64("iova", 24, some_iova(0));
  put64("length", 32, (1 + below(64)) * PAGE);
  put64("pagesize", 40, ONE_OF(2048, PAGE, PAGE, PAGE));
  put_place("bitmap", 48, percent(93) ? AT(ARRAY) : ONE_OF(0, AT(HOLE)));
  call(TEST_CMD, -1);
}

static void check_caches(void) {
  if (percent(50)) begin_test("MD_CHECK_IOTLB", 14, "table", object(NESTED));
  else begin_test("DEV_CHECK_CACHE", 16, "device", object(DEVICE));
  put32("entry", 16, below(5));
  put32("value", 20, ONE_OF(0, 0xbadbeef, 0xbaddad, 7));
  call(TEST_CMD, -1);
}

static void trigger(void) {
  if (percent(70)) {
    begin_test("TRIGGER_IOPF", 15, "id", 0);
    put32("device", 16, object(DEVICE));
    put32("pasid", 20, ONE_OF(0, 0xfffff, 0, 1, 100));
    put32("group", 24, below(4));
    put32("perm", 28, below(4));
    put64("address", 32, below(64) * PAGE);
  } else {
    begin_test("TRIGGER_VEVENT", 17, "id", 0);
    put32("device", 16, object(DEVICE));
  }
  call(TEST_CMD, -1);
}

static void pasid(void) {
  static const char *const names[] = {"PASID_ATTACH", "PASID_REPLACE", "PASID_DETACH", "PASID_CHECK_HWPT"};
  int which = below(4);
  begin_test(names[which], 18 + which, "device", object(MOCK));
  put32("pasid", 16, percent(90) ? below(3) : ONE_OF(100, 1 << 10 | 1, 1 << 19));
  if (which != 2) put32("table", 20, object(percent(80) ? HWPT : which == 1 ? NESTED : IOAS));
  any_refusal = 1;
  call(TEST_CMD, -1);
}

static const struct act { u32 weight; void (*act)(void); } plain_acts[] = {
  {10, ioas_alloc}, {8, destroy}, {40, map}, {20, map_file}, {18, copy}, {26, unmap}, {8, allow_iovas}, {10, iova_ranges}, {10, option}, {8, vfio_ioas},
  {18, vfio}, {3, change_process}, {2, get_pa}, {3, unknown_request}, {3, hwpt_alloc}, {3, hw_info}, {3, set_dirty_tracking}, {3, get_dirty_bitmap},
  {3, invalidate}, {5, fault_queue_alloc}, {3, viommu_alloc}, {3, vdevice_alloc}, {3, veventq_alloc}, {3, hw_queue_alloc}, {8, queue_call},
  {3, node_call}, {1, reopen}, {2, change_memory},
};

static const struct act mock_acts[] = {
  {14, mock_domain}, {8, mock_replace}, {3, add_reserved}, {4, check_map}, {6, create_access}, {14, access_pages}, {12, destroy_access_pages},
  {24, access_rw}, {4, access_replace}, {4, close_access}, {8, make_dirty}, {6, check_caches}, {12, trigger}, {12, pasid},
  {20, hwpt_alloc}, {4, hw_info}, {8, set_dirty_tracking}, {8, get_dirty_bitmap}, {8, invalidate}, {6, viommu_alloc}, {6, vdevice_alloc},
  {5, veventq_alloc}, {4, hw_queue_alloc}, {10, queue_call}, {6, destroy},
};

static void act_from(const struct act *acts, size_t count) {
  u32 total = 0;
  for (size_t i = 0; i < count; i++) total += acts[i].weight;
  u32 draw = below(total);
  while (draw >= acts->weight) draw -= acts++->weight;
  acts->act();
}

static void run(u64 seed, u64 operations) {
  state = seed * 0x2545f4914f6cdd1dull + 1;
  hash = 0xcbf29ce484222325ull;
  open_files();
  for (int region = 0; region < REGIONS; region++) place_region(region);
  for (u64 *word = (u64 *)AT(PRIVATE); word < (u64 *)(AT(PRIVATE) + REGION_BYTES); word++) *word = (u64)word;
  for (u64 *word = (u64 *)AT(SHARED); word < (u64 *)(AT(SHARED) + REGION_BYTES); word++) *word = (u64)word;
  for (u64 *word = (u64 *)AT(MEMORY_FILE); word < (u64 *)(AT(MEMORY_FILE) + REGION_BYTES); word++) *word = (u64)word;
  for (now = contexts; now < contexts + CONTEXTS; now++) open_context();
  for (u64 operation = 0; operation < operations; operation++) {
    now = &contexts[mock_wanted ? ONE_OF(0, 0, 0, 0, 0, 0, 0, 1) : ONE_OF(0, 0, 0, 0, 1, 1, 2)];
    say("%llu ", (unsigned long long)operation);
    if (mock_wanted && percent(50)) act_from(mock_acts, sizeof mock_acts / sizeof *mock_acts);
    else act_from(plain_acts, sizeof plain_acts / sizeof *plain_acts);
    end_line();
    // What a run has drawn must not decide what the next operation draws: differences stay where they are.
    state = seed * 0x2545f4914f6cdd1dull + 1 + (operation + 1) * 0xd1342543de82ef95ull;
  }
  for (now = contexts; now < contexts + CONTEXTS; now++) close_context();
  for (int file = 0; file < FILES; file++) close(files[file]);
  printf("seed %llu operations %llu hash %016llx\n", (unsigned long long)seed, (unsigned long long)operations, (unsigned long long)hash);
  fflush(stdout);
}

// Root of one machine may raise its limits, root in a container may not: nobody may here.
static void drop_resource_capability(void) {
  struct { u32 version; int pid; } header = {0x20080522, 0};
  struct { u32 effective, permitted, inheritable; } sets[2];
  if (syscall(SYS_capget, &header, sets)) exit(2);
  sets[0].effective &= ~(1u << 24);
  sets[0].permitted &= ~(1u << 24);
  if (syscall(SYS_capset, &header, sets)) exit(2);
}

int main(int count, char **arguments) {
  if (count < 4) {
    fprintf(stderr, "usage: %s FIRST_SEED SEEDS OPERATIONS [text|hash] [plain|mock]\n", arguments[0]);
    return 2;
  }
  u64 first = strtoull(arguments[1], NULL, 0), seeds = strtoull(arguments[2], NULL, 0), operations = strtoull(arguments[3], NULL, 0);
  drop_resource_capability();
  text_wanted = count < 5 || !strcmp(arguments[4], "text");
  mock_wanted = count > 5 && !strcmp(arguments[5], "mock");
  for (u64 seed = first; seed < first + seeds; seed++) run(seed, operations);
  return 0;
}
