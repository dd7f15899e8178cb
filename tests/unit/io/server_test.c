// SPDX-License-Identifier: Apache-2.0
// The server in a thread of its own, as the manager runs it, over a real Unix socket: peers that
// send rubbish, too much, or too many; that do not read, and that go in the middle of an answer.
#include "tests/unit/unit.h"

#include "lib/io/client_blocking.h"
#include "lib/io/log.h"
#include "lib/io/server_libevent.h"
#include "lib/rpc/frame.h"

#include <event2/event.h>
#include <json-c/json.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 20000, // for what must happen, on a machine that is busy
    BIG_BYTES = 500000,
    TIMEOUT_MS = 10000,
};

struct host {
    char dir[64], path[96];
    struct event_base *base;
    struct rpc_server *server;
    struct event *stop;
    int stop_pipe[2];
    int closed_pipe[2]; // a byte for each peer that went
    pthread_t thread;
    bool running;
};

static struct host host;

static int
echo(UNUSED void *ctx, UNUSED struct rpc_peer *peer, struct json_object *params,
     struct json_object **result, UNUSED struct offload_err *err)
{
    *result = json_object_get(params);
    return 0;
}

static int
big(UNUSED void *ctx, UNUSED struct rpc_peer *peer, UNUSED struct json_object *params,
    struct json_object **result, UNUSED struct offload_err *err)
{
    char *text = malloc(BIG_BYTES);
    memset(text, 'x', BIG_BYTES);
    *result = json_object_new_object();
    json_object_object_add(*result, "text", json_object_new_string_len(text, BIG_BYTES));
    free(text);
    return 0;
}

static int
refuse(UNUSED void *ctx, UNUSED struct rpc_peer *peer, UNUSED struct json_object *params,
       UNUSED struct json_object **result, struct offload_err *err)
{
    return offload_err_set(err, -ENOSPC, "card0.cpu_pct", "use at most 40",
                           "60 is more than is free");
}

static atomic_int slow_done;

static int
slow(UNUSED void *ctx, UNUSED struct rpc_peer *peer, UNUSED struct json_object *params,
     UNUSED struct json_object **result, UNUSED struct offload_err *err)
{
    const struct timespec work = {.tv_nsec = 1000000};
    nanosleep(&work, NULL);
    atomic_fetch_add(&slow_done, 1);
    return 0;
}

// Sends notifications until the backlog is full; the answer says how many went out.
static int
flood(UNUSED void *ctx, struct rpc_peer *peer, UNUSED struct json_object *params,
      struct json_object **result, UNUSED struct offload_err *err)
{
    int n = 0;
    for (bool sent = true; sent; n += sent) {
        struct json_object *object = NULL;
        big(NULL, NULL, NULL, &object, NULL);
        sent = rpc_server_notify(peer, "event", object);
    }
    *result = json_object_new_object();
    json_object_object_add(*result, "sent", json_object_new_int(n));
    return 0;
}

static const struct rpc_method methods[] = {
    {"echo", echo, "answers its parameters"},
    {"big", big, "answers half a megabyte"},
    {"refuse", refuse, "fails"},
    {"slow", slow, "takes its time"},
    {"flood", flood, "notifies until it cannot"},
    {NULL, NULL, NULL},
};

static void
on_stop(UNUSED evutil_socket_t fd, UNUSED short what, void *ctx)
{
    event_base_loopbreak(ctx);
}

static void
on_closed(void *ctx, UNUSED struct rpc_peer *peer)
{
    struct host *h = ctx;
    assert_int_equal(write(h->closed_pipe[1], "c", 1), 1);
}

static void
quiet(UNUSED enum log_level level, UNUSED const char *text)
{
}

static void *
run(void *arg)
{
    event_base_dispatch(arg);
    return NULL;
}

static int
setup(UNUSED void **state)
{
    host = (struct host){0};
    log_set_sink(quiet);
    snprintf(host.dir, sizeof host.dir, "/tmp/offload-server-test-XXXXXX");
    if (!mkdtemp(host.dir) || pipe2(host.stop_pipe, O_CLOEXEC) ||
        pipe2(host.closed_pipe, O_CLOEXEC))
        return -1;
    snprintf(host.path, sizeof host.path, "%s/sock", host.dir);
    host.base = event_base_new();
    host.server = rpc_server_create(host.base, methods, &host, on_closed);
    host.stop = event_new(host.base, host.stop_pipe[0], EV_READ, on_stop, host.base);
    event_add(host.stop, NULL);
    return 0;
}

