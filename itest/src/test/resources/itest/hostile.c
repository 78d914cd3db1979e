/*
 * Programs nobody would write, beside one that anybody might: "hostile MODE COUNT SEED" runs the mode, and meanwhile a well-behaved
 * program that checks every result and the bytes that DMA moves. Exit code 0: the well-behaved one noticed nothing, and the hostile ones
 * got no error numbers but those of the interface, and never waited for an answer for a minute. VMM_PROGRESS names a file that is told
 * how far they are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ULL
#define HANG_SECONDS 60
#define TELL_SECONDS 10
/* The device of the test: attaches to an address space, writes and reads by DMA. */
#define ATTACH _IO('h', 1)
#define DMA_WRITE _IO('h', 2)
#define DMA_READ _IO('h', 3)

struct destroy { uint32_t size, id; };
struct ioas_alloc { uint32_t size, flags, id; };
struct ioas_map { uint32_t size, flags, ioas, reserved; uint64_t va, length, iova; };
struct ioas_map_file { uint32_t size, flags, ioas; int32_t fd; uint64_t start, length, iova; };
struct ioas_copy { uint32_t size, flags, dst, src; uint64_t length, dst_iova, src_iova; };
struct ioas_unmap { uint32_t size, ioas; uint64_t iova, length; };
struct fault_alloc { uint32_t size, flags, id, fd; };

static const int DOCUMENTED[] = {EPERM, ENOENT, EINTR, ENXIO, E2BIG, EBADF, EAGAIN, ENOMEM, EACCES, EFAULT, EBUSY, EEXIST, ENODEV, EINVAL,
  EMFILE, ENOTTY, ENOSPC, ESPIPE, ERANGE, EDEADLK, EOVERFLOW, EMSGSIZE, EOPNOTSUPP, EADDRINUSE};

static void fail(const char *what) {
  fprintf(stderr, "hostile: %s: %s (pid %d)\n", what, strerror(errno), getpid());
  _exit(1);
}

static int documented(const char *what, int result) {
  if (result >= 0) return result;
  for (unsigned i = 0; i < sizeof DOCUMENTED / sizeof *DOCUMENTED; i++)
    if (errno == DOCUMENTED[i]) return result;
  fail(what);
  return result;
}

static void must(const char *what, int holds) {
  if (!holds) fail(what);
}

static __thread uint64_t state;

static uint64_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static unsigned pick(unsigned bound) { return next() % bound; }

static int map(int iommu, uint32_t ioas, void *memory, uint64_t length, uint64_t iova) {
  struct ioas_map m = {sizeof m, 7, ioas, 0, (uint64_t)memory, length, iova};
  return ioctl(iommu, 0x3b85, &m);
}

static int64_t unmap(int iommu, uint32_t ioas, uint64_t iova, uint64_t length) {
  struct ioas_unmap u = {sizeof u, ioas, iova, length};
  return ioctl(iommu, 0x3b86, &u) < 0 ? -1 : (int64_t)u.length;
}

static uint32_t new_ioas(int iommu) {
  struct ioas_alloc a = {sizeof a, 0, 0};
  must("IOAS_ALLOC", ioctl(iommu, 0x3b81, &a) == 0);
  return a.id;
}

static char *shared(uint64_t length) {
  char *memory = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must("mmap", memory != MAP_FAILED);
  return memory;
}

/* How many of its steps the mode has done; shared with the process that watches. */
static long *steps;

static void step(long count) { __atomic_add_fetch(steps, count, __ATOMIC_RELAXED); }

/* The well-behaved one. */
static volatile sig_atomic_t over;

static void end(int signal) { over = 1; }

