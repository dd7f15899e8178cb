// SPDX-License-Identifier: Apache-2.0
// IPsec ESP in tunnel mode (RFC 4303) with AES-GCM (RFC 4106), by a crypto device of DPDK. What
// enters by one port of the card leaves encrypted by the other, and back.
// classify -> admit -> schedule -> [esp] -> transmit.  Runs on the worker of the card, which gives a
// burst to the device and takes it back within the same call.
// Two security associations, one a direction, with keys from files that only root may read. A nonce
// is never used twice: it counts from the time of creation in nanoseconds, and moves with the state.
#include "dpdk-app/functions/fn_state.h"
#include "dpdk-app/functions/replay.h"
#include "dpdk-app/functions/tunnel.h"
#include "dpdk-app/parse.h"

#include <offload/card_api.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <rte_crypto.h>
#include <rte_cryptodev.h>
#include <rte_dev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    SALT_BYTES = 4,
    IV_BYTES = 8,
    ICV_BYTES = 16,
    ESP_BYTES = 8,
    KEY_MATERIAL_MAX = 32 + SALT_BYTES,
    HEAD_BYTES = TUNNEL_IPV4_BYTES + ESP_BYTES + IV_BYTES,
    OPS = 128,
    POLLS_MOST = 4096, // of the device for one burst: a software device is done after one or two
    ENTRY_BYTES = 40 + REPLAY_WORDS * 8,
    NEXT_IPV4 = 4,
    NEXT_IPV6 = 41,
};

enum { OUT = 0, IN = 1 };

struct esp_params {
    struct tunnel_params tunnel;
    uint64_t spi_out, spi_in, replay_window;
    char key_out_file[128], key_in_file[128];
    bool esn;
    int device;
};

enum drop {
    DROP_UNSUPPORTED, // not IP, or not of this tunnel
    DROP_TOO_LONG,
    DROP_ROOM, // of the packet's buffer
    DROP_SEQUENCE, // all numbers are used up: new keys are due
    DROP_REPLAY,
    DROP_AUTHENTICATION,
    DROP_MALFORMED,
    DROP_DEVICE, // took too many, or too long
    DROP_CONGESTION,
    N_DROPS,
};
static const char *const drop_names[N_DROPS] = {"unsupported", "too_long",       "room",
                                                "sequence",    "replay",         "authentication",
                                                "malformed",   "crypto_device",  "congestion"};

// Behind each operation: the nonce, the associated data, and which packet of the burst it is.
struct op_private {
    uint8_t nonce[SALT_BYTES + IV_BYTES];
    uint8_t aad[12];
    uint32_t place;
    uint64_t number;
    uint8_t pad[4];
};
enum { NONCE_OFFSET = sizeof(struct rte_crypto_op) + sizeof(struct rte_crypto_sym_op) };

struct esp {
    struct fn_state state; // without a table
    struct tunnel tunnel;
    uint32_t spi[2]; // as on the wire
    uint8_t salt[2][SALT_BYTES];
    void *session[2];
    bool esn;
    uint64_t sent;    // number of the last packet
    uint64_t next_iv; // never twice
    struct replay replay;
    bool tracked, dirty;
    int device; // -1: none
    char device_name[64];
    struct rte_mempool *sessions, *ops;
    unsigned late; // operations that the device still has of bursts before
};

static const char *const device_names[] = {"aesni_gcm", "aesni_mb", "openssl", NULL};

#define PARAM(f)                                                                                   \
    .offset = offsetof(struct esp_params, f), .size = sizeof(((struct esp_params *)0)->f)

static const struct offload_opt esp_options[] = {
    TUNNEL_OPTIONS,
    {.key = "spi_out",
     .type = OFFLOAD_OPT_U64,
     PARAM(spi_out),
     .least = 256,
     .most = 4294967295.0,
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "security parameters index of what this end sends"},
    {.key = "spi_in",
     .type = OFFLOAD_OPT_U64,
     PARAM(spi_in),
     .least = 256,
     .most = 4294967295.0,
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "the same of what it receives"},
    {.key = "key_out_file",
     .type = OFFLOAD_OPT_STRING,
     PARAM(key_out_file),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "file with key and salt in hexadecimal (20, 28 or 36 bytes), of mode 0600 or less"},
    {.key = "key_in_file",
     .type = OFFLOAD_OPT_STRING,
     PARAM(key_in_file),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "the same for what it receives"},
    {.key = "esn",
     .type = OFFLOAD_OPT_BOOL,
     PARAM(esn),
     .default_text = "false",
     .help = "extended sequence numbers, of 64 bits"},
    {.key = "replay_window",
     .type = OFFLOAD_OPT_U64,
     PARAM(replay_window),
     .least = 0,
     .most = REPLAY_WINDOW_MAX,
     .default_text = "128",
     .unit = "packets",
     .help = "how far behind the newest a packet may come; 0: anti-replay is off"},
    {.key = "device",
     .type = OFFLOAD_OPT_ENUM,
     PARAM(device),
     .names = device_names,
     .default_text = "\"aesni_gcm\"",
     .help = "DPDK's crypto driver"},
    OFFLOAD_OPT_END,
};

