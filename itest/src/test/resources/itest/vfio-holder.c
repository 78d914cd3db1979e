// Holds a container, a group, a device and a mapping until something of them goes: prints "ready", then the name of the error that
// each of the three files answers with.
//
//   vfio-holder CONTAINER_NODE GROUP_NODE DEVICE
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHECK_EXTENSION = 0x3b65, SET_IOMMU = 0x3b66, GROUP_STATUS = 0x3b67, SET_CONTAINER = 0x3b68, GET_DEVICE_FD = 0x3b6a, DEVICE_INFO = 0x3b6b,
       MAP_DMA = 0x3b71 };
enum { SECONDS = 30, STEP_MICROS = 20000 };

static int refused(int result) { return result < 0 && errno != EINTR; }

int main(int count, char **arguments) {
  if (count != 4) return 2;
  int container = open(arguments[1], O_RDWR), group = open(arguments[2], O_RDWR);
  if (container < 0 || group < 0) return 3;
  if (ioctl(group, SET_CONTAINER, &container) || ioctl(container, SET_IOMMU, 3)) return 4;
  void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct { uint32_t argsz, flags; uint64_t vaddr, iova, size; } map = {sizeof map, 3, (uintptr_t)memory, 0, 1 << 20};
  if (memory == MAP_FAILED || ioctl(container, MAP_DMA, &map)) return 5;
  int device = ioctl(group, GET_DEVICE_FD, arguments[3]);
  if (device < 0) return 6;
  printf("ready\n");
  fflush(stdout);
  uint32_t status[2] = {8, 0}, info[5] = {20};
  for (long waited = 0; waited < SECONDS * 1000000L; waited += STEP_MICROS) {
    if (refused(ioctl(container, CHECK_EXTENSION, 1)) | refused(ioctl(group, GROUP_STATUS, status)) | refused(ioctl(device, DEVICE_INFO, info))) {
      usleep(500000);   // all of it goes, one after the other
      int first = ioctl(container, CHECK_EXTENSION, 1) < 0 ? errno : 0;
      int second = ioctl(group, GROUP_STATUS, status) < 0 ? errno : 0;
      int third = ioctl(device, DEVICE_INFO, info) < 0 ? errno : 0;
      printf("container %s, group %s, device %s\n", strerrorname_np(first), strerrorname_np(second), strerrorname_np(third));
      return 0;
    }
    usleep(STEP_MICROS);
  }
  return 7;
}