static void behave_well(void) {
  signal(SIGTERM, end);
  char *memory = shared(64 * PAGE);
  int rounds = 0;
  state = 88172645463325252ULL;
  while (!over || rounds == 0) {
    int iommu = open("/dev/iommu", O_RDWR), device = open("/dev/hostile-device", O_RDWR);
    must("well-behaved: open", iommu >= 0 && device >= 0);
    uint32_t ioas = new_ioas(iommu);
    must("well-behaved: attach", ioctl(device, ATTACH, (uint64_t)iommu << 32 | ioas) == 0);
    for (int i = 0; i < 100 && !(over && rounds > 0); i++, rounds++) {
      uint64_t iova = (256 + pick(1024)) * PAGE;
      volatile uint64_t *word = (uint64_t *)(memory + pick(64) * PAGE);
      *word = ~iova;
      must("well-behaved: map", map(iommu, ioas, (void *)word, PAGE, iova) == 0);
      must("well-behaved: map again", map(iommu, ioas, (void *)word, PAGE, iova) < 0 && errno == EEXIST);
      must("well-behaved: DMA", ioctl(device, DMA_WRITE, iova) == 0);
      must("well-behaved: what DMA wrote", *word == iova);
      *word = iova >> 12;
      must("well-behaved: what DMA reads", ioctl(device, DMA_READ, iova) == (int)(iova >> 12));
      must("well-behaved: unmap", unmap(iommu, ioas, iova, PAGE) == (int64_t)PAGE);
      must("well-behaved: DMA after unmap", ioctl(device, DMA_WRITE, iova) < 0 && errno == EFAULT);
      must("well-behaved: unmap again", unmap(iommu, ioas, iova, PAGE) < 0 && errno == ENOENT);
    }
    must("well-behaved: close", close(device) == 0 && close(iommu) == 0);
  }
  _exit(0);
}

