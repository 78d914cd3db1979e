/* An unmodified program at /dev/iommu, timed by itself. Prints "NAME VALUE": nanoseconds, or calls per second. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ATTACH _IO('b', 1)
/* Asks what the serving threads have allocated so far, in units of 16 bytes. */
#define ALLOCATED _IO('b', 2)

struct ioas_alloc { uint32_t size, flags, out_ioas_id; };
struct ioas_map { uint32_t size, flags, ioas_id, reserved; uint64_t user_va, length, iova; };
struct ioas_unmap { uint32_t size, ioas_id; uint64_t iova, length; };
struct option { uint32_t size, option_id; uint16_t op, reserved; uint32_t object_id; uint64_t val64; };

static int iommu, device;
static uint32_t ioas;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void must(const char *what, int result) {
  if (result < 0) {
    perror(what);
    exit(1);
  }
}

static int order(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

/* NAME p50 min p99 allocated */
static void tell(const char *name, int64_t *nanos, int count, double allocated) {
  qsort(nanos, count, sizeof *nanos, order);
  printf("%s %lld %lld %lld %f\n", name, (long long)nanos[count / 2], (long long)nanos[0], (long long)nanos[(int)(count * 0.99)], allocated);
}

static void trivial(void) { must("VFIO_GET_API_VERSION", ioctl(iommu, 0x3b64, 0)); }

static void get_option(void) {
  struct option o = {sizeof o, 0, 1, 0, 0, 0};
  must("IOMMU_OPTION", ioctl(iommu, 0x3b87, &o));
}

static void map(void *memory, uint64_t length) {
  struct ioas_map m = {sizeof m, 7, ioas, 0, (uint64_t)memory, length, 1ULL << 40};
  must("IOMMU_IOAS_MAP", ioctl(iommu, 0x3b85, &m));
}

static void unmap(uint64_t length) {
  struct ioas_unmap u = {sizeof u, ioas, 1ULL << 40, length};
  must("IOMMU_IOAS_UNMAP", ioctl(iommu, 0x3b86, &u));
}

static void *page;

static void map_unmap(void) {
  map(page, 4096);
  unmap(4096);
}

/* Long enough for the compiler of the JVM, however fast the calls are. */
static int64_t warmup_nanos;

static void repeat(const char *name, void (*call)(void), int warmup, int count) {
  int64_t *nanos = malloc(count * sizeof *nanos);
  int64_t began = now();
  for (int i = 0; i < warmup || now() - began < warmup_nanos; i++) call();
  int64_t before = ioctl(device, ALLOCATED, 0);
  for (int i = 0; i < count; i++) {
    int64_t start = now();
    call();
    nanos[i] = now() - start;
  }
  tell(name, nanos, count, 16.0 * (ioctl(device, ALLOCATED, 0) - before) / count);
  free(nanos);
}

static volatile int stop;

static void *call_often(void *counter) {
  int64_t calls = 0;
  while (!stop) {
    trivial();
    calls++;
  }
  *(int64_t *)counter = calls;
  return 0;
}

static void rate(int threads, int millis) {
  pthread_t thread[16];
  int64_t calls[16], sum = 0;
  int64_t start = now();
  for (int i = 0; i < threads; i++) pthread_create(&thread[i], 0, call_often, &calls[i]);
  usleep(millis * 1000);
  stop = 1;
  for (int i = 0; i < threads; i++) {
    pthread_join(thread[i], 0);
    sum += calls[i];
  }
  int64_t per_second = sum * 1000000000LL / (now() - start);
  printf("rate %lld 0 0 0\n", (long long)per_second);
  stop = 0;
}

/* Each round has a file of its own, which was never mapped before. */
static void large(const char *name, uint64_t length, uint64_t touched, int rounds) {
  int64_t nanos[64];
  for (int i = 0; i < rounds; i++) {
    int file = memfd_create("bench", 0);
    must("memfd_create", file);
    must("ftruncate", ftruncate(file, length));
    char *memory = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    madvise(memory, length, MADV_HUGEPAGE);
    memset(memory, 1, touched);
    int64_t start = now();
    map(memory, length);
    nanos[i] = now() - start;
    unmap(length);
    munmap(memory, length);
    close(file);
  }
  tell(name, nanos, rounds, 0);
}

int main(int count, char **arguments) {
  int quick = count > 1 && !strcmp(arguments[1], "quick");
  iommu = open("/dev/iommu", O_RDWR);
  must("/dev/iommu", iommu);
  struct ioas_alloc a = {sizeof a};
  must("IOMMU_IOAS_ALLOC", ioctl(iommu, 0x3b81, &a));
  ioas = a.out_ioas_id;
  device = open("/dev/bench-device", O_RDWR);
  must("/dev/bench-device", device);
  must("ATTACH", ioctl(device, ATTACH, (uint64_t)iommu << 32 | ioas));
  page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  memset(page, 1, 4096);
  warmup_nanos = quick ? 1000000000LL : 3000000000LL;
  int warmup = quick ? 10000 : 40000, rounds = quick ? 20000 : 100000;
  repeat("trivial", trivial, warmup, rounds);
  repeat("option", get_option, warmup, rounds);
  repeat("map", map_unmap, warmup, rounds / 2);
  rate(4, quick ? 500 : 1000);
  rate(4, quick ? 1000 : 3000);
  large("large", 8ULL << 30, 0, quick ? 10 : 30);
  large("largeUsed", 8ULL << 30, 1ULL << 30, 3);
  return 0;
}