// -- Control --

// Pairs of hexadecimal digits, white space between them. Returns bytes, or -1.
static int
parse_hex(const char *text, size_t n, uint8_t *out, unsigned max)
{
    unsigned digits = 0;
    memset(out, 0, max);
    for (size_t i = 0; i < n; i++) {
        if (isspace((unsigned char)text[i]))
            continue;
        const char *all = "0123456789abcdef";
        const char *at = text[i] ? strchr(all, tolower((unsigned char)text[i])) : NULL;
        if (!at || digits >= 2 * max)
            return -1;
        out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | (at - all));
        digits++;
    }
    return digits % 2 ? -1 : (int)(digits / 2);
}

// Key and salt; returns the key's bytes. No message says what the file holds.
static int
read_key(const char *path, const char *where, uint8_t *key, struct offload_err *err)
{
    char text[256];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 || fstat(fd, &st) != 0 ? -1 : read(fd, text, sizeof text);
    int rc = n < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (rc != 0)
        return offload_err_set(err, rc, where, "name a file with the key", "cannot read '%s': %s",
                               path, strerror(-rc));
    if (!S_ISREG(st.st_mode) || st.st_mode & 077)
        return offload_err_set(err, -EACCES, where, "use mode 0600",
                               "others than its owner may read '%s'", path);
    int bytes = parse_hex(text, (size_t)n, key, KEY_MATERIAL_MAX);
    explicit_bzero(text, sizeof text);
    if (bytes != 20 && bytes != 28 && bytes != 36)
        return offload_err_set(err, -EINVAL, where,
                               "use 20, 28 or 36 bytes: an AES key and 4 bytes of salt",
                               "'%s' holds no such key in hexadecimal", path);
    return bytes - SALT_BYTES;
}

static void
close_device(struct esp *esp)
{
    if (esp->device < 0)
        return;
    for (unsigned i = 0; i < 2; i++)
        if (esp->session[i])
            rte_cryptodev_sym_session_free((uint8_t)esp->device, esp->session[i]);
    rte_cryptodev_stop((uint8_t)esp->device);
    rte_eal_hotplug_remove("vdev", esp->device_name);
}

static int
open_device(struct esp *esp, const char *driver, struct offload_err *err)
{
    static unsigned number; // control thread
    char name[32];
    unsigned id = number++;
    snprintf(esp->device_name, sizeof esp->device_name, "crypto_%s_esp%u", driver, id);
    int rc = rte_eal_hotplug_add("vdev", esp->device_name, "max_nb_queue_pairs=1");
    if (rc == 0)
        esp->device = rte_cryptodev_get_dev_id(esp->device_name);
    if (rc != 0 || esp->device < 0)
        return offload_err_set(err, -ENODEV, "device", "use another driver",
                               "DPDK has no crypto device '%s' here", driver);
    snprintf(name, sizeof name, "esp_sessions%u", id);
    esp->sessions = rte_cryptodev_sym_session_pool_create(
        name, 4, rte_cryptodev_sym_get_private_session_size((uint8_t)esp->device), 0, 0,
        SOCKET_ID_ANY);
    snprintf(name, sizeof name, "esp_ops%u", id);
    esp->ops = rte_crypto_op_pool_create(name, RTE_CRYPTO_OP_TYPE_SYMMETRIC, OPS - 1, 0,
                                         sizeof(struct op_private), SOCKET_ID_ANY);
    struct rte_cryptodev_config config = {.socket_id = SOCKET_ID_ANY, .nb_queue_pairs = 1};
    struct rte_cryptodev_qp_conf queue = {.nb_descriptors = 2 * OPS, .mp_session = esp->sessions};
    if (!esp->sessions || !esp->ops)
        return offload_err_set(err, -ENOMEM, "esp", "give DPDK more memory",
                               "no memory for the crypto device");
    config.socket_id = 0;
    rc = rte_cryptodev_configure((uint8_t)esp->device, &config);
    if (rc == 0)
        rc = rte_cryptodev_queue_pair_setup((uint8_t)esp->device, 0, &queue, SOCKET_ID_ANY);
    if (rc == 0)
        rc = rte_cryptodev_start((uint8_t)esp->device);
    if (rc != 0)
        return offload_err_set(err, rc, "device", "use another driver",
                               "the crypto device '%s' does not start: %s", driver, strerror(-rc));
    return 0;
}

