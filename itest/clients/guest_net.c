// What a guest does with its network device. Its partner is another guest, or the host, that does the task "echo".
//
//   ping:N       N pings of random size and bytes:  @@ ping sent=N answered=N wrong=0 us_mean=...
//   stream:SECONDS     bytes over one TCP connection, sent back by the partner; what comes must be what went
//                @@ stream bytes=...   twice a second, and at the end with wrong=0 retransmitted=... slowest_ms=...
//   datagrams:SECONDS  UDP, numbered, sent back, WINDOW of them under way
//                @@ datagrams sent=... answered=... wrong=... slowest_ms=...
//   traffic:SECONDS    stream and datagrams at once
//   control:SECONDS    promiscuous mode on and off, which the control queue is told:  @@ control orders=... slowest_ms=...
//   bye          tells the partner that this was all
//   echo         is the partner:  @@ echo bytes=... datagrams=...
#define _GNU_SOURCE
#include "guest.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NIC "eth0"
#define ECHO_PORT 7
#define BYE_PORT 9
#define PATIENCE_S 40
#define MAX_PAYLOAD 1400
#define WINDOW 32
// Bytes of the stream that are on their way.
#define STREAM_WINDOW (256 << 10)
#define CHUNK (64 << 10)
#define MAX_PEERS 8

static uint64_t number_of(const char *file) {
  char path[128], text[32] = "";
  snprintf(path, sizeof path, "/sys/class/net/" NIC "/%s", file);
  FILE *f = fopen(path, "r");
  if (f && !fgets(text, sizeof text, f)) text[0] = 0;
  if (f) fclose(f);
  return strtoull(text, NULL, 10);
}

int net_up(const char *address) {
  struct ifreq request;
  struct sockaddr_in *in = (struct sockaddr_in *) &request.ifr_addr;
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  ioctl(s, SIOCSIFFLAGS, &request);
  strcpy(request.ifr_name, NIC);
  for (int tries = 0; tries < 1000 && ioctl(s, SIOCGIFHWADDR, &request); tries++) usleep(5000);
  unsigned char *mac = (unsigned char *) request.ifr_hwaddr.sa_data;
  printf("@@ nic mac=%02x:%02x:%02x:%02x:%02x:%02x address=%s uptime_ms=%ld\n", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], address, now_ns() / 1000000);
  memset(&request.ifr_addr, 0, sizeof request.ifr_addr);
  in->sin_family = AF_INET;
  inet_pton(AF_INET, address, &in->sin_addr);
  int failed = ioctl(s, SIOCSIFADDR, &request);
  inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
  failed |= ioctl(s, SIOCSIFNETMASK, &request);
  request.ifr_flags = IFF_UP;
  failed |= ioctl(s, SIOCSIFFLAGS, &request);
  close(s);
  for (int tries = 0; !failed && tries < 1000 && !number_of("carrier"); tries++) usleep(5000);
  return !failed && number_of("carrier");
}

void net_counts(void) {
  printf("@@ nic_counts rx_packets=%lu tx_packets=%lu rx_errors=%lu tx_errors=%lu rx_dropped=%lu tx_dropped=%lu\n", number_of("statistics/rx_packets"),
    number_of("statistics/tx_packets"), number_of("statistics/rx_errors"), number_of("statistics/tx_errors"), number_of("statistics/rx_dropped"),
    number_of("statistics/tx_dropped"));
}

static struct sockaddr_in to(const char *address, int port) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, address, &in.sin_addr);
  return in;
}

// The partner may be starting yet.
static int connect_to(const char *peer, int port) {
  struct sockaddr_in in = to(peer, port);
  for (int64_t end = now_ns() + PATIENCE_S * 1000000000LL; now_ns() < end; usleep(50000)) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (!connect(s, (struct sockaddr *) &in, sizeof in)) return s;
    close(s);
  }
  printf("@@ error nobody listens at %s port %d\n", peer, port);
  return -1;
}

