// The only program of a guest: its init. It looks for the disk, does the work that the kernel's command line names, tells
// the serial console about it in lines that begin with "@@ ", and powers off.
//
//   work=check:64,speed,churn:5    what to do, in this order; check and churn leave the disk changed; guest_net.c has more
//                                  together:5 is churn:5 and traffic:5 at once
//   seed=1                         of the bytes that are written
//   disk=nvme0n1                   which disk, or none
//   load=virtio_net.virtio_blk     kernel modules of the archive, in this order
//   address=10.0.0.1 peer=10.0.0.2 of its network device, and of its partner
//
//   @@ disk model=... bytes=... iommu_groups=... uptime_ms=...
//   @@ check bytes=... wrong_blocks=... written=SUM read=SUM
//   @@ speed read_128k_mib_s=... write_128k_mib_s=... read_4k_us_p50=... read_4k_us_mean=... read_4k_us_p99=... reads=...
//   @@ churn blocks=...             twice a second, and at the end with wrong_blocks=... failed=... slowest_ms=...
//   @@ interrupts nvme=... virtio=...
//   @@ kernel LINE                  errors that the kernel has logged, and whatever it says of a disk in trouble
//   @@ end
//
// On the host, as a plain program: `guest pattern SEED MIB` prints what check:MIB leaves on the disk, `guest echo ADDRESS` is a partner.
#define _GNU_SOURCE
#include "guest.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (128 << 10)
#define PAGE 4096
#define DEPTH 4
#define SPEED_MS 1000
#define SPEED_BYTES (128LL << 20)
#define MAX_READS 200000
#define CHURN_BLOCKS 256

uint64_t seed = 1;
static int disk;
static uint64_t disk_bytes;

int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// The bytes of one block are a function of the seed, where it lies and how often it was written.
static void fill(uint64_t *block, uint64_t index, uint64_t generation) {
  uint64_t state = (seed * 0x9E3779B97F4A7C15u) ^ (index * 0xBF58476D1CE4E5B9u) ^ (generation * 0x94D049BB133111EBu) ^ 0x2545F4914F6CDD1Du;
  for (size_t i = 0; i < BLOCK / 8; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    block[i] = state;
  }
}

static uint64_t sum_on(uint64_t sum, const uint64_t *block) {
  for (size_t i = 0; i < BLOCK / 8; i++) sum = (sum ^ block[i]) * 0x100000001B3u;
  return sum;
}

static void *pages(size_t bytes) {
  void *memory = aligned_alloc(PAGE, bytes);
  if (!memory) abort();
  memset(memory, 0, bytes);
  return memory;
}

static void check(uint64_t mib) {
  uint64_t blocks = (mib << 20) / BLOCK, written = 0, read_back = 0, wrong = 0;
  uint64_t *expected = pages(BLOCK), *found = pages(BLOCK);
  for (uint64_t i = 0; i < blocks; i++) {
    fill(expected, i, 0);
    written = sum_on(written, expected);
    if (pwrite(disk, expected, BLOCK, i * BLOCK) != BLOCK) printf("@@ error write block=%lu errno=%d\n", i, errno);
  }
  if (fsync(disk)) printf("@@ error flush errno=%d\n", errno);
  for (uint64_t i = 0; i < blocks; i++) {
    fill(expected, i, 0);
    memset(found, 0, BLOCK);
    if (pread(disk, found, BLOCK, i * BLOCK) != BLOCK) printf("@@ error read block=%lu errno=%d\n", i, errno);
    read_back = sum_on(read_back, found);
    wrong += memcmp(expected, found, BLOCK) != 0;
  }
  printf("@@ check bytes=%lu wrong_blocks=%lu written=%016lx read=%016lx\n", blocks * BLOCK, wrong, written, read_back);
}

// MiB/s of sequential requests of 128 KiB, DEPTH of them under way.
static double sequential(int opcode) {
  aio_context_t context = 0;
  struct iocb requests[DEPTH], *one;
  struct io_event done;
  uint64_t limit = disk_bytes < SPEED_BYTES ? disk_bytes : SPEED_BYTES, next = 0, bytes = 0;
  if (syscall(SYS_io_setup, DEPTH, &context)) printf("@@ error io_setup errno=%d\n", errno);
  memset(requests, 0, sizeof requests);
  int64_t begin = now_ns(), end = begin + SPEED_MS * 1000000LL;
  for (int i = 0; i < DEPTH; i++) {
    requests[i] = (struct iocb){.aio_data = i, .aio_lio_opcode = opcode, .aio_fildes = disk, .aio_buf = (uintptr_t) pages(BLOCK), .aio_nbytes = BLOCK};
    requests[i].aio_offset = next;
    next += BLOCK;
    one = &requests[i];
    if (syscall(SYS_io_submit, context, 1, &one) != 1) printf("@@ error io_submit errno=%d\n", errno);
  }
  for (int left = DEPTH; left > 0;) {
    if (syscall(SYS_io_getevents, context, 1, 1, &done, NULL) != 1) break;
    if (done.res != BLOCK) printf("@@ error sequential result=%lld\n", (long long) done.res);
    bytes += BLOCK;
    if (now_ns() >= end) {
      left--;
      continue;
    }
    one = &requests[done.data];
    one->aio_offset = next % limit;
    next += BLOCK;
    if (syscall(SYS_io_submit, context, 1, &one) != 1) break;
  }
  double seconds = (now_ns() - begin) / 1e9;
  syscall(SYS_io_destroy, context);
  for (int i = 0; i < DEPTH; i++) free((void *) (uintptr_t) requests[i].aio_buf);
  return bytes / 1048576.0 / seconds;
}