static int
open_session(struct esp *esp, unsigned way, const char *path, struct offload_err *err)
{
    uint8_t key[KEY_MATERIAL_MAX];
    int bytes = read_key(path, way == OUT ? "key_out_file" : "key_in_file", key, err);
    if (bytes < 0)
        return bytes;
    struct rte_crypto_sym_xform xform = {
        .type = RTE_CRYPTO_SYM_XFORM_AEAD,
        .aead = {.op = way == OUT ? RTE_CRYPTO_AEAD_OP_ENCRYPT : RTE_CRYPTO_AEAD_OP_DECRYPT,
                 .algo = RTE_CRYPTO_AEAD_AES_GCM,
                 .key = {.data = key, .length = (uint16_t)bytes},
                 .iv = {.offset = NONCE_OFFSET, .length = SALT_BYTES + IV_BYTES},
                 .digest_length = ICV_BYTES,
                 .aad_length = esp->esn ? 12 : 8},
    };
    memcpy(esp->salt[way], key + bytes, SALT_BYTES);
    esp->session[way] =
        rte_cryptodev_sym_session_create((uint8_t)esp->device, &xform, esp->sessions);
    explicit_bzero(key, sizeof key);
    if (!esp->session[way])
        return offload_err_set(err, -ENOTSUP, "device", "use another driver",
                               "the crypto device has no AES-GCM with %d-bit keys", bytes * 8);
    return 0;
}

static void
take_late(struct esp *esp)
{
    struct rte_crypto_op *op;
    while (esp->late > 0 && rte_cryptodev_dequeue_burst((uint8_t)esp->device, 0, &op, 1) == 1) {
        fn_drop(&esp->state, DROP_DEVICE, op->sym->m_src);
        rte_crypto_op_free(op);
        esp->late--;
    }
}

static void
esp_destroy(void *state)
{
    struct esp *esp = state;
    if (!esp)
        return;
    for (unsigned i = 0; i < POLLS_MOST && esp->late > 0; i++)
        take_late(esp);
    close_device(esp);
    rte_mempool_free(esp->sessions);
    rte_mempool_free(esp->ops);
    fn_state_fini(&esp->state);
    free(esp);
}

static const struct fn_kind kind;

