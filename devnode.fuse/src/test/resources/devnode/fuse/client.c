/* A client of test nodes. Usage: client NODE COMMAND [ARGUMENT...]; prints one line for each observation. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOTHING _IO('t', 1)
#define SUM _IO('t', 2)
#define SUM_SIZED _IOWR('t', 3, struct sum)
#define VERSION _IOR('t', 4, uint64_t)
#define SLEEP _IO('t', 5)
#define FAIL _IO('t', 6)
#define CRASH _IO('t', 7)
#define BECOME_READABLE _IO('t', 8)
#define NEW_FILE _IO('t', 9)
#define NEW_FILE_IN_STRUCT _IO('t', 10)
#define SIGNAL_EVENTFD _IO('t', 11)
#define IS_NODE _IO('t', 12)
#define SERIAL _IO('t', 13)
#define PIN _IO('t', 14)
#define PIN_FILE _IO('t', 15)
#define OWNER _IO('t', 16)
#define ANSWER_EVENTFD _IO('t', 17)
#define LET_GO _IO('t', 18)
#define KEEP_NODE _IO('t', 19)
#define TEXT_LENGTH _IO('t', 20)
#define FILE_BY_NAME _IO('t', 21)
#define FEATURE _IO('t', 22)

struct sum { uint64_t a, b, sum, process; };
struct events { int32_t in, out; };
struct pin { uint64_t address, length, writable, slot; };

static int node;
static const char *path;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void show(const char *what, long result) { printf("%s %ld %d\n", what, result, result < 0 ? errno : 0); }

/* One line for what a way to call stat(2) tells: whether it is a character device, its number, and whether the rest is sane. */
static void show_stat(const char *what, int result, struct stat *s) {
  if (result) { show(what, result); return; }
  printf("%s %d %u:%u %d\n", what, S_ISCHR(s->st_mode), major(s->st_rdev), minor(s->st_rdev),
      (s->st_mode & 07777) == 0600 && s->st_size == 0 && s->st_nlink == 1 && s->st_uid == 0 && s->st_ino && s->st_dev && s->st_blksize == 4096);
}

static double per_call(void (*call)(void), int n) {
  for (int i = 0; i < n / 10; i++) call();
  double begin = now();
  for (int i = 0; i < n; i++) call();
  return (now() - begin) * 1e6 / n;
}

static void call_getppid(void) { syscall(SYS_getppid); }
static void call_stat(void) { struct stat s; stat("/etc/hostname", &s); }
static void call_fstat(void) { struct stat s; fstat(0, &s); }
static void call_stat_node(void) { struct stat s; stat(path, &s); }
static void call_ioctl(void) { ioctl(0, 0x9999, 0); }

static void *sleeper(void *unused) { return (void *)(long)ioctl(node, SLEEP, 300); }

static void *summer(void *unused) {
  struct sum s = {20, 22, 0, 0};
  int r = ioctl(node, SUM, &s);
  printf("thread %d %lu %d\n", r, s.sum, s.process == (uint64_t)getpid() && getpid() != syscall(SYS_gettid));
  return 0;
}

static void *hammer(void *unused) {
  struct sum s = {1, 2, 0, 0};
  for (int i = 0; i < 2000; i++) {
    s.a = i;
    if (ioctl(node, SUM, &s) || s.sum != (uint64_t)i + 2) return (void *)1;
  }
  return 0;
}

static void on_alarm(int signal) {}

static int by_value(const void *a, const void *b) {
  double x = *(double *)a, y = *(double *)b;
  return x < y ? -1 : x > y;
}

static void latency(int n) {
  double *t = malloc(n * sizeof *t);
  for (int i = 0; i < n; i++) ioctl(node, NOTHING, 0);
  for (int i = 0; i < n; i++) {
    double begin = now();
    ioctl(node, NOTHING, 0);
    t[i] = (now() - begin) * 1e3;
  }
  qsort(t, n, sizeof *t, by_value);
  printf("p50 %.2f p99 %.2f min %.2f\n", t[n / 2], t[n / 100 * 99], t[0]);
}

static long rounds;

static void *caller(void *unused) {
  for (long i = 0; i < rounds; i++) ioctl(node, NOTHING, 0);
  return 0;
}