static uint16_t checksum(const void *data, int length) {
  const uint16_t *word = data;
  uint32_t sum = 0;
  for (; length > 1; length -= 2) sum += *word++;
  if (length) sum += *(const uint8_t *) word;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

static void fill_payload(uint8_t *payload, int length, uint64_t number) {
  for (int i = 0; i < length; i++) payload[i] = pattern_at(number << 16 | i) >> 7;
}

static int payload_length(uint64_t number) {
  return 8 + pattern_at(~number) % (MAX_PAYLOAD - 8);
}

static void ping(int count, const char *peer) {
  uint8_t out[sizeof(struct icmphdr) + MAX_PAYLOAD], in[2048];
  struct sockaddr_in there = to(peer, 0);
  int s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), answered = 0, wrong = 0, sent = 0;
  int64_t took = 0, patience = now_ns() + PATIENCE_S * 1000000000LL;
  while (sent < count) {
    struct icmphdr *head = (struct icmphdr *) out;
    int length = payload_length(sent), bytes = sizeof *head + length;
    memset(head, 0, sizeof *head);
    head->type = ICMP_ECHO;
    head->un.echo.id = htons(getpid());
    head->un.echo.sequence = htons(sent);
    fill_payload(out + sizeof *head, length, sent);
    head->checksum = checksum(out, bytes);
    int64_t before = now_ns(), left = 1000;
    if (sendto(s, out, bytes, 0, (struct sockaddr *) &there, sizeof there) != bytes) printf("@@ error ping errno=%d\n", errno);
    int came = 0;
    while (!came && (left = 1000 - (now_ns() - before) / 1000000) > 0) {
      struct pollfd wait = {.fd = s, .events = POLLIN};
      if (poll(&wait, 1, left) <= 0) continue;
      int got = recv(s, in, sizeof in, 0), at = (in[0] & 15) * 4;
      struct icmphdr *answer = (struct icmphdr *) (in + at);
      if (got < at + 8 || answer->type != ICMP_ECHOREPLY || answer->un.echo.id != head->un.echo.id || answer->un.echo.sequence != head->un.echo.sequence) continue;
      came = 1;
      took += now_ns() - before;
      wrong += got - at != bytes || memcmp(in + at + sizeof *head, out + sizeof *head, length) || checksum(in + at, got - at);
    }
    // A partner that is not there yet answers nothing, and that does not count.
    if (!came && !answered && now_ns() < patience) continue;
    answered += came;
    sent++;
  }
  printf("@@ ping sent=%d answered=%d wrong=%d us_mean=%.0f\n", sent, answered, wrong, answered ? took / 1e3 / answered : 0);
  close(s);
}

static void stream(int seconds, const char *peer) {
  static uint64_t out[CHUNK / 8], in[CHUNK / 8];
  int s = connect_to(peer, ECHO_PORT), shut = 0;
  if (s < 0) return;
  int64_t begin = now_ns(), end = begin + seconds * 1000000000LL, told = begin, last = begin, slowest = 0;
  uint64_t sent = 0, received = 0, wrong = 0;
  size_t filled = 0, written = 0, have = 0;
  printf("@@ stream bytes=0\n");
  while (1) {
    if (written == filled && now_ns() < end) {
      for (size_t i = 0; i < CHUNK / 8; i++) out[i] = pattern_at(sent / 8 + i);
      filled = CHUNK;
      written = 0;
    }
    if (!shut && written == filled) {
      shutdown(s, SHUT_WR);
      shut = 1;
    }
    struct pollfd wait = {.fd = s, .events = POLLIN | (written < filled && sent - received < STREAM_WINDOW ? POLLOUT : 0)};
    if (poll(&wait, 1, PATIENCE_S * 1000) <= 0) {
      printf("@@ error the stream stands still\n");
      break;
    }
    if (wait.revents & POLLOUT) {
      ssize_t n = send(s, (char *) out + written, filled - written, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) {
        written += n;
        sent += n;
      }
    }
    if (wait.revents & (POLLIN | POLLHUP | POLLERR)) {
      ssize_t n = recv(s, (char *) in + have, CHUNK - have, MSG_DONTWAIT);
      if (n == 0) break;
      if (n < 0 && errno != EAGAIN) {
        printf("@@ error the stream broke errno=%d\n", errno);
        break;
      }
      if (n > 0) {
        uint64_t first = (received - have) / 8;
        have += n;
        received += n;
        for (size_t i = 0; i < have / 8; i++) wrong += in[i] != pattern_at(first + i);
        memmove(in, (char *) in + have / 8 * 8, have % 8);
        have %= 8;
        if (now_ns() - last > slowest) slowest = now_ns() - last;
        last = now_ns();
      }
    }
    if (now_ns() - told > 500000000LL) {
      printf("@@ stream bytes=%lu\n", received);
      told = now_ns();
    }
  }
  struct tcp_info info;
  socklen_t size = sizeof info;
  memset(&info, 0, sizeof info);
  getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &size);
  printf("@@ stream bytes=%lu missing=%lu wrong=%lu retransmitted=%u slowest_ms=%ld mib_s=%.1f\n", received, sent - received, wrong, info.tcpi_total_retrans,
    slowest / 1000000, received / 1048576.0 / ((now_ns() - begin) / 1e9));
  close(s);
}

