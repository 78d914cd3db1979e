// What guest.c and guest_net.c share: the program of a guest. See guest.c.
#ifndef GUEST_H
#define GUEST_H
#include <stdint.h>

extern uint64_t seed;

int64_t now_ns(void);

// A number that is a function of the seed and of where it lies.
static inline uint64_t pattern_at(uint64_t index) {
  uint64_t x = seed * 0x9E3779B97F4A7C15u + index * 0xD1342543DE82EF95u;
  x ^= x >> 32;
  x *= 0xBF58476D1CE4E5B9u;
  return x ^ x >> 29;
}

// Gives the guest's network device its address. Returns 0 if there is none.
int net_up(const char *address);

// What the device and its driver have counted.
void net_counts(void);

// Does a task whose partner has that address. Returns 0 if it is no task of a network.
int net_task(const char *task, int amount, const char *peer);

// Sends back whatever comes to an address, until somebody says that it was all.
void net_echo(const char *address);
#endif