/* Reads commands from stdin, so that the test can look at things in between. */
static void interact(void) {
  char line[256], what[32];
  while (fgets(line, sizeof line, stdin)) {
    unsigned long x = 0, y = 0, z = 0, w = 0;
    sscanf(line, "%31s %lx %lx %lx %lx", what, &x, &y, &z, &w);
    errno = 0;
    if (!strcmp(what, "memfd")) {
      int f = memfd_create("test", MFD_ALLOW_SEALING);
      show("memfd", ftruncate(f, x) ? -1 : f);
    } else if (!strcmp(what, "file")) {
      int f = open("file.bin", O_RDWR | O_CREAT, 0600);
      show("file", ftruncate(f, x) ? -1 : f);
    } else if (!strcmp(what, "mmap")) { /* fd(-1 anonymous) length offset flags: 1 private, 2 read only, 4 no access */
      int prot = w & 4 ? PROT_NONE : w & 2 ? PROT_READ : PROT_READ | PROT_WRITE;
      int f = (int)x;
      void *m = mmap(0, y, prot, (w & 1 ? MAP_PRIVATE : MAP_SHARED) | (f < 0 ? MAP_ANONYMOUS : 0), f, z);
      printf("mmap %lx %d\n", (unsigned long)m, m == MAP_FAILED ? errno : 0);
    } else if (!strcmp(what, "munmap")) show("munmap", munmap((void *)x, y));
    else if (!strcmp(what, "protect")) show("protect", mprotect((void *)x, y, PROT_READ));
    else if (!strcmp(what, "truncate")) show("truncate", ftruncate((int)x, y));
    else if (!strcmp(what, "close")) show("close", close((int)x));
    else if (!strcmp(what, "readonly")) {
      char name[64];
      sprintf(name, "/proc/self/fd/%d", (int)x);
      show("readonly", open(name, O_RDONLY));
    } else if (!strcmp(what, "seal")) show("seal", fcntl((int)x, F_ADD_SEALS, F_SEAL_WRITE));
    else if (!strcmp(what, "put")) { *(volatile uint64_t *)x = y; show("put", 0); }
    else if (!strcmp(what, "get")) printf("get %lx\n", *(volatile uint64_t *)x);
    else if (!strcmp(what, "pin")) { struct pin p = {x, y, z, w}; show("pin", ioctl(node, PIN, &p)); }
    else if (!strcmp(what, "pinfile")) { struct pin p = {x, y, z, w}; show("pinfile", ioctl(node, PIN_FILE, &p)); }
    else if (!strcmp(what, "fork")) {
      if (!fork()) { close(0); close(1); close(2); sleep(2); _exit(0); }
      show("fork", 0);
    } else if (!strcmp(what, "exec")) { /* another program, the same process and node */
      char number[16];
      sprintf(number, "%d", node);
      fcntl(node, F_SETFD, 0);
      execl("/proc/self/exe", "client", number, "inherited", (char *)0);
    } else if (!strcmp(what, "exit")) return;
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  path = argv[1];
  const char *command = argv[2];
  long n = argc > 3 ? atol(argv[3]) : 0;
  setvbuf(stdout, 0, _IOLBF, 0);
  if (!strcmp(command, "nobody")) { /* as a user without rights */
    setresgid(65534, 65534, 65534);
    setresuid(65534, 65534, 65534);
    int f = open(path, O_RDWR);
    show("open", f < 0 ? -1 : 0);
    if (f >= 0) show("ioctl", ioctl(f, OWNER, 0));
    return 0;
  }
  if (!strcmp(command, "inherited")) {
    node = atoi(path);
    printf("ready\n");
    interact();
    return 0;
  }
  node = open(path, O_RDWR | O_CLOEXEC);
  if (node < 0) { show("open", -1); return 3; }
  if (!strcmp(command, "open")) { show("open", 0); }
  else if (!strcmp(command, "ioctls")) {
    struct sum s = {40, 2, 0, 0};
    show("nothing", ioctl(node, NOTHING, 0));
    int r = ioctl(node, SUM, &s);
    printf("sum %d %lu %d\n", r, s.sum, s.process == (uint64_t)getpid());
    struct sum t = {1, 2, 3, 77};
    r = ioctl(node, SUM_SIZED, &t);
    printf("sized %d %lu %lu\n", r, t.sum, t.process);
    uint64_t version = 0;
    r = ioctl(node, VERSION, &version);
    printf("version %d %lx\n", r, version);
    show("largest", ioctl(node, FAIL, 0x7fffffffL));
    show("enotty", ioctl(node, _IO('t', 99), 0));
    show("busy", ioctl(node, FAIL, -16L));
    show("crash", ioctl(node, CRASH, 0));
    show("negative", ioctl(node, FAIL, -100000L));
  } else if (!strcmp(command, "wild")) {
    show("null", ioctl(node, SUM, 0));
    show("small", ioctl(node, SUM, 16));
    show("kernel", ioctl(node, SUM, 0xffff888000000000UL));
    show("last", ioctl(node, SUM, -1L));
    show("sized", ioctl(node, SUM_SIZED, 16));
    char *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(m, 7, 8192);
    mprotect(m + 4096, 4096, PROT_READ);
    show("readonly", ioctl(node, SUM, m + 4096));
    show("spanning", ioctl(node, SUM, m + 4096 - 24)); /* the answer crosses into the read-only page */
    int changed = 0;
    for (int i = 0; i < 4096; i++) changed += m[i] != 7;
    printf("changed %d\n", changed);
    munmap(m + 4096, 4096);
    show("unmapped", ioctl(node, SUM, m + 4096 - 8));
    show("fine", ioctl(node, NOTHING, 0));
  } else if (!strcmp(command, "messages")) {
    char b[8192];
    memset(b, 5, sizeof b);
    show("read", read(node, b, sizeof b));
    show("first", b[0]);
    show("short", read(node, b, 10));
    show("write", write(node, b, 72));
    show("one", write(node, b, 1));
    show("pread", pread(node, b, 8, 0));
    char *big = calloc(1, 3 << 20);
    show("big", write(node, big, 3 << 20));
  } else if (!strcmp(command, "positions")) {
    uint64_t v = 0;
    show("pread", pread(node, &v, 8, 7L << 40));
    printf("value %lx\n", v);
    show("pwrite", pwrite(node, &v, 4, (7L << 40) + 16));
    show("seek", lseek(node, 64, SEEK_SET));
    show("read", read(node, &v, 8));
    printf("value %lx\n", v);
  } else if (!strcmp(command, "poll")) {
    struct pollfd p = {node, POLLIN | POLLOUT, 0};
    char b[16];
    int ready = poll(&p, 1, 0);
    printf("now %d %x\n", ready, p.revents);
    p.events = POLLIN;
    printf("never %d\n", poll(&p, 1, 100));
    ioctl(node, BECOME_READABLE, 50);
    double t = now();
    int r = poll(&p, 1, 5000);
    printf("poll %d %x %d\n", r, p.revents, now() - t < 1000);
    read(node, b, 16);
    int e = epoll_create1(0);
    struct epoll_event v = {EPOLLIN, {0}};
    show("add", epoll_ctl(e, EPOLL_CTL_ADD, node, &v));
    for (int i = 0; i < 5; i++) {
      ioctl(node, BECOME_READABLE, 10);
      t = now();
      r = epoll_wait(e, &v, 1, 5000);
      printf("epoll %d %x %d\n", r, v.events, now() - t < 1000);
      read(node, b, 16);
    }
  } else if (!strcmp(command, "hangup")) {
    struct pollfd p = {node, POLLIN, 0};
    printf("waiting\n");
    int r = poll(&p, 1, 10000);
    printf("poll %d %x\n", r, p.revents);
    show("ioctl", ioctl(node, NOTHING, 0));
    show("open", open(path, O_RDWR));
    char line[8];
    fgets(line, sizeof line, stdin);
    show("still", ioctl(node, NOTHING, 0));
    int again = open(path, O_RDWR);
    show("again", again < 0 ? -1 : 0);
    show("back", ioctl(again, NOTHING, 0));
  } else if (!strcmp(command, "parallel")) {
    pthread_t t[4];
    double begin = now();
    for (int i = 0; i < 4; i++) pthread_create(t + i, 0, sleeper, 0);
    long sum = 0;
    for (int i = 0; i < 4; i++) { void *r; pthread_join(t[i], &r); sum += (long)r; }
    printf("sum %ld\nmillis %.0f\n", sum, now() - begin);
  } else if (!strcmp(command, "crowd")) { /* more waiting calls than threads at the start */
    pthread_t t[40];
    double begin = now();
    for (int i = 0; i < 40; i++) pthread_create(t + i, 0, sleeper, 0);
    for (int i = 0; i < 40; i++) pthread_join(t[i], 0);
    printf("millis %.0f\n", now() - begin);
  } else if (!strcmp(command, "hammer")) {
    pthread_t t[4];
    long bad = 0;
    for (int i = 0; i < 4; i++) pthread_create(t + i, 0, hammer, 0);
    for (int i = 0; i < 4; i++) { void *r; pthread_join(t[i], &r); bad += (long)r; }
    printf("bad %ld\n", bad);
  } else if (!strcmp(command, "thread")) {
    pthread_t t;
    pthread_create(&t, 0, summer, 0);
    pthread_join(t, 0);
  } else if (!strcmp(command, "signal")) {
    struct sigaction a = {0};
    a.sa_handler = on_alarm;
    sigaction(SIGALRM, &a, 0);
    ualarm(100000, 0);
    double t = now();
    show("interrupted", ioctl(node, SLEEP, 10000));
    printf("soon %d\n", now() - t < 2000);
    for (int i = 0; i < 50; i++) { /* an interrupt must not leak into the next call */
      ualarm(500, 0);
      ioctl(node, SLEEP, 20);
      if (ioctl(node, SLEEP, 1) != 7) printf("leaked\n");
    }
  } else if (!strcmp(command, "kill")) {
    pid_t child = fork();
    if (!child) { ioctl(node, SLEEP, 60000); _exit(0); }
    usleep(100000);
    double t = now();
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    printf("killed %d %d\n", WTERMSIG(status), now() - t < 1000);
    show("fine", ioctl(node, NOTHING, 0));
  } else if (!strcmp(command, "block")) {
    printf("waiting\n");
    show("ioctl", ioctl(node, SLEEP, 60000));
    show("later", ioctl(node, NOTHING, 0));
  } else if (!strcmp(command, "reopen")) {
    close(node);
    int bad = 0;
    for (long i = 0; i < n; i++) {
      int f = open(path, O_RDWR);
      if (f < 0) { bad++; continue; }
      close(f);
    }
    printf("bad %d\n", bad);
  } else if (!strcmp(command, "serial")) {
    int other = open(path, O_RDWR), copy = dup(node);
    printf("serials %d %d\n", ioctl(node, SERIAL, 0) != ioctl(other, SERIAL, 0), ioctl(node, SERIAL, 0) == ioctl(copy, SERIAL, 0));
  } else if (!strcmp(command, "map")) {
    volatile uint32_t *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, node, 4096);
    if ((void *)m == MAP_FAILED) { show("map", -1); return 0; }
    printf("saw %x\n", m[0]);
    m[1] = 0xbeef;
    int other = open(path, O_RDWR);
    volatile uint32_t *o = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, other, 4096);
    printf("other %x\n", (void *)o == MAP_FAILED ? 0 : o[1]);
    uint64_t v;
    show("pread", pread(node, &v, 8, 7L << 40));
  } else if (!strcmp(command, "regions")) { /* offsets as VFIO has them: the number of a region in the bits from 40 on */
    for (long region = 0; region < 8; region += 7) {
      volatile uint32_t *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, node, (region << 40) + 8192);
      if ((void *)m == MAP_FAILED) { show("map", -1); return 0; }
      printf("saw %x\n", m[1024]);
      m[1025] = 0xbe00 + region;
      uint64_t v = 1;
      show("pwrite", pwrite(node, &v, 8, (region << 40) + 16));
      show("pread", pread(node, &v, 8, (region << 40) + 24));
      printf("value %lx\n", v);
    }
  } else if (!strcmp(command, "eventfds")) {
    struct events e = {eventfd(0, EFD_NONBLOCK), eventfd(0, 0)};
    int p[2];
    uint64_t count = 3;
    write(e.in, &count, 8); /* before anybody listens */
    show("listen", ioctl(node, ANSWER_EVENTFD, &e));
    int bad = 0;
    for (int i = 0; i < 1000; i++) {
      if (read(e.out, &count, 8) != 8 || count != 1) bad++;
      count = 1;
      write(e.in, &count, 8);
    }
    read(e.out, &count, 8);
    printf("bad %d\n", bad);
    show("reset", read(e.in, &count, 8));
    struct events second = {e.in, e.out};
    pipe(p);
    second.in = p[0];
    show("pipe", ioctl(node, ANSWER_EVENTFD, &second));
    second.in = 999;
    show("closed", ioctl(node, ANSWER_EVENTFD, &second));
    close(e.in); /* the node has a copy of its own */
    show("letgo", ioctl(node, LET_GO, 0));
    struct pollfd o = {e.out, POLLIN, 0};
    printf("quiet %d\n", poll(&o, 1, 0));
  } else if (!strcmp(command, "keep")) {
    int other = open(path, O_RDWR);
    show("keep", ioctl(node, KEEP_NODE, other));
    close(other);
    printf("closed\n");
    char line[8];
    fgets(line, sizeof line, stdin);
    show("letgo", ioctl(node, LET_GO, 0));
    printf("done\n");
    fgets(line, sizeof line, stdin);
  } else if (!strcmp(command, "text")) {
    char *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(m + 4090, "01234567");
    show("spanning", ioctl(node, TEXT_LENGTH, m + 4090));
    munmap(m + 4096, 4096);
    show("cut", ioctl(node, TEXT_LENGTH, m + 4090));
    strcpy(m + 4084, "0123456789a");
    show("last", ioctl(node, TEXT_LENGTH, m + 4084));
    memset(m, 'x', 4096);
    show("long", ioctl(node, TEXT_LENGTH, m));
    show("null", ioctl(node, TEXT_LENGTH, 0));
  } else if (!strcmp(command, "newfd")) {
    int f = ioctl(node, NEW_FILE, 0);
    printf("new %d %d\n", f >= 0, f < 0 ? errno : fcntl(f, F_GETFD));
    printf("differs %d\n", ioctl(f, SERIAL, 0) != ioctl(node, SERIAL, 0) && ioctl(f, SERIAL, 0) > 0);
    struct { uint64_t padding; int32_t fd; int32_t rest; } s = {1, -1, 7};
    int r = ioctl(node, NEW_FILE_IN_STRUCT, &s);
    printf("struct %d %d %d\n", r, s.fd >= 0, s.rest);
    show("use", ioctl(s.fd, NOTHING, 0));
    int p[2];
    pipe(p);
    show("foreign", ioctl(p[0], NEW_FILE, 0));
    show("badf", ioctl(999, NEW_FILE, 0));
    show("wild", ioctl(node, NEW_FILE_IN_STRUCT, 16));
    show("closed", close(f));
    int bad = 0;
    for (int i = 0; i < 300; i++) { int x = ioctl(node, NEW_FILE, 0); if (x < 0 || close(x)) bad++; }
    printf("bad %d\n", bad);
    pid_t child = fork();
    if (!child) { int x = ioctl(node, NEW_FILE, 0); printf("child %d\n", x >= 0); fflush(stdout); _exit(0); }
    waitpid(child, 0, 0);
  } else if (!strcmp(command, "stat")) {
    struct stat s;
    show_stat("stat", stat(path, &s), &s);
    show_stat("fstat", fstat(node, &s), &s);
    show_stat("lstat", lstat(path, &s), &s);
    show_stat("empty", fstatat(node, "", &s, AT_EMPTY_PATH), &s);
    char here[256] = "";
    strcpy(here, path);
    *strrchr(here, '/') = 0;
    int directory = open(here, O_RDONLY | O_DIRECTORY);
    show_stat("at", fstatat(directory, strrchr(path, '/') + 1, &s, 0), &s);
    chdir(here);
    show_stat("relative", stat(strrchr(path, '/') + 1, &s), &s);
    chdir("/usr/bin");
    char up[512];
    sprintf(up, "../..%s", path);
    show_stat("up", stat(up, &s), &s);
    char link[] = "/tmp/devnode-link-XXXXXX";
    close(mkstemp(link));
    unlink(link);
    symlink(path, link);
    show_stat("link", stat(link, &s), &s);
    printf("itself %d\n", !lstat(link, &s) && S_ISLNK(s.st_mode));
    unlink(link);
#ifdef SYS_stat
    show_stat("old", syscall(SYS_stat, path, &s), &s);
    show_stat("old", syscall(SYS_lstat, path, &s), &s);
    show_stat("old", syscall(SYS_fstat, node, &s), &s);
#endif
    struct statx x;
    int r = statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &x);
    printf("statx %d %d %u:%u\n", r, S_ISCHR(x.stx_mode), x.stx_rdev_major, x.stx_rdev_minor);
    printf("null %d\n", !stat("/dev/null", &s) && S_ISCHR(s.st_mode) && s.st_rdev == makedev(1, 3));
    printf("directory %d\n", !stat(here, &s) && S_ISDIR(s.st_mode));
    int p[2];
    pipe(p);
    printf("pipe %d\n", !fstat(p[0], &s) && S_ISFIFO(s.st_mode));
    show("none", stat("/dev/no-such-node", &s));
    show("badf", fstat(999, &s));
    show("wild", syscall(SYS_newfstatat, AT_FDCWD, path, 16, 0));
    show("nowhere", syscall(SYS_newfstatat, AT_FDCWD, 16, &s, 0));
    int before = stat("/proc/self/exe", &s);
    printf("self %d %d\n", before, S_ISREG(s.st_mode));
  } else if (!strcmp(command, "statcost")) {
    printf("getppid %.0f ioctl %.0f stat %.0f fstat %.0f node %.0f\n", per_call(call_getppid, 200000), per_call(call_ioctl, 200000),
        per_call(call_stat, n), per_call(call_fstat, n), per_call(call_stat_node, n));
  } else if (!strcmp(command, "emptyread")) {
    char b[8];
    int p[2];
    pipe(p);
    show("node", read(node, b, 0));
    show("null", read(open("/dev/null", O_RDONLY), b, 0));
    show("closed", read(999, b, 0));
    show("pipe", read(p[0], b, 0));
    show("some", read(node, b, 3));
  } else if (!strcmp(command, "named")) { /* as VFIO_GROUP_GET_DEVICE_FD and VFIO_DEVICE_FEATURE */
    int f = ioctl(node, FILE_BY_NAME, "0000:00:0a.0");
    printf("device %d\n", f >= 0 && ioctl(f, SERIAL, 0) > 0);
    show("other", ioctl(node, FILE_BY_NAME, "0000:00:0b.0"));
    struct { uint32_t size, flags; int32_t fd, rest; } s = {16, 0, 99, 7};
    int r = ioctl(node, FEATURE, &s);
    printf("plain %d %d\n", r, s.fd);
    s.flags = 1;
    r = ioctl(node, FEATURE, &s);
    printf("feature %d %d %d\n", r, s.fd != 99 && ioctl(s.fd, NOTHING, 0) == 0, s.rest);
  } else if (!strcmp(command, "late")) { /* a node that comes later */
    printf("waiting\n");
    char late[256];
    fgets(late, sizeof late, stdin);
    late[strcspn(late, "\n")] = 0;
    int l;
    while ((l = open(late, O_RDWR)) < 0) usleep(10000);
    int f = ioctl(l, NEW_FILE, 0);
    printf("named %d\n", f >= 0 && ioctl(f, NOTHING, 0) == 0);
    struct { uint64_t padding; int32_t fd; int32_t rest; } s = {1, -1, 7};
    show("unnamed", ioctl(l, NEW_FILE_IN_STRUCT, &s));
  } else if (!strcmp(command, "newmap")) {
    int f = ioctl(node, NEW_FILE, 0), g = ioctl(node, NEW_FILE, 0);
    volatile uint32_t *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    volatile uint32_t *o = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, g, 0);
    if ((void *)m == MAP_FAILED || (void *)o == MAP_FAILED) { show("map", -1); return 0; }
    m[3] = 42;
    printf("other %u\n", o[3]);
  } else if (!strcmp(command, "storm")) { /* until killed: everything at once, from several threads */
    pthread_t t[3];
    pthread_create(t, 0, hammer, 0);
    pthread_create(t + 1, 0, sleeper, 0);
    for (;;) {
      void *m = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      struct pin p = {(uint64_t)m, 65536, 1, (uint64_t)getpid()};
      ioctl(node, PIN, &p);
      close(open(path, O_RDWR));
      int x = ioctl(node, NEW_FILE, 0);
      if (x >= 0) close(x);
      ioctl(node, BECOME_READABLE, 0);
      struct pollfd q = {node, POLLIN, 0};
      poll(&q, 1, 1);
      ioctl(node, SUM, m);
      munmap(m, 65536);
    }
  } else if (!strcmp(command, "passfd")) {
    int e = eventfd(0, EFD_NONBLOCK);
    uint64_t count = 0;
    show("signal", ioctl(node, SIGNAL_EVENTFD, e));
    read(e, &count, 8);
    printf("count %lu\n", count);
    show("isnode", ioctl(node, IS_NODE, node));
    show("isdup", ioctl(node, IS_NODE, dup(node)));
    show("isnot", ioctl(node, IS_NODE, e));
    show("isbad", ioctl(node, IS_NODE, 999));
  } else if (!strcmp(command, "owner")) {
    show("owner", ioctl(node, OWNER, 0));
  } else if (!strcmp(command, "latency")) {
    latency(n);
  } else if (!strcmp(command, "throughput")) {
    pthread_t t[4];
    rounds = n;
    double begin = now();
    for (int i = 0; i < 4; i++) pthread_create(t + i, 0, caller, 0);
    for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
    printf("persecond %.0f\n", 4 * n / (now() - begin) * 1e3);
  } else if (!strcmp(command, "interact")) {
    printf("ready\n");
    interact();
  } else return 2;
  return 0;
}