static void *
esp_create(const void *params, const struct fn_env *env, struct offload_err *err)
{
    const struct esp_params *p = params;
    struct esp *esp = calloc(1, sizeof *esp);
    if (!esp) {
        offload_err_set(err, -ENOMEM, "esp", NULL, "no memory");
        return NULL;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    esp->device = -1;
    esp->spi[OUT] = htonl((uint32_t)p->spi_out);
    esp->spi[IN] = htonl((uint32_t)p->spi_in);
    esp->esn = p->esn;
    esp->replay.window = p->replay_window;
    esp->next_iv = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    if (fn_state_init(&esp->state, &kind, NULL, 0, env, err) == 0 &&
        tunnel_init(&esp->tunnel, &p->tunnel, err) == 0 &&
        open_device(esp, device_names[p->device], err) == 0 &&
        open_session(esp, OUT, p->key_out_file, err) == 0 &&
        open_session(esp, IN, p->key_in_file, err) == 0)
        return esp;
    esp_destroy(esp);
    return NULL;
}

// -- Worker --

static struct op_private *
private_of(struct rte_crypto_op *op)
{
    return rte_crypto_op_ctod_offset(op, struct op_private *, NONCE_OFFSET);
}

// The operation over 'bytes' at 'offset', which the ICV follows.
static void
fill_op(const struct esp *esp, struct rte_crypto_op *op, unsigned way, struct rte_mbuf *pkt,
        uint32_t offset, uint32_t bytes, const uint8_t *iv, uint64_t number)
{
    struct op_private *private = private_of(op);
    uint32_t high = htonl((uint32_t)(number >> 32)), low = htonl((uint32_t)number);
    memcpy(private->nonce, esp->salt[way], SALT_BYTES);
    memcpy(private->nonce + SALT_BYTES, iv, IV_BYTES);
    // RFC 4106, 5: SPI and sequence number, all 64 bits of it if extended.
    store32(private->aad, esp->spi[way]);
    store32(private->aad + 4, esp->esn ? high : low);
    store32(private->aad + 8, low);
    private->number = number;
    struct rte_crypto_sym_op *sym = op->sym;
    sym->m_src = pkt;
    sym->m_dst = NULL;
    sym->aead.data.offset = offset;
    sym->aead.data.length = bytes;
    sym->aead.digest.data = rte_pktmbuf_mtod_offset(pkt, uint8_t *, offset + bytes);
    sym->aead.digest.phys_addr = rte_pktmbuf_iova_offset(pkt, offset + bytes);
    sym->aead.aad.data = private->aad;
    sym->aead.aad.phys_addr =
        rte_crypto_op_ctophys_offset(op, NONCE_OFFSET + offsetof(struct op_private, aad));
    rte_crypto_op_attach_sym_session(op, esp->session[way]);
}

// Length of the IP packet, of which no byte lies beyond the frame; 0: it is none.
static uint32_t
inner_bytes(struct rte_mbuf *pkt)
{
    const struct pkt_meta *meta = pkt_meta(pkt);
    const uint8_t *ip = rte_pktmbuf_mtod_offset(pkt, const uint8_t *, meta->l3_offset);
    if (meta->key.ip_version == 0 || pkt->nb_segs != 1)
        return 0;
    uint32_t bytes =
        meta->key.ip_version == 4 ? ntohs(load16(ip + 2)) : ntohs(load16(ip + 4)) + 40u;
    return meta->l3_offset + bytes <= rte_pktmbuf_data_len(pkt) ? bytes : 0;
}

// [L2][IP packet] becomes [L2][outer IP][ESP][IV][IP packet][padding][length, next header][ICV]. The
// L2 header stays; its type becomes IPv4.
static int
prepare_out(struct esp *esp, struct rte_mbuf *pkt, struct rte_crypto_op *op)
{
    struct pkt_meta *meta = pkt_meta(pkt);
    uint16_t l2 = meta->l3_offset;
    uint32_t inner = inner_bytes(pkt);
    if (inner == 0 || meta->flags & PKT_INNER)
        return DROP_UNSUPPORTED;
    uint32_t pad = (4 - (inner + 2) % 4) % 4, cipher = inner + pad + 2;
    uint32_t outer = HEAD_BYTES + cipher + ICV_BYTES;
    if (outer > esp->tunnel.mtu)
        return DROP_TOO_LONG;
    if (esp->sent == (esp->esn ? UINT64_MAX : UINT32_MAX))
        return DROP_SEQUENCE;
    const uint8_t *ip = rte_pktmbuf_mtod_offset(pkt, const uint8_t *, l2);
    uint8_t class = tunnel_outer_class(&esp->tunnel, ip, meta->key.ip_version);
    bool whole = meta->key.ip_version == 6 || load16(ip + 6) & htons(TUNNEL_DF);
    rte_pktmbuf_trim(pkt, (uint16_t)(rte_pktmbuf_data_len(pkt) - l2 - inner));
    if (rte_pktmbuf_headroom(pkt) < HEAD_BYTES ||
        rte_pktmbuf_tailroom(pkt) < pad + 2 + ICV_BYTES)
        return DROP_ROOM;
    uint8_t *tail = (uint8_t *)rte_pktmbuf_append(pkt, (uint16_t)(pad + 2 + ICV_BYTES));
    for (uint32_t i = 0; i < pad; i++)
        tail[i] = (uint8_t)(i + 1);
    tail[pad] = (uint8_t)pad;
    tail[pad + 1] = meta->key.ip_version == 4 ? NEXT_IPV4 : NEXT_IPV6;
    uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(pkt, HEAD_BYTES);
    memmove(frame, frame + HEAD_BYTES, l2);
    store16(frame + l2 - 2, htons(RTE_ETHER_TYPE_IPV4));
    tunnel_write_ipv4(&esp->tunnel, frame + l2, (uint16_t)outer, IPPROTO_ESP, class, whole);
    uint8_t *header = frame + l2 + TUNNEL_IPV4_BYTES;
    uint64_t number = ++esp->sent, iv = rte_cpu_to_be_64(esp->next_iv++);
    store32(header, esp->spi[OUT]);
    store32(header + 4, htonl((uint32_t)number));
    memcpy(header + ESP_BYTES, &iv, IV_BYTES);
    fill_op(esp, op, OUT, pkt, (uint32_t)l2 + HEAD_BYTES, cipher, header + ESP_BYTES, number);
    return FN_PASS;
}

static int
finish_out(struct esp *esp, struct rte_mbuf *pkt)
{
    tunnel_write_meta(&esp->tunnel, pkt, pkt_meta(pkt)->l3_offset, IPPROTO_ESP, 0, 0);
    return FN_PASS;
}

static int
prepare_in(struct esp *esp, struct rte_mbuf *pkt, struct rte_crypto_op *op)
{
    const struct pkt_meta *meta = pkt_meta(pkt);
    const struct pkt_key *key = &meta->key;
    uint32_t bytes = inner_bytes(pkt), l3 = meta->l3_offset;
    const uint8_t *ip = rte_pktmbuf_mtod_offset(pkt, const uint8_t *, l3);
    if (bytes == 0 || key->ip_version != 4 || key->proto != IPPROTO_ESP ||
        meta->flags & PKT_FRAGMENT || key->src[0] != esp->tunnel.remote ||
        key->dst[0] != esp->tunnel.local)
        return DROP_UNSUPPORTED;
    uint32_t head = (ip[0] & 15) * 4u + ESP_BYTES + IV_BYTES;
    if (bytes < head + 4 + ICV_BYTES || (bytes - head - ICV_BYTES) % 4 != 0)
        return DROP_MALFORMED;
    const uint8_t *header = ip + head - ESP_BYTES - IV_BYTES;
    if (load32(header) != esp->spi[IN])
        return DROP_UNSUPPORTED;
    uint64_t number = replay_number(&esp->replay, ntohl(load32(header + 4)), esp->esn);
    if (!replay_is_fresh(&esp->replay, number))
        return DROP_REPLAY;
    fill_op(esp, op, IN, pkt, l3 + head, bytes - head - ICV_BYTES, header + ESP_BYTES, number);
    return FN_PASS;
}

// The packet has proved genuine.
static int
finish_in(struct esp *esp, struct rte_mbuf *pkt, const struct rte_crypto_op *op, uint64_t number)
{
    if (!replay_is_fresh(&esp->replay, number)) // twice in one burst
        return DROP_REPLAY;
    replay_take(&esp->replay, number);
    uint32_t at = op->sym->aead.data.offset, cipher = op->sym->aead.data.length;
    uint16_t l2 = pkt_meta(pkt)->l3_offset;
    uint8_t *frame = rte_pktmbuf_mtod(pkt, uint8_t *);
    uint8_t *inner = frame + at, pad = inner[cipher - 2], next = inner[cipher - 1];
    uint8_t class = frame[l2 + 1];
    if (pad + 2u > cipher || (next != NEXT_IPV4 && next != NEXT_IPV6))
        return DROP_MALFORMED; // a dummy packet (RFC 4303, 2.6) too
    for (uint8_t i = 0; i < pad; i++)
        if (inner[cipher - 2 - pad + i] != i + 1)
            return DROP_MALFORMED;
    uint32_t whole = at + cipher - 2 - pad;
    rte_pktmbuf_trim(pkt, (uint16_t)(rte_pktmbuf_data_len(pkt) - whole));
    memmove(inner - l2, frame, l2);
    rte_pktmbuf_adj(pkt, (uint16_t)(at - l2));
    store16(inner - 2, htons(next == NEXT_IPV4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6));
    if (!parse_again(pkt) || pkt_meta(pkt)->key.ip_version == 0)
        return DROP_MALFORMED;
    return tunnel_take_congestion(class, inner, pkt_meta(pkt)->key.ip_version) ? FN_PASS
                                                                              : DROP_CONGESTION;
}

// Gives 'n' operations to the device and takes back what it has done, in any order, into 'done' by
// place. What it does not give back in time it keeps: those packets are lost to this burst.
static void
run_device(struct esp *esp, struct rte_crypto_op **ops, unsigned n, struct rte_crypto_op **done)
{
    uint8_t device = (uint8_t)esp->device;
    unsigned given = rte_cryptodev_enqueue_burst(device, 0, ops, (uint16_t)n), back = 0;
    for (unsigned i = 0; i < POLLS_MOST && back < given; i++) {
        struct rte_crypto_op *some[FN_AHEAD];
        unsigned got = rte_cryptodev_dequeue_burst(device, 0, some, (uint16_t)(given - back));
        for (unsigned k = 0; k < got; k++)
            done[private_of(some[k])->place] = some[k];
        back += got;
    }
    for (unsigned i = given; i < n; i++) { // not taken
        ops[i]->status = RTE_CRYPTO_OP_STATUS_ERROR;
        done[private_of(ops[i])->place] = ops[i];
    }
    esp->late += given - back;
}

static uint16_t
serve(struct esp *esp, struct rte_mbuf **pkts, uint16_t n, bool enters, struct rte_mbuf **kept)
{
    struct rte_crypto_op *ops[FN_AHEAD], *used[FN_AHEAD], *done[FN_AHEAD] = {0};
    bool waits[FN_AHEAD] = {0};
    unsigned n_used = 0;
    uint16_t n_kept = 0;
    if (rte_crypto_op_bulk_alloc(esp->ops, RTE_CRYPTO_OP_TYPE_SYMMETRIC, ops, n) == 0) {
        for (uint16_t i = 0; i < n; i++)
            fn_drop(&esp->state, DROP_DEVICE, pkts[i]);
        return 0;
    }
    for (uint16_t i = 0; i < n; i++) {
        int cause = enters ? prepare_out(esp, pkts[i], ops[i]) : prepare_in(esp, pkts[i], ops[i]);
        if (unlikely(cause != FN_PASS)) {
            fn_drop(&esp->state, cause, pkts[i]);
            rte_crypto_op_free(ops[i]);
            continue;
        }
        private_of(ops[i])->place = i;
        waits[i] = true;
        used[n_used++] = ops[i];
    }
    if (n_used == 0)
        return 0;
    run_device(esp, used, n_used, done);
    for (uint16_t i = 0; i < n; i++) {
        struct rte_crypto_op *op = done[i];
        if (!waits[i] || !op)
            continue; // dropped already, or the device has it
        int cause = FN_PASS;
        if (op->status == RTE_CRYPTO_OP_STATUS_SUCCESS)
            cause = enters ? finish_out(esp, pkts[i])
                           : finish_in(esp, pkts[i], op, private_of(op)->number);
        else
            cause = op->status == RTE_CRYPTO_OP_STATUS_AUTH_FAILED ? DROP_AUTHENTICATION
                                                                   : DROP_DEVICE;
        rte_crypto_op_free(op);
        if (likely(cause == FN_PASS))
            kept[n_kept++] = pkts[i];
        else
            fn_drop(&esp->state, cause, pkts[i]);
    }
    return n_kept;
}

static uint16_t
esp_process(void *state, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir, uint64_t now_cycles)
{
    (void)now_cycles;
    struct esp *esp = state;
    bool enters = tunnel_enters(&esp->tunnel, dir);
    uint16_t kept = 0;
    if (unlikely(esp->late > 0))
        take_late(esp);
    for (uint16_t from = 0; from < n; from = (uint16_t)(from + FN_AHEAD)) {
        uint16_t some = (uint16_t)RTE_MIN(n - from, FN_AHEAD);
        kept = (uint16_t)(kept + serve(esp, pkts + from, some, enters, pkts + kept));
    }
    esp->dirty = true;
    return kept;
}

static unsigned
esp_outside_match(const void *state, struct offload_match *out, unsigned max)
{
    const struct esp *esp = state;
    if (max < 1 || esp->tunnel.inside)
        return 0;
    *out = (struct offload_match){.src_bits = 32,
                                  .dst_bits = 32,
                                  .ip_version = 4,
                                  .proto = IPPROTO_ESP,
                                  .sport_most = 65535,
                                  .dport_most = 65535,
                                  .vlan = OFFLOAD_ANY_VLAN,
                                  .vni = OFFLOAD_ANY_VNI,
                                  .in_port = OFFLOAD_PORT_OUTSIDE};
    store32(out->src, esp->tunnel.remote);
    store32(out->dst, esp->tunnel.local);
    return 1;
}

// -- State: one entry, which each packet changes --

static uint64_t
esp_entries(const void *state)
{
    (void)state;
    return 1;
}

static uint64_t
esp_dirty(const void *state)
{
    const struct esp *esp = state;
    return esp->tracked && esp->dirty;
}

// The entry: 0 SPI out u32, 4 SPI in u32 (as on the wire), 8 last number sent u64, 16 next IV u64,
// 24 highest number received u64, 32 zeros, 40 the words of the window.
static size_t
esp_export(void *state, uint64_t *cursor, void *buf, size_t size, unsigned flags,
           uint64_t now_cycles)
{
    (void)now_cycles;
    struct esp *esp = state;
    uint8_t *to = buf;
    if (flags & (FN_EXPORT_STOP | FN_EXPORT_TRACK)) {
        esp->tracked = !(flags & FN_EXPORT_STOP);
        esp->dirty = false;
        return 0;
    }
    bool due = flags & FN_EXPORT_DIRTY ? esp->dirty : *cursor == 0;
    if (!due || size < ENTRY_BYTES)
        return 0;
    esp->tracked = true;
    esp->dirty = false;
    *cursor = 1;
    memset(to, 0, ENTRY_BYTES);
    store32(to, esp->spi[OUT]);
    store32(to + 4, esp->spi[IN]);
    fn_put64(to + 8, esp->sent);
    fn_put64(to + 16, esp->next_iv);
    fn_put64(to + 24, esp->replay.top);
    for (unsigned i = 0; i < REPLAY_WORDS; i++)
        fn_put64(to + 40 + 8 * i, esp->replay.seen[i]);
    return ENTRY_BYTES;
}

// Numbers only go forward: whoever sends an old state cannot have a nonce or a packet used twice.
static int
import_entry(void *state, const uint8_t *from, uint64_t now_cycles, struct offload_err *err)
{
    (void)now_cycles;
    struct esp *esp = state;
    uint64_t sent = fn_get64(from + 8), next_iv = fn_get64(from + 16), top = fn_get64(from + 24);
    if (fn_get64(from + 32) != 0 || (!esp->esn && (sent > UINT32_MAX || top > UINT32_MAX)))
        return offload_err_set(err, -EBADMSG, "esp", NULL, "an entry is malformed");
    if (load32(from) != esp->spi[OUT] || load32(from + 4) != esp->spi[IN])
        return offload_err_set(err, -EBADMSG, "esp", "use equal parameters at both ends",
                               "an entry is of another security association");
    esp->sent = RTE_MAX(esp->sent, sent);
    esp->next_iv = RTE_MAX(esp->next_iv, next_iv);
    if (top < esp->replay.top)
        return 0;
    for (unsigned i = 0; i < REPLAY_WORDS; i++)
        esp->replay.seen[i] = fn_get64(from + 40 + 8 * i) | (top == esp->replay.top ? esp->replay.seen[i] : 0);
    esp->replay.top = top;
    return 0;
}

static int
esp_import(void *state, const void *buf, size_t len, uint64_t now_cycles, struct offload_err *err)
{
    if (len % ENTRY_BYTES)
        return offload_err_set(err, -EBADMSG, "esp", NULL, "%zu bytes are no whole entries", len);
    for (size_t at = 0; at < len; at += ENTRY_BYTES) {
        int rc = import_entry(state, (const uint8_t *)buf + at, now_cycles, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static const struct fn_kind kind = {
    .name = "esp",
    .entry_bytes = ENTRY_BYTES,
    .n_drops = N_DROPS,
    .drop_names = drop_names,
};

extern const struct fn_ops fn_esp;
const struct fn_ops fn_esp = {
    .name = "esp",
    .help = "IPsec ESP tunnel with AES-GCM, by a crypto device (RFC 4303, 4106)",
    .params = esp_options,
    .params_bytes = sizeof(struct esp_params),
    .entry_bytes = ENTRY_BYTES,
    .create = esp_create,
    .destroy = esp_destroy,
    .process = esp_process,
    .outside_match = esp_outside_match,
    .entries = esp_entries,
    .state_bytes = fn_state_bytes,
    .export = esp_export,
    .dirty = esp_dirty,
    .import = esp_import,
    .counters = fn_state_counters,
};