static void
start(void)
{
    struct offload_err err = {0};
    assert_int_equal(rpc_server_listen_unix(host.server, host.path, 0660, &err), 0);
    assert_int_equal(pthread_create(&host.thread, NULL, run, host.base), 0);
    host.running = true;
}

static int
teardown(UNUSED void **state)
{
    if (host.running) {
        assert_int_equal(write(host.stop_pipe[1], "s", 1), 1);
        pthread_join(host.thread, NULL);
    }
    rpc_server_destroy(host.server);
    event_free(host.stop);
    event_base_free(host.base);
    for (int i = 0; i < 2; i++) {
        close(host.stop_pipe[i]);
        close(host.closed_pipe[i]);
    }
    return rmdir(host.dir); // fails if the socket file is still there
}

static int
connect_raw(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    snprintf(address.sun_path, sizeof address.sun_path, "%.95s", host.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    return fd;
}

static void
send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

// Reads up to the next line end. False at the end of the connection.
static bool
read_line(int fd, char *buf, size_t size)
{
    size_t used = 0;
    for (;;) {
        char c;
        ssize_t n = recv(fd, &c, 1, 0);
        if (n <= 0)
            return false;
        if (c == '\n')
            break;
        if (used + 1 < size)
            buf[used++] = c;
    }
    buf[used] = '\0';
    return true;
}

static void
wait_for_closed_peer(void)
{
    char c;
    struct pollfd pfd = {.fd = host.closed_pipe[0], .events = POLLIN};
    assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
    assert_int_equal(read(host.closed_pipe[0], &c, 1), 1);
}

static void
assert_server_answers(void)
{
    struct rpc_client *client = rpc_client_create(host.path, TIMEOUT_MS);
    assert_int_equal(rpc_client_call(client, "echo", NULL, NULL, NULL), 0);
    rpc_client_destroy(client);
    wait_for_closed_peer();
}

static void
client_gets_result_and_error(UNUSED void **state)
{
    struct offload_err err = {0};
    struct json_object *result = NULL, *params = json_object_new_object(), *app;
    start();
    struct rpc_client *client = rpc_client_create(host.path, TIMEOUT_MS);
    json_object_object_add(params, "app", json_object_new_string("nat1"));
    assert_int_equal(rpc_client_call(client, "echo", params, &result, &err), 0);
    assert_true(json_object_object_get_ex(result, "app", &app));
    assert_string_equal(json_object_get_string(app), "nat1");
    json_object_put(result);

    assert_int_equal(rpc_client_call(client, "refuse", NULL, NULL, &err), -ENOSPC);
    assert_string_equal(err.where, "card0.cpu_pct");
    assert_string_equal(err.text, "60 is more than is free");
    assert_string_equal(err.expected, "use at most 40");
    assert_int_equal(rpc_client_call(client, "big", NULL, NULL, &err), 0);
    rpc_client_destroy(client);
}

static void
malformed_json_is_answered_and_the_next_request_too(UNUSED void **state)
{
    char line[512];
    start();
    int fd = connect_raw();
    send_text(
        fd,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\n\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\"}\r\n");
    assert_true(read_line(fd, line, sizeof line));
    assert_non_null(strstr(line, "\"code\":-32700"));
    assert_non_null(strstr(line, "\"path\":\"request:1:"));
    assert_true(read_line(fd, line, sizeof line));
    assert_string_equal(line, "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":2}");
    close(fd);
}

static void
oversized_line_is_answered_and_the_next_request_too(UNUSED void **state)
{
    char line[512];
    size_t len = 3 * RPC_LINE_MAX;
    char *rubbish = malloc(len + 1);
    memset(rubbish, '[', len);
    rubbish[len] = '\0';
    start();
    int fd = connect_raw();
    send_text(fd, rubbish);
    send_text(fd, "\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\"}\n");
    assert_true(read_line(fd, line, sizeof line));
    assert_non_null(strstr(line, "\"code\":-32600,\"message\":\"the request is too long; "
                                 "send at most 1048576 bytes a line\""));
    assert_true(read_line(fd, line, sizeof line));
    assert_string_equal(line, "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":2}");
    close(fd);
    free(rubbish);
}

// A line may come byte by byte, and many at once.
static void
requests_may_come_in_pieces_and_in_heaps(UNUSED void **state)
{
    static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n";
    char line[512];
    start();
    int fd = connect_raw();
    for (size_t i = 0; i < sizeof request - 1; i++)
        assert_int_equal(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
    assert_true(read_line(fd, line, sizeof line));
    for (int i = 0; i < 500; i++)
        send_text(fd, request);
    for (int i = 0; i < 500; i++)
        assert_true(read_line(fd, line, sizeof line));
    close(fd);
}

// It is given no more than it reads, and goes when it reads nothing for long.
static void
peer_that_reads_nothing_is_closed(UNUSED void **state)
{
    static char bytes[65536];
    rpc_server_set_stall(host.server, 200);
    start();
    int fd = connect_raw();
    for (int i = 0; i < SERVER_BACKLOG_MAX / BIG_BYTES + 4; i++)
        send(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"big\"}\n", 40, MSG_NOSIGNAL);
    wait_for_closed_peer();
    size_t got = 0;
    for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;)
        got += (size_t)n;
    assert_true(got < SERVER_UNREAD_MAX + 2 * BIG_BYTES);
    close(fd);
    assert_server_answers();
}

// Answers that wait stop the peer's requests, not the peer.
static void
peer_that_reads_late_gets_every_answer(UNUSED void **state)
{
    static char bytes[65536];
    enum { ASKED = 2 * SERVER_BACKLOG_MAX / BIG_BYTES };
    start();
    int fd = connect_raw();
    for (int i = 0; i < ASKED; i++)
        send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"big\"}\n");
    assert_server_answers();
    int lines = 0;
    while (lines < ASKED) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            lines += bytes[i] == '\n';
    }
    close(fd);
}