static void datagrams(int seconds, const char *peer) {
  uint8_t out[MAX_PAYLOAD], in[2048];
  uint64_t under_way[WINDOW];
  struct sockaddr_in there = to(peer, ECHO_PORT);
  int s = socket(AF_INET, SOCK_DGRAM, 0), open = 0, failed;
  if ((failed = connect_to(peer, ECHO_PORT)) < 0) return;
  close(failed);
  if (connect(s, (struct sockaddr *) &there, sizeof there)) printf("@@ error datagrams errno=%d\n", errno);
  int64_t end = now_ns() + seconds * 1000000000LL, last = now_ns(), slowest = 0;
  uint64_t sent = 0, answered = 0, wrong = 0;
  while (1) {
    for (; open < WINDOW && now_ns() < end; open++) {
      int length = payload_length(sent);
      fill_payload(out, length, sent);
      memcpy(out, &sent, 8);
      if (send(s, out, length, 0) != length) printf("@@ error datagram errno=%d\n", errno);
      under_way[open] = sent++;
    }
    if (!open) break;
    struct pollfd wait = {.fd = s, .events = POLLIN};
    if (poll(&wait, 1, 3000) <= 0) {
      open = 0;   // they are lost
      if (now_ns() >= end) break;
      continue;
    }
    int got = recv(s, in, sizeof in, 0), found = -1;
    uint64_t number;
    memcpy(&number, in, 8);
    for (int i = 0; i < open; i++) if (under_way[i] == number) found = i;
    if (got < 8 || found < 0) {
      wrong++;
      continue;
    }
    under_way[found] = under_way[--open];
    answered++;
    int length = payload_length(number);
    fill_payload(out, length, number);
    wrong += got != length || memcmp(in + 8, out + 8, length - 8);
    if (now_ns() - last > slowest) slowest = now_ns() - last;
    last = now_ns();
  }
  printf("@@ datagrams sent=%lu answered=%lu wrong=%lu slowest_ms=%ld\n", sent, answered, wrong, slowest / 1000000);
  close(s);
}

static void control(int seconds) {
  struct ifreq request;
  int s = socket(AF_INET, SOCK_DGRAM, 0), orders = 0;
  int64_t slowest = 0, end = now_ns() + seconds * 1000000000LL;
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, NIC);
  for (; now_ns() < end; orders++) {
    int64_t before = now_ns();
    request.ifr_flags = IFF_UP | (orders & 1 ? 0 : IFF_PROMISC);
    if (ioctl(s, SIOCSIFFLAGS, &request)) printf("@@ error control errno=%d\n", errno);
    if (now_ns() - before > slowest) slowest = now_ns() - before;
  }
  printf("@@ control orders=%d slowest_ms=%ld\n", orders, slowest / 1000000);
  close(s);
}

