/*
 * Private memory of a process under DMA: "private MODE" maps it through /dev/iommu and lets the test's device read and write it.
 * Exit code 0: every byte and every error number was right.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define IOVA 0x40000000UL
/* The device: pread and pwrite are DMA at the offset. */
#define ATTACH _IO('p', 1)
#define ADD _IO('p', 2)
#define SWAP _IO('p', 3)

struct ioas_alloc { uint32_t size, flags, id; };
struct ioas_map { uint32_t size, flags, ioas, reserved; uint64_t va, length, iova; };
struct ioas_unmap { uint32_t size, ioas; uint64_t iova, length; };

static int iommu, device;
static uint32_t ioas;

static void must(const char *what, int holds) {
  if (holds) return;
  fprintf(stderr, "private: %s: %s\n", what, strerror(errno));
  _exit(1);
}

static void refused(const char *what, long result, int number) {
  if (result < 0 && errno == number) return;
  fprintf(stderr, "private: %s: %ld (%s) instead of %s\n", what, result, strerror(errno), strerror(number));
  _exit(1);
}

static void start(void) {
  struct ioas_alloc a = {sizeof a, 0, 0};
  iommu = open("/dev/iommu", O_RDWR);
  device = open("/dev/vmm-it/device", O_RDWR);
  must("open", iommu >= 0 && device >= 0);
  must("IOAS_ALLOC", ioctl(iommu, 0x3b81, &a) == 0);
  ioas = a.id;
  must("attach", ioctl(device, ATTACH, (uint64_t)iommu << 32 | ioas) == 0);
}

static long map(void *memory, uint64_t length, uint64_t iova, uint32_t rights) {
  struct ioas_map m = {sizeof m, 1 | rights, ioas, 0, (uint64_t)memory, length, iova};
  return ioctl(iommu, 0x3b85, &m);
}

static long unmap(uint64_t iova, uint64_t length) {
  struct ioas_unmap u = {sizeof u, ioas, iova, length};
  return ioctl(iommu, 0x3b86, &u);
}

static void fill(unsigned char *bytes, size_t length, unsigned seed) {
  for (size_t i = 0; i < length; i++) bytes[i] = (seed = seed * 1103515245 + 12345) >> 16;
}

/* DMA moves bytes both ways between a buffer and mapped memory. */
static void passes(const char *what, unsigned char *memory, uint64_t iova, size_t length, unsigned seed) {
  unsigned char *expected = malloc(length), *got = malloc(length);
  fill(expected, length, seed);
  memcpy(memory, expected, length);
  must(what, pread(device, got, length, iova) == (ssize_t)length);
  must(what, memcmp(got, expected, length) == 0);
  fill(expected, length, seed + 1);
  must(what, pwrite(device, expected, length, iova) == (ssize_t)length);
  must(what, memcmp(memory, expected, length) == 0);
  free(expected);
  free(got);
}

static unsigned char *anonymous(size_t pages, int flags) {
  void *memory = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
  must("mmap", memory != MAP_FAILED);
  return memory;
}