// Peers that ask for much wait for each other; who asks for little does not wait for all of them.
static void
small_request_does_not_wait_for_heaps_of_big_ones(UNUSED void **state)
{
    enum { GREEDY = 8, HEAP = 100 };
    char line[512];
    int fds[GREEDY];
    start();
    for (int i = 0; i < GREEDY; i++) {
        fds[i] = connect_raw();
        for (int k = 0; k < HEAP; k++)
            send_text(fds[i], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"slow\"}\n");
    }
    int fd = connect_raw();
    for (int k = 0; k < 3; k++) {
        send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\"}\n");
        assert_true(read_line(fd, line, sizeof line));
    }
    assert_true(atomic_load(&slow_done) < GREEDY * HEAP / 2);
    close(fd);
    for (int i = 0; i < GREEDY; i++)
        close(fds[i]);
}

static void
connections_of_one_user_are_bounded(UNUSED void **state)
{
    char line[512];
    int fds[3];
    rpc_server_set_peers_max(host.server, 10, 3);
    start();
    for (int i = 0; i < 3; i++) {
        fds[i] = connect_raw();
        send_text(fds[i], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n");
        assert_true(read_line(fds[i], line, sizeof line));
    }
    int extra = connect_raw();
    assert_true(read_line(extra, line, sizeof line));
    assert_non_null(strstr(line, "too many connections of one user"));
    close(extra);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void
notifications_stop_at_the_backlog_and_the_peer_stays(UNUSED void **state)
{
    struct json_object *result = NULL, *sent;
    start();
    struct rpc_client *client = rpc_client_create(host.path, TIMEOUT_MS);
    assert_int_equal(rpc_client_call(client, "flood", NULL, &result, NULL), 0);
    assert_true(json_object_object_get_ex(result, "sent", &sent));
    assert_int_equal(json_object_get_int(sent), SERVER_BACKLOG_MAX / (BIG_BYTES + 60));
    json_object_put(result);
    assert_int_equal(rpc_client_call(client, "echo", NULL, NULL, NULL), 0);
    rpc_client_destroy(client);
}

// libevent writes without MSG_NOSIGNAL: this would kill a process that has not seen to it.
static void
peer_that_goes_in_the_middle_of_answers_harms_nobody(UNUSED void **state)
{
    start();
    for (int round = 0; round < 20; round++) {
        int fd = connect_raw();
        for (int i = 0; i < 5; i++)
            send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"big\"}\n");
        close(fd);
        wait_for_closed_peer();
    }
    assert_server_answers();
}

// As `nc -N` and `socat -u` do.
static void
peer_that_stops_sending_still_gets_its_answers(UNUSED void **state)
{
    char line[64];
    start();
    int fd = connect_raw();
    for (int i = 0; i < 4; i++)
        send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"big\"}\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    for (int i = 0; i < 4; i++)
        assert_true(read_line(fd, line, sizeof line));
    assert_false(read_line(fd, line, sizeof line));
    close(fd);
    wait_for_closed_peer();
}

static void
connections_beyond_the_limit_are_refused_until_one_goes(UNUSED void **state)
{
    char line[512];
    int fds[SERVER_PEERS_MAX];
    start();
    for (int i = 0; i < SERVER_PEERS_MAX; i++) {
        fds[i] = connect_raw();
        send_text(fds[i], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n");
        assert_true(read_line(fds[i], line, sizeof line));
    }
    for (int i = 0; i < 20; i++) {
        int extra = connect_raw();
        assert_true(read_line(extra, line, sizeof line));
        assert_non_null(strstr(line, "\"code\":-32004"));
        assert_false(read_line(extra, line, sizeof line));
        close(extra);
    }
    // The blocking client says it in its own words.
    struct offload_err err = {0};
    struct rpc_client *client = rpc_client_create(host.path, TIMEOUT_MS);
    assert_int_equal(rpc_client_call(client, "echo", NULL, NULL, &err), -EBUSY);
    close(fds[0]);
    wait_for_closed_peer();
    assert_int_equal(rpc_client_call(client, "echo", NULL, NULL, &err), 0);
    rpc_client_destroy(client);
    for (int i = 1; i < SERVER_PEERS_MAX; i++)
        close(fds[i]);
}

static void
socket_has_its_mode_whatever_the_umask(UNUSED void **state)
{
    struct stat st;
    mode_t before = umask(0177);
    start();
    umask(before);
    assert_int_equal(stat(host.path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0660);
}

// Binds the server's path without listening, as a process leaves it that was killed.
static void
leave_dead_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.95s", host.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

static void
socket_of_a_dead_process_is_replaced(UNUSED void **state)
{
    leave_dead_socket();
    start();
    assert_server_answers();
}

static void
socket_that_is_served_is_left_alone(UNUSED void **state)
{
    struct offload_err err = {0};
    start();
    struct event_base *base = event_base_new();
    struct rpc_server *second = rpc_server_create(base, methods, NULL, NULL);
    assert_int_equal(rpc_server_listen_unix(second, host.path, 0660, &err), -EADDRINUSE);
    assert_string_equal(err.where, host.path);
    assert_string_equal(err.text, "another process serves this socket");
    rpc_server_destroy(second);
    event_base_free(base);
    wait_for_closed_peer(); // the probe
    assert_server_answers();
}

static void
file_that_is_no_socket_is_left_alone(UNUSED void **state)
{
    struct offload_err err = {0};
    int fd = open(host.path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(rpc_server_listen_unix(host.server, host.path, 0660, &err), -EEXIST);
    assert_int_equal(unlink(host.path), 0);
}

static void
impossible_paths_are_refused(UNUSED void **state)
{
    struct offload_err err = {0};
    char longest[200];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(rpc_server_listen_unix(host.server, longest, 0660, &err), -ENAMETOOLONG);
    assert_int_equal(rpc_server_listen_unix(host.server, "/nonexistent/sock", 0660, &err), -ENOENT);
    assert_string_equal(err.where, "/nonexistent/sock");
}

// A successor has taken the path over: its socket file is not ours to unlink.
static void
destroy_leaves_a_successors_socket(UNUSED void **state)
{
    start();
    assert_int_equal(unlink(host.path), 0);
    leave_dead_socket();
    assert_int_equal(write(host.stop_pipe[1], "s", 1), 1);
    pthread_join(host.thread, NULL);
    host.running = false;
    rpc_server_destroy(host.server);
    host.server = NULL;
    assert_int_equal(unlink(host.path), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(client_gets_result_and_error),
        TEST(malformed_json_is_answered_and_the_next_request_too),
        TEST(oversized_line_is_answered_and_the_next_request_too),
        TEST(requests_may_come_in_pieces_and_in_heaps),
        TEST(peer_that_reads_nothing_is_closed),
        TEST(peer_that_reads_late_gets_every_answer),
        TEST(small_request_does_not_wait_for_heaps_of_big_ones),
        TEST(connections_of_one_user_are_bounded),
        TEST(notifications_stop_at_the_backlog_and_the_peer_stays),
        TEST(peer_that_goes_in_the_middle_of_answers_harms_nobody),
        TEST(peer_that_stops_sending_still_gets_its_answers),
        TEST(connections_beyond_the_limit_are_refused_until_one_goes),
        TEST(socket_has_its_mode_whatever_the_umask),
        TEST(socket_of_a_dead_process_is_replaced),
        TEST(socket_that_is_served_is_left_alone),
        TEST(file_that_is_no_socket_is_left_alone),
        TEST(impossible_paths_are_refused),
        TEST(destroy_leaves_a_successors_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