static int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
  return x < y ? -1 : x > y;
}

static void speed(void) {
  double read_rate = sequential(IOCB_CMD_PREAD), write_rate = sequential(IOCB_CMD_PWRITE);
  uint32_t *took = pages(MAX_READS * sizeof *took);
  void *target = pages(PAGE);
  uint64_t limit = disk_bytes < SPEED_BYTES ? disk_bytes : SPEED_BYTES, state = seed | 1, total = 0;
  int count = 0;
  for (int64_t end = now_ns() + SPEED_MS * 1000000LL, before = now_ns(); before < end && count < MAX_READS; count++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    if (pread(disk, target, PAGE, (state >> 20) % (limit / PAGE) * PAGE) != PAGE) printf("@@ error random read errno=%d\n", errno);
    int64_t after = now_ns();
    took[count] = after - before;
    total += after - before;
    before = after;
  }
  qsort(took, count, sizeof *took, by_size);
  printf("@@ speed read_128k_mib_s=%.1f write_128k_mib_s=%.1f read_4k_us_p50=%.1f read_4k_us_mean=%.1f read_4k_us_p99=%.1f reads=%d\n",
    read_rate, write_rate, took[count / 2] / 1e3, total / 1e3 / count, took[count * 99 / 100] / 1e3, count);
}

// Writes and reads blocks in turn; what is read must be what was written last.
static void churn(int seconds) {
  uint64_t generations[CHURN_BLOCKS] = {0}, state = seed | 1, wrong = 0, failed = 0, blocks = 0;
  uint64_t *expected = pages(BLOCK), *found = pages(BLOCK);
  int64_t slowest = 0, told = now_ns(), end = told + seconds * 1000000000LL;
  printf("@@ churn blocks=0\n");
  while (now_ns() < end) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint64_t index = (state >> 33) % CHURN_BLOCKS, other = (state >> 45) % CHURN_BLOCKS;
    int64_t before = now_ns();
    fill(expected, index, ++generations[index]);
    failed += pwrite(disk, expected, BLOCK, index * BLOCK) != BLOCK;
    if (generations[other]) {
      fill(expected, other, generations[other]);
      if (pread(disk, found, BLOCK, other * BLOCK) != BLOCK) failed++;
      else wrong += memcmp(expected, found, BLOCK) != 0;
    }
    int64_t after = now_ns();
    if (after - before > slowest) slowest = after - before;
    blocks++;
    if (after - told > 500000000LL) {
      printf("@@ churn blocks=%lu\n", blocks);
      told = after;
    }
  }
  printf("@@ churn blocks=%lu wrong_blocks=%lu failed=%lu slowest_ms=%ld\n", blocks, wrong, failed, slowest / 1000000);
}

static uint64_t interrupts_of(const char *device) {
  FILE *table = fopen("/proc/interrupts", "r");
  char line[4096];
  uint64_t sum = 0;
  while (table && fgets(line, sizeof line, table)) {
    char *count = strchr(line, ':');
    if (!count || !strstr(line, device)) continue;
    for (count++;;) {
      char *rest;
      uint64_t value = strtoull(count, &rest, 10);
      if (rest == count) break;
      sum += value;
      count = rest;
    }
  }
  if (table) fclose(table);
  return sum;
}

static int in_trouble(const char *line) {
  static const char *const words[] = {"timeout", "I/O error", "Abort", "reset controller", "controller is down", "fault addr", "removing", NULL};
  for (int i = 0; words[i]; i++) {
    if (strstr(line, words[i])) return strstr(line, "nvme") || strstr(line, "DMAR") || strstr(line, "I/O error");
  }
  return 0;
}

static void kernel_errors(void) {
  int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
  char line[8192];
  ssize_t length;
  while ((length = read(log, line, sizeof line - 1)) > 0) {
    line[length] = 0;
    line[strcspn(line, "\n")] = 0;
    char *text = strchr(line, ';');
    if (text && ((atoi(line) & 7) <= 3 || in_trouble(text))) printf("@@ kernel %s\n", text + 1);
  }
}