static void live(void) {
  unsigned char byte, *small = malloc(100), *large = malloc(300 * PAGE);
  unsigned char *heap = (unsigned char *)((uintptr_t)large & -PAGE) + PAGE;
  start();
  must("map the heap", map(heap, 256 * PAGE, IOVA, 6) == 0);
  passes("heap", heap, IOVA, 256 * PAGE, 1);
  passes("across pages", heap + PAGE - 3, IOVA + PAGE - 3, 2 * PAGE + 7, 2);
  passes("one byte", heap + 5, IOVA + 5, 1, 3);
  must("map what malloc gave", map((void *)((uintptr_t)small & -PAGE), PAGE, IOVA + 512 * PAGE, 6) == 0);
  passes("small", small, IOVA + 512 * PAGE + ((uintptr_t)small & (PAGE - 1)), 100, 4);
  refused("atomics", ioctl(device, ADD, IOVA), EIO);

  unsigned char *readable = anonymous(1, MAP_PRIVATE);
  must("map read-only", map(readable, PAGE, IOVA + 600 * PAGE, 4) == 0);
  must("read", pread(device, &byte, 1, IOVA + 600 * PAGE) == 1);
  refused("write what is read-only", pwrite(device, "x", 1, IOVA + 600 * PAGE), EFAULT);

  /* Private beside shared: one request through both. */
  unsigned char *both = anonymous(4, MAP_PRIVATE);
  must("shared in the middle", mmap(both + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
  must("map both", map(both, 4 * PAGE, IOVA + 700 * PAGE, 6) == 0);
  passes("private and shared", both + 1, IOVA + 700 * PAGE + 1, 4 * PAGE - 1, 5);

  must("swap the hardware", ioctl(device, SWAP, 0) == 0);
  passes("heap, other hardware", heap, IOVA, 256 * PAGE, 6);
  passes("private and shared, other hardware", both + 1, IOVA + 700 * PAGE + 1, 4 * PAGE - 1, 7);
  refused("atomics, other hardware", ioctl(device, ADD, IOVA), EIO);
  must("swap back", ioctl(device, SWAP, 0) == 0);
  passes("heap, as before", heap, IOVA, 256 * PAGE, 8);

  must("munmap", munmap(both + 2 * PAGE, PAGE) == 0);
  refused("read what is gone", pread(device, &byte, 1, IOVA + 702 * PAGE), EIO);
  refused("write what is gone", pwrite(device, "x", 1, IOVA + 702 * PAGE), EIO);
  passes("beside what is gone", both + 3 * PAGE, IOVA + 703 * PAGE, PAGE, 9);
  must("unmap", unmap(IOVA, 256 * PAGE) == 0);
  refused("unmapped", pread(device, &byte, 1, IOVA), EFAULT);
}

/* A process maps memory of its own in the address space of another one, and ends. */
static void orphan(void) {
  unsigned char byte, *mine = anonymous(1, MAP_PRIVATE);
  int status;
  start();
  must("map mine", map(mine, PAGE, IOVA, 6) == 0);
  pid_t child = fork();
  if (child == 0) {
    unsigned char *its = anonymous(16, MAP_PRIVATE);
    must("the child maps", map(its, 16 * PAGE, IOVA + PAGE, 6) == 0);
    passes("the child's memory", its, IOVA + PAGE, 16 * PAGE, 1);
    _exit(0);
  }
  must("the child ends", waitpid(child, &status, 0) == child && status == 0);
  refused("read of memory whose owner is gone", pread(device, &byte, 1, IOVA + PAGE), EIO);
  refused("write to memory whose owner is gone", pwrite(device, "x", 1, IOVA + 16 * PAGE), EIO);
  passes("mine", mine, IOVA, PAGE, 2);
  must("unmap what is gone", unmap(IOVA + PAGE, 16 * PAGE) == 0);
}

/* Killed under DMA. */
static void victim(void) {
  unsigned char *block = anonymous(64, MAP_SHARED);
  int ready[2], status;
  start();
  must("pipe", pipe(ready) == 0);
  pid_t child = fork();
  if (child == 0) {
    unsigned char *its = anonymous(64, MAP_PRIVATE);
    must("the child maps", map(its, 64 * PAGE, IOVA, 6) == 0);
    must("the child is ready", write(ready[1], "r", 1) == 1);
    for (;;) its[0]++;
  }
  must("the child is ready", read(ready[0], block, 1) == 1);
  for (int i = 0; i < 200; i++) must("DMA before", pwrite(device, block, 64 * PAGE, IOVA) == 64 * PAGE);
  pid_t killer = fork();
  if (killer == 0) {
    usleep(20000);
    _exit(kill(child, SIGKILL));
  }
  ssize_t moved;
  do {
    moved = pwrite(device, block, 64 * PAGE, IOVA);
  } while (moved == 64 * PAGE);
  refused("DMA after", moved, EIO);
  refused("and ever after", pread(device, block, 64 * PAGE, IOVA), EIO);
  must("wait", waitpid(killer, &status, 0) == killer && status == 0 && waitpid(child, &status, 0) == child);
}

int main(int count, char **arguments) {
  must("usage: private live|orphan|victim", count == 2);
  if (!strcmp(arguments[1], "live")) live();
  else if (!strcmp(arguments[1], "orphan")) orphan();
  else if (!strcmp(arguments[1], "victim")) victim();
  else must("an unknown mode", 0);
  return 0;
}
