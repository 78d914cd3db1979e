/*
 * What the Java code is compared with: the same algorithms by hand in C, on the same tables, with the loop inside.
 * Entries are those of VT-d's second stage (rev. 5.10, section 9.8). Test equipment, not part of any bundle.
 */
#include <stdint.h>
#include <string.h>

#define ADDRESS 0x000ffffffffff000ull
#define LARGE (1ull << 7)
#define PERMISSIONS 3ull

typedef struct {
    char *window;      /* physical address 0 */
    uint64_t root;
    uint16_t *live;    /* entries in use per 4 KiB frame, from first_frame on */
    uint64_t first_frame;
} table_t;

static inline uint64_t *slot(const table_t *t, uint64_t table, int level, uint64_t iova)
{
    return (uint64_t *)(t->window + table) + (iova >> (12 + 9 * level) & 511);
}

static inline uint16_t *live(const table_t *t, uint64_t table)
{
    return t->live + ((table >> 12) - t->first_frame);
}

/* Address of the present table that holds the leaves of the level; 0 if there is none. */
static inline uint64_t find(const table_t *t, int level, uint64_t iova)
{
    uint64_t table = t->root;
    for (int above = 3; above > level; above--) {
        uint64_t entry = *(volatile uint64_t *)slot(t, table, above, iova);
        if (!(entry & PERMISSIONS) || entry & LARGE)
            return 0;
        table = entry & ADDRESS;
    }
    return table;
}

static inline int map(const table_t *t, uint64_t iova, uint64_t physical, int count, int level)
{
    uint64_t table = find(t, level, iova);
    if (!table)
        return -1;
    uint64_t *first = slot(t, table, level, iova);
    if (*live(t, table)) {
        uint64_t any = 0;
        for (int i = 0; i < count; i++)
            any |= first[i];
        if (any)
            return -1;
    }
    uint64_t entry = physical | PERMISSIONS | (level ? LARGE : 0);
    if (count == 1)
        *(volatile uint64_t *)first = entry;
    else
        for (int i = 0; i < count; i++)
            first[i] = entry + ((uint64_t)i << (12 + 9 * level));
    *live(t, table) += count;
    return 0;
}

static inline int unmap(const table_t *t, uint64_t iova, int count, int level)
{
    uint64_t table = find(t, level, iova);
    if (!table)
        return 0;
    uint64_t *first = slot(t, table, level, iova);
    int present = 0;
    for (int i = 0; i < count; i++)
        present += (first[i] & PERMISSIONS) != 0;
    if (count == 1)
        *(volatile uint64_t *)first = 0;
    else
        memset(first, 0, count * sizeof(uint64_t));
    *live(t, table) -= present;
    return present;
}

/* Maps and unmaps count leaves at each address. Returns leaves unmapped, or -1. */
long twin_map_unmap(char *window, uint64_t root, uint16_t *live, uint64_t first_frame, const uint64_t *iovas,
                    const uint64_t *physicals, int n, int count, int level)
{
    table_t t = { window, root, live, first_frame };
    long unmapped = 0;
    for (int i = 0; i < n; i++) {
        int failed = count == 1 ? map(&t, iovas[i], physicals[i], 1, level) : map(&t, iovas[i], physicals[i], count, level);
        if (failed)
            return -1;
        unmapped += count == 1 ? unmap(&t, iovas[i], 1, level) : unmap(&t, iovas[i], count, level);
    }
    return unmapped;
}

/* Sum of the translations of all addresses. */
uint64_t twin_walk(char *window, uint64_t root, const uint64_t *iovas, int n)
{
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        uint64_t table = root, iova = iovas[i];
        for (int level = 3;; level--) {
            uint64_t entry = *(volatile uint64_t *)((uint64_t *)(window + table) + (iova >> (12 + 9 * level) & 511));
            if (!(entry & PERMISSIONS)) {
                sum--;
                break;
            }
            if (level == 0 || entry & LARGE) {
                uint64_t inside = (1ull << (12 + 9 * level)) - 1;
                sum += (entry & ADDRESS & ~inside) | (iova & inside);
                break;
            }
            table = entry & ADDRESS;
        }
    }
    return sum;
}

/* A direct-mapped cache of 4 KiB pages: tag and value side by side, as in Iotlb. */
void twin_iotlb_remember(uint64_t *entries, int size, uint64_t iova, uint64_t value)
{
    uint64_t page = iova >> 12, *entry = entries + 2 * (page & (size - 1));
    entry[0] = page | 1ull << 52;
    entry[1] = value;
}

uint64_t twin_iotlb_lookup(const uint64_t *entries, int size, const uint64_t *iovas, int n)
{
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        uint64_t iova = iovas[i], page = iova >> 12;
        const volatile uint64_t *entry = entries + 2 * (page & (size - 1));
        if (entry[0] != (page | 1ull << 52))
            return ~0ull;
        uint64_t value = entry[1];
        if (!(value & 2))
            return ~0ull;
        sum += (value & ~0xfffull) | (iova & 0xfff);
    }
    return sum;
}