static void word_of(const char *path, char *word, size_t size) {
  int file = open(path, O_RDONLY);
  ssize_t length = file < 0 ? 0 : read(file, word, size - 1);
  word[length > 0 ? length : 0] = 0;
  while (length > 0 && (word[length - 1] == '\n' || word[length - 1] == ' ')) word[--length] = 0;
  for (char *c = word; *c; c++) if (*c == ' ') *c = '_';
  close(file);
}

// How many there are tells whether the guest uses an IOMMU of its own.
static int iommu_groups(void) {
  int count = 0;
  char path[64];
  do snprintf(path, sizeof path, "/sys/kernel/iommu_groups/%d", count);
  while (!access(path, F_OK) && ++count);
  return count;
}

static int disk_is_there(const char *name) {
  char path[64], model[64];
  snprintf(path, sizeof path, "/dev/%s", name);
  for (int tries = 0; tries < 3000 && (disk = open(path, O_RDWR | O_DIRECT)) < 0; tries++) usleep(5000);
  if (disk < 0) return 0;
  if (ioctl(disk, BLKGETSIZE64, &disk_bytes)) return 0;
  snprintf(path, sizeof path, strncmp(name, "nvme", 4) ? "/sys/block/%s/serial" : "/sys/block/%s/device/model", name);
  word_of(path, model, sizeof model);
  printf("@@ disk model=%s bytes=%lu iommu_groups=%d uptime_ms=%ld\n", model, disk_bytes, iommu_groups(), now_ns() / 1000000);
  return 1;
}

static const char *word(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value ? value : otherwise;
}

static int load_modules(void) {
  char *modules = strdup(word("load", "")), path[96];
  for (char *module = strtok(modules, "."); module; module = strtok(NULL, ".")) {
    snprintf(path, sizeof path, "/modules/%s.ko", module);
    int file = open(path, O_RDONLY);
    if (syscall(SYS_finit_module, file, "", 0)) return printf("@@ error module %s errno=%d\n", module, errno), 0;
    close(file);
  }
  return 1;
}

static void together(int seconds, const char *peer) {
  fflush(stdout);
  pid_t other = fork();
  if (other == 0) {
    churn(seconds);
    fflush(stdout);
    _exit(0);
  }
  net_task("traffic", seconds, peer);
  waitpid(other, NULL, 0);
}

static void all_work(void) {
  char *work = strdup(word("work", "check:64")), *rest;
  if (getenv("seed")) seed = strtoull(getenv("seed"), NULL, 10);
  for (char *task = strtok_r(work, ",", &rest); task; task = strtok_r(NULL, ",", &rest)) {
    int amount = strchr(task, ':') ? atoi(strchr(task, ':') + 1) : 0;
    if (!strncmp(task, "check", 5)) check(amount);
    else if (!strncmp(task, "speed", 5)) speed();
    else if (!strncmp(task, "churn", 5)) churn(amount);
    else if (!strncmp(task, "together", 8)) together(amount, word("peer", ""));
    else if (!strncmp(task, "echo", 4)) net_echo(word("address", ""));
    else if (!net_task(task, amount, word("peer", ""))) printf("@@ error work %s\n", task);
  }
}

int main(int count, char **words) {
  if (getpid() != 1) {
    if (count == 3 && !strcmp(words[1], "echo")) {
      setvbuf(stdout, NULL, _IOLBF, 0);
      net_echo(words[2]);
      return 0;
    }
    if (count != 4 || strcmp(words[1], "pattern")) return 2;
    seed = strtoull(words[2], NULL, 10);
    uint64_t *block = pages(BLOCK), blocks = (strtoull(words[3], NULL, 10) << 20) / BLOCK;
    for (uint64_t i = 0; i < blocks; i++) {
      fill(block, i, 0);
      if (fwrite(block, BLOCK, 1, stdout) != 1) return 1;
    }
    return fflush(stdout) != 0;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mount("none", "/proc", "proc", 0, NULL);
  mount("none", "/sys", "sysfs", 0, NULL);
  mount("none", "/dev", "devtmpfs", 0, NULL);
  const char *name = word("disk", "nvme0n1");
  int fine = load_modules();
  if (fine && strcmp(name, "none") && !(fine = disk_is_there(name))) printf("@@ error no disk\n");
  if (fine && getenv("address") && !(fine = net_up(getenv("address")))) printf("@@ error no network\n");
  if (fine) {
    all_work();
    printf("@@ interrupts nvme=%lu virtio=%lu\n", interrupts_of("nvme"), interrupts_of("virtio"));
    if (getenv("address")) net_counts();
  }
  kernel_errors();
  printf("@@ end\n");
  fflush(stdout);
  sync();
  reboot(RB_POWER_OFF);
  return 0;
}