/* Killed anywhere in sequences of map, unmap, copy, fault queue, close. */
static void be_killed(void) {
  int file = memfd_create("victim", 0);
  must("ftruncate", ftruncate(file, 4 << 20) == 0);
  char *memory = mmap(0, 4 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  char *private = mmap(0, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (;;) {
    int iommu = open("/dev/iommu", O_RDWR), device = open("/dev/hostile-device", O_RDWR), queues[4], count = 0;
    uint32_t ioas = new_ioas(iommu);
    if (pick(3)) documented("attach", ioctl(device, ATTACH, (uint64_t)iommu << 32 | ioas));
    for (int i = pick(30); i > 0; i--) {
      uint64_t iova = (1 + pick(64)) * 16 * PAGE, length = (1 + pick(16)) * PAGE;
      switch (pick(7)) {
      case 0: documented("map", map(iommu, ioas, memory + pick(512) * PAGE, length, iova)); break;
      case 1: documented("map", map(iommu, ioas, private + pick(48) * PAGE, length, iova)); break;
      case 2: documented("unmap", unmap(iommu, ioas, iova, length) < 0 ? -1 : 0); break;
      case 3: {
        struct ioas_copy c = {sizeof c, 7, ioas, ioas, length, (2048 + pick(64)) * 16 * PAGE, iova};
        documented("copy", ioctl(iommu, 0x3b83, &c));
        break;
      }
      case 4: {
        struct ioas_map_file m = {sizeof m, 7, ioas, file, pick(512) * PAGE, length, (8192 + pick(64)) * 16 * PAGE};
        documented("map file", ioctl(iommu, 0x3b8f, &m));
        break;
      }
      case 5: {
        struct fault_alloc f = {sizeof f};
        if (count < 4 && documented("fault queue", ioctl(iommu, 0x3b8e, &f)) == 0) queues[count++] = f.fd;
        break;
      }
      default: documented("DMA", ioctl(device, DMA_WRITE, iova));
      }
    }
    for (int i = 0; i < count; i++) close(queues[i]);
    if (pick(2)) documented("unmap", unmap(iommu, ioas, 0, -1) < 0 ? -1 : 0);
    close(iommu);
    close(device);
  }
}

static void kill_clients(int count) {
  pid_t alive[4];
  int running = 0;
  for (int i = 0; i < count || running > 0; i++) {
    if (i < count) {
      uint64_t seed = next();
      pid_t child = fork();
      must("fork", child >= 0);
      if (child == 0) {
        state = seed;
        be_killed();
      }
      alive[running++] = child;
      step(1);
    }
    if (running == 4 || i >= count) {
      usleep(500 + pick(6000));
      int status, victim = pick(running);
      kill(alive[victim], SIGKILL);
      must("waitpid", waitpid(alive[victim], &status, 0) == alive[victim]);
      must("a victim ends by the signal, not before it", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
      alive[victim] = alive[--running];
    }
  }
}

/* Takes memory away under its mappings. */
static void move_memory(int count) {
  int iommu = open("/dev/iommu", O_RDWR), device = open("/dev/hostile-device", O_RDWR);
  uint32_t ioas = new_ioas(iommu);
  must("attach", ioctl(device, ATTACH, (uint64_t)iommu << 32 | ioas) == 0);
  uint64_t length = 1 << 20, iova = 1 << 24;
  for (int i = 0; i < count; i++) {
    int file = memfd_create("moving", 0);
    must("ftruncate", ftruncate(file, length) == 0);
    char *memory = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    char *private = mmap(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must("map", map(iommu, ioas, memory, length, iova) == 0);
    documented("map private memory", map(iommu, ioas, private, length, iova + length));
    switch (pick(5)) {
    case 0: must("truncate", ftruncate(file, pick(256) * PAGE) == 0); break;
    case 1: must("punch", fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, length) == 0); break;
    case 2: munmap(memory, length); munmap(private, length); break;
    case 3: mprotect(memory, length, PROT_NONE); mprotect(private, length, PROT_NONE); break;
    default: must("other memory", mmap(private, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == private);
    }
    for (int dma = 0; dma < 8; dma++) {
      uint64_t at = iova + pick(512) * PAGE;
      documented("DMA write", ioctl(device, DMA_WRITE, at));
      documented("DMA read", ioctl(device, DMA_READ, at));
    }
    documented("map what is gone", map(iommu, ioas, memory, length, iova + 4 * length));
    documented("map what is gone", map(iommu, ioas, private, length, iova + 5 * length));
    must("unmap", unmap(iommu, ioas, 0, -1) >= (int64_t)length);
    munmap(memory, length);
    munmap(private, length);
    close(file);
    step(1);
  }
}

/* Pointers to nothing, to the kernel, to what cannot be written, across the end of memory. */
static void point_wildly(int count) {
  int iommu = open("/dev/iommu", O_RDWR);
  uint32_t ioas = new_ioas(iommu);
  char *two = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(two + PAGE, PAGE);
  char *constant = mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t wild[] = {0, 1, PAGE, (uint64_t)two + PAGE - 4, (uint64_t)two + PAGE - 20, (uint64_t)constant, 0x7ffffffff000ULL, 0x800000000000ULL,
    0xffff800000000000ULL, ~0ULL, ~0ULL - 39};
  for (int i = 0; i < count; i++) {
    uint64_t address = wild[pick(sizeof wild / sizeof *wild)] + (pick(4) ? 0 : pick(64));
    documented("a wild struct", ioctl(iommu, 0x3b80 + pick(0x16), address));
    documented("wild memory", map(iommu, ioas, (void *)(address & -PAGE), pick(8) * PAGE, 1 << 20));
    struct { uint32_t size, ioas, count, reserved; uint64_t ranges, alignment; } r = {sizeof r, ioas, pick(5), 0, address, 0};
    documented("wild ranges", ioctl(iommu, pick(2) ? 0x3b84 : 0x3b82, &r));
    documented("what was mapped", unmap(iommu, ioas, 0, -1) < 0 ? -1 : 0);
    step(1);
  }
}

/* Changes structs while they are read. */
static union { uint32_t words[24]; struct ioas_map map; } volatile changing;
static volatile int flipping;

static void *flip(void *seed) {
  state = (uint64_t)seed;
  while (flipping) changing.words[pick(12)] = pick(3) ? pick(64) : next();
  return 0;
}

static void change_under_way(int count) {
  int iommu = open("/dev/iommu", O_RDWR);
  char *memory = shared(1 << 20);
  new_ioas(iommu);
  pthread_t flipper;
  flipping = 1;
  pthread_create(&flipper, 0, flip, (void *)next());
  for (int i = 0; i < count; i++) {
    changing.words[0] = 8 + pick(60);
    changing.map.va = (uint64_t)memory;
    int number = pick(0x16);
    if (number != 0x0e && number != 0x13) documented("a struct that changes", ioctl(iommu, 0x3b80 + number, &changing));
    step(1);
  }
  flipping = 0;
  pthread_join(flipper, 0);
}

/* Closes and opens while other threads call. */
static volatile int moving_target = -1;

static void *call_moving_target(void *seed) {
  state = (uint64_t)seed;
  char *memory = shared(64 * PAGE);
  while (flipping) {
    int iommu = moving_target;
    struct ioas_alloc a = {sizeof a, 0, 0};
    documented("alloc", ioctl(iommu, 0x3b81, &a));
    documented("map", map(iommu, 1 + pick(4), memory, (1 + pick(64)) * PAGE, pick(64) * PAGE));
    documented("unmap", unmap(iommu, 1 + pick(4), 0, -1) < 0 ? -1 : 0);
    struct destroy d = {sizeof d, 1 + pick(6)};
    documented("destroy", ioctl(iommu, 0x3b80, &d));
  }
  return 0;
}

static void close_under_way(int count) {
  pthread_t threads[3];
  flipping = 1;
  moving_target = open("/dev/iommu", O_RDWR);
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], 0, call_moving_target, (void *)next());
  for (int i = 0; i < count; i++) {
    usleep(pick(500));
    int old = moving_target;
    moving_target = open("/dev/iommu", O_RDWR);
    must("open", moving_target >= 0);
    close(old);
    step(1);
  }
  flipping = 0;
  for (int i = 0; i < 3; i++) pthread_join(threads[i], 0);
}

/* Random requests of eight threads, which share some of their files. */
static int shared_file;
static int requests_each;
static long granted;

static uint64_t word(char *memory) {
  switch (pick(7)) {
  case 0: return 0;
  case 1: return (uint64_t)memory + pick(32) * PAGE;
  case 2: return pick(64) * PAGE;
  case 3: return (uint64_t)memory + pick(8192);
  case 4: return ~0ULL >> pick(64);
  default: return pick(16);
  }
}

static void *ask_anything(void *seed) {
  state = (uint64_t)seed;
  int own = open("/dev/iommu", O_RDWR), device = open("/dev/hostile-device", O_RDWR);
  must("open", own >= 0 && device >= 0);
  char *memory = shared(64 * PAGE);
  long yes = 0;
  for (int i = 0; i < requests_each; i++) {
    int iommu = pick(3) ? own : shared_file;
    if (pick(2000) == 0) {
      close(own);
      own = open("/dev/iommu", O_RDWR);
      must("open", own >= 0);
    }
    if (pick(500) == 0) documented("attach", ioctl(device, ATTACH, (uint64_t)iommu << 32 | 1 + pick(8)));
    if (pick(50) == 0) documented("DMA", ioctl(device, pick(2) ? DMA_WRITE : DMA_READ, pick(64) * PAGE));
    uint32_t number = pick(100) ? 0x80 + pick(0x16) : pick(256);
    if ((number == 0x8e || number == 0x93) && pick(50)) number = 0x85;
    struct { uint32_t size, words[5]; uint64_t longs[6]; } s;
    static const uint8_t SIZES[] = {8, 12, 24, 40, 32, 40, 24, 24, 12, 48, 40, 16, 48, 32, 16, 40, 48, 32, 8, 32, 48, 40};
    uint32_t sizes = number >= 0x80 && number < 0x96 ? SIZES[number - 0x80] : 16;
    memset(&s, 0, sizeof s);
    s.size = pick(30) ? sizes : pick(2) ? pick(72) : next();
    uint32_t *words = s.words;
    for (int w = 0; w < 3; w++) words[w] = pick(8) ? pick(8) : next();
    if (number == 0x81) words[0] = 0;
    if (number == 0x85) {
      words[0] = pick(8);
      words[1] = 1 + pick(8);
      words[2] = 0;
      uint64_t *longs = (uint64_t *)((char *)&s + 16);
      longs[0] = pick(10) ? (uint64_t)memory + pick(48) * PAGE : word(memory);
      longs[1] = pick(10) ? (1 + pick(16)) * PAGE : word(memory);
      longs[2] = pick(64) * PAGE;
    } else if (number == 0x86) {
      words[0] = 1 + pick(8);
      uint64_t *longs = (uint64_t *)((char *)&s + 8);
      longs[0] = pick(64) * PAGE;
      longs[1] = pick(4) ? (1 + pick(64)) * PAGE : -1;
    } else if (pick(4)) {
      uint64_t *longs = (uint64_t *)((char *)&s + 16);
      for (int l = 0; l < 5; l++) longs[l] = pick(3) ? word(memory) : 0;
    }
    uint64_t address = pick(200) ? (uint64_t)&s : word(memory);
    int result = documented("a random request", ioctl(iommu, 0x3b00 | number, address));
    yes += result >= 0;
    if (number == 0x8e && result == 0 && address == (uint64_t)&s) close(words[2]);
    step(1);
  }
  __atomic_add_fetch(&granted, yes, __ATOMIC_RELAXED);
  close(own);
  close(device);
  return 0;
}

static void ask_randomly(int count) {
  pthread_t threads[8];
  shared_file = open("/dev/iommu", O_RDWR);
  requests_each = count / 8;
  for (int i = 0; i < 8; i++) pthread_create(&threads[i], 0, ask_anything, (void *)next());
  for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
  must("not all requests are nonsense", granted > count / 20);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static void tell(const char *mode, long done, int count, double since) {
  FILE *file = getenv("VMM_PROGRESS") ? fopen(getenv("VMM_PROGRESS"), "a") : NULL;
  if (!file) return;
  fprintf(file, "%s: %ld of %d after %.0f s\n", mode, done, count, seconds() - since);
  fclose(file);
}

/* Waits for the hostile process; one that makes no step for long hangs. */
static int watch(pid_t bad, const char *mode, int count) {
  double start = seconds(), told = start, moved = start;
  long before = 0;
  int status;
  while (waitpid(bad, &status, WNOHANG) == 0) {
    usleep(20000);
    double now = seconds();
    long done = __atomic_load_n(steps, __ATOMIC_RELAXED);
    if (done != before) before = done, moved = now;
    if (now - told > TELL_SECONDS) tell(mode, done, count, start), told = now;
    if (now - moved > HANG_SECONDS) {
      fprintf(stderr, "hostile: %s hangs: no step for %d s after %ld of %d\n", mode, HANG_SECONDS, done, count);
      kill(bad, SIGKILL);
      waitpid(bad, &status, 0);
      break;
    }
  }
  tell(mode, *steps, count, start);
  return status;
}

int main(int arguments, char **argument) {
  const char *mode = argument[1];
  int count = atoi(argument[2]);
  state = strtoull(argument[3], 0, 10) | 1;
  steps = (long *)shared(PAGE);
  pid_t good = fork();
  if (good == 0) behave_well();
  pid_t bad = fork();
  if (bad == 0) {
    if (!strcmp(mode, "kill")) kill_clients(count);
    else if (!strcmp(mode, "memory")) move_memory(count);
    else if (!strcmp(mode, "wild")) point_wildly(count);
    else if (!strcmp(mode, "change")) change_under_way(count);
    else if (!strcmp(mode, "close")) close_under_way(count);
    else if (!strcmp(mode, "random")) ask_randomly(count);
    else fail("no such mode");
    _exit(0);
  }
  int good_status, bad_status = watch(bad, mode, count);
  usleep(200000);
  kill(good, SIGTERM);
  waitpid(good, &good_status, 0);
  if (good_status) fprintf(stderr, "hostile: the well-behaved program noticed: status 0x%x\n", good_status);
  if (bad_status) fprintf(stderr, "hostile: %s: status 0x%x\n", mode, bad_status);
  return good_status || bad_status;
}