static int listening(const char *address, int kind, int port) {
  struct sockaddr_in here = to(address, port);
  int s = socket(AF_INET, kind, 0), on = 1, room = 4 << 20;
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(s, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (bind(s, (struct sockaddr *) &here, sizeof here) || (kind == SOCK_STREAM && listen(s, MAX_PEERS))) printf("@@ error listen errno=%d\n", errno);
  return s;
}

void net_echo(const char *address) {
  static struct { char bytes[CHUNK]; size_t from, to; } kept[MAX_PEERS];
  struct pollfd files[3 + MAX_PEERS];
  uint64_t bytes = 0, count = 0;
  char packet[65536];
  files[0].fd = listening(address, SOCK_STREAM, BYE_PORT);
  files[1].fd = listening(address, SOCK_STREAM, ECHO_PORT);
  files[2].fd = listening(address, SOCK_DGRAM, ECHO_PORT);
  for (int i = 0; i < MAX_PEERS; i++) files[3 + i].fd = -1;
  printf("@@ echo ready\n");
  while (1) {
    for (int i = 0; i < 3; i++) files[i].events = POLLIN;
    for (int i = 0; i < MAX_PEERS; i++) files[3 + i].events = kept[i].from < kept[i].to ? POLLOUT : POLLIN;
    poll(files, 3 + MAX_PEERS, -1);
    if (files[0].revents) break;
    if (files[1].revents) {
      int s = accept(files[1].fd, NULL, NULL), i = 0;
      while (i < MAX_PEERS && files[3 + i].fd >= 0) i++;
      if (i < MAX_PEERS) {
        files[3 + i].fd = s;
        files[3 + i].revents = 0;
        kept[i].from = kept[i].to = 0;
      } else {
        close(s);
      }
    }
    if (files[2].revents) {
      struct sockaddr_in from;
      socklen_t size = sizeof from;
      ssize_t n = recvfrom(files[2].fd, packet, sizeof packet, 0, (struct sockaddr *) &from, &size);
      if (n >= 0 && sendto(files[2].fd, packet, n, 0, (struct sockaddr *) &from, size) != n) printf("@@ error echo errno=%d\n", errno);
      count++;
    }
    for (int i = 0; i < MAX_PEERS; i++) {
      struct pollfd *file = &files[3 + i];
      if (file->fd < 0 || !file->revents) continue;
      ssize_t n = kept[i].from < kept[i].to ? send(file->fd, kept[i].bytes + kept[i].from, kept[i].to - kept[i].from, MSG_DONTWAIT | MSG_NOSIGNAL)
                                            : recv(file->fd, kept[i].bytes, CHUNK, MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) continue;
      if (n <= 0) {
        close(file->fd);
        file->fd = -1;
        kept[i].from = kept[i].to = 0;
      } else if (kept[i].from < kept[i].to) {
        kept[i].from += n;
        bytes += n;
      } else {
        kept[i].from = 0;
        kept[i].to = n;
      }
    }
  }
  printf("@@ echo bytes=%lu datagrams=%lu\n", bytes, count);
}

int net_task(const char *task, int amount, const char *peer) {
  if (!strncmp(task, "ping", 4)) {
    ping(amount, peer);
  } else if (!strncmp(task, "stream", 6)) {
    stream(amount, peer);
  } else if (!strncmp(task, "datagrams", 9)) {
    datagrams(amount, peer);
  } else if (!strncmp(task, "control", 7)) {
    control(amount);
  } else if (!strncmp(task, "traffic", 7)) {
    fflush(stdout);
    pid_t other = fork();
    if (other == 0) {
      datagrams(amount, peer);
      fflush(stdout);
      _exit(0);
    }
    stream(amount, peer);
    waitpid(other, NULL, 0);
  } else if (!strncmp(task, "bye", 3)) {
    int s = connect_to(peer, BYE_PORT);
    if (s >= 0) close(s);
  } else {
    return 0;
  }
  return 1;
}
