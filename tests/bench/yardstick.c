// SPDX-License-Identifier: Apache-2.0
// How fast is this machine today: cycles for an rte_hash bulk lookup among 1 M random keys
// (memory), and for a dependent chain of multiplications (core). Absolute figures of other benches
// are read beside these.
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 1 << 20, BULK = 32, LOOKUPS = 1 << 21 };

static double
hash_cycles(void)
{
    struct rte_hash_parameters params = {.name = "yardstick",
                                         .entries = KEYS * 2,
                                         .key_len = 16,
                                         .hash_func = rte_hash_crc,
                                         .socket_id = SOCKET_ID_ANY};
    struct rte_hash *hash = rte_hash_create(&params);
    uint64_t(*keys)[2] = malloc(KEYS * sizeof *keys);
    if (!hash || !keys)
        return 0;
    for (unsigned i = 0; i < KEYS; i++) {
        keys[i][0] = rte_rand();
        keys[i][1] = i;
        rte_hash_add_key(hash, keys[i]);
    }
    uint64_t hits = 0, start = rte_rdtsc();
    for (unsigned n = 0; n < LOOKUPS; n += BULK) {
        const void *bulk[BULK];
        void *data[BULK];
        uint64_t mask = 0;
        for (unsigned i = 0; i < BULK; i++)
            bulk[i] = keys[rte_rand() & (KEYS - 1)];
        hits += (uint64_t)rte_hash_lookup_bulk_data(hash, bulk, BULK, &mask, data);
    }
    double cycles = (double)(rte_rdtsc() - start) / LOOKUPS;
    free(keys);
    rte_hash_free(hash);
    return hits == LOOKUPS ? cycles : 0;
}

static double
multiply_cycles(void)
{
    enum { ROUNDS = 100 * 1000 * 1000 };
    uint64_t x = 88172645463325252, start = rte_rdtsc();
    for (unsigned i = 0; i < ROUNDS; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    double cycles = (double)(rte_rdtsc() - start) / ROUNDS;
    return x ? cycles : 0;
}

int
main(int argc, char **argv)
{
    if (rte_eal_init(argc, argv) < 0)
        return 1;
    printf("{\"bench\":\"yardstick\",\"metric\":\"rte_hash_bulk_1M_cycles\",\"ours\":%.1f,\"peer\":"
           "null,\"theirs\":null,\"ratio\":null}\n",
           hash_cycles());
    printf("{\"bench\":\"yardstick\",\"metric\":\"dependent_multiply_cycles\",\"ours\":%.2f,"
           "\"peer\":null,\"theirs\":null,\"ratio\":null}\n",
           multiply_cycles());
    rte_eal_cleanup();
    return 0;
}
