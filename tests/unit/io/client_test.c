// SPDX-License-Identifier: Apache-2.0
// The waiting client against peers that are absent, silent, dying or talkative: plain sockets that
// do exactly what each test says.
#include "tests/unit/unit.h"

#include "lib/io/client_blocking.h"
#include "lib/io/clock.h"
#include "lib/rpc/frame.h"

#include <json-c/json.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[64], path[96];

static int
setup(UNUSED void **state)
{
    snprintf(dir, sizeof dir, "/tmp/offload-client-test-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/sock", dir);
    return 0;
}

static int
teardown(UNUSED void **state)
{
    unlink(path);
    return rmdir(dir);
}

static int
listen_at_path(int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.95s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int
call(struct rpc_client *client, struct json_object **result, struct offload_err *err)
{
    *err = (struct offload_err){0};
    return rpc_client_call(client, "hello", NULL, result, err);
}

static void
absent_server_is_named(UNUSED void **state)
{
    struct offload_err err;
    struct rpc_client *client = rpc_client_create(path, 1000);
    assert_int_equal(call(client, NULL, &err), -ENOENT);
    assert_string_equal(err.where, path);
    close(listen_at_path(1));
    assert_int_equal(call(client, NULL, &err), -ECONNREFUSED);
    assert_string_equal(err.expected, "start the daemon that serves it");
    rpc_client_destroy(client);
    rpc_client_destroy(NULL);
}

static void
path_too_long_for_a_socket_is_refused(UNUSED void **state)
{
    char longest[200];
    struct offload_err err;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct rpc_client *client = rpc_client_create(longest, 1000);
    assert_int_equal(call(client, NULL, &err), -ENAMETOOLONG);
    rpc_client_destroy(client);
}

// The peer accepts, as the kernel does it, and never answers.
static void
silent_server_times_out_as_a_whole(UNUSED void **state)
{
    struct offload_err err;
    int listening = listen_at_path(8);
    struct rpc_client *client = rpc_client_create(path, 100);
    uint64_t before = clock_monotonic_ns();
    assert_int_equal(call(client, NULL, &err), -ETIMEDOUT);
    uint64_t took_ns = clock_monotonic_ns() - before;
    assert_true(took_ns >= 100 * UINT64_C(1000000));
    assert_true(took_ns < 5000 * UINT64_C(1000000)); // a loaded machine is slow, not that slow
    assert_string_equal(err.text, "no answer within 100 ms");
    rpc_client_destroy(client);
    close(listening);
}

// connect() to a Unix socket whose queue is full does not wait by poll().
static void
full_queue_times_out_too(UNUSED void **state)
{
    struct offload_err err;
    int listening = listen_at_path(0);
    struct rpc_client *first = rpc_client_create(path, 10), *second = rpc_client_create(path, 50);
    assert_int_equal(call(first, NULL, &err), -ETIMEDOUT); // stays in the queue, though closed
    assert_int_equal(call(second, NULL, &err), -ETIMEDOUT);
    rpc_client_destroy(first);
    rpc_client_destroy(second);
    close(listening);
}

// A server of one thread: for each connection in turn, each line that comes is answered by the next
// of 'answers'; an empty one closes the connection instead.
struct script {
    int listening;
    const char *const *answers;
    unsigned n_connections;
};

static bool
read_request(int fd)
{
    char c = 0;
    while (c != '\n') {
        if (recv(fd, &c, 1, 0) != 1)
            return false;
    }
    return true;
}

static void *
run_script(void *arg)
{
    struct script *script = arg;
    const char *const *answer = script->answers;
    while (*answer) {
        int fd = accept(script->listening, NULL, NULL);
        script->n_connections++;
        while (*answer && read_request(fd)) {
            const char *text = *answer++;
            if (!*text)
                break;
            assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
        }
        close(fd);
    }
    return NULL;
}

static pthread_t
start(struct script *script)
{
    pthread_t thread;
    script->listening = listen_at_path(8);
    assert_int_equal(pthread_create(&thread, NULL, run_script, script), 0);
    return thread;
}

static void
finish(struct script *script, pthread_t thread)
{
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(script->listening);
}

static void
notifications_and_foreign_answers_are_passed_over(UNUSED void **state)
{
    static const char *const answers[] = {
        "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{}}\n"
        "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{\"n\":77}}\n"
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"n\":1}}\n"
        "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"par",
        "ams\":{}}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"n\":2}}\n", NULL};
    struct script script = {.answers = answers};
    pthread_t thread = start(&script);
    struct rpc_client *client = rpc_client_create(path, 10000);
    for (int i = 1; i <= 2; i++) {
        struct json_object *result, *n;
        struct offload_err err;
        assert_int_equal(call(client, &result, &err), 0);
        assert_true(json_object_object_get_ex(result, "n", &n));
        assert_int_equal(json_object_get_int(n), i);
        json_object_put(result);
    }
    rpc_client_destroy(client);
    finish(&script, thread);
    assert_int_equal(script.n_connections, 1);
}

// The server restarted between two calls: the caller does not notice.
static void
dead_kept_connection_is_replaced_once(UNUSED void **state)
{
    static const char *const answers[] = {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n",
                                          "",
                                          "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n",
                                          "",
                                          "",
                                          NULL};
    struct script script = {.answers = answers};
    struct offload_err err;
    pthread_t thread = start(&script);
    struct rpc_client *client = rpc_client_create(path, 10000);
    assert_int_equal(call(client, NULL, &err), 0);
    assert_int_equal(call(client, NULL, &err), 0);
    assert_int_equal(script.n_connections, 2);
    // Closed on the kept connection, and on the new one: not tried for ever.
    assert_int_equal(call(client, NULL, &err), -ECONNRESET);
    finish(&script, thread);
    assert_int_equal(script.n_connections, 3);
    rpc_client_destroy(client);
}

static void
fresh_connection_that_dies_is_not_replaced(UNUSED void **state)
{
    static const char *const answers[] = {"", NULL};
    struct script script = {.answers = answers};
    struct offload_err err;
    pthread_t thread = start(&script);
    struct rpc_client *client = rpc_client_create(path, 10000);
    assert_int_equal(call(client, NULL, &err), -ECONNRESET);
    rpc_client_destroy(client);
    finish(&script, thread);
}

// Half an answer means that the request was seen, perhaps done: repeating it is the caller's
// decision.
static void
half_an_answer_is_not_tried_again(UNUSED void **state)
{
    static const char *const answers[] = {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n",
                                          "{\"jsonrpc\":\"2.0\",\"id\":2,\"re", NULL};
    struct script script = {.answers = answers};
    struct offload_err err;
    pthread_t thread = start(&script);
    struct rpc_client *client = rpc_client_create(path, 10000);
    assert_int_equal(call(client, NULL, &err), 0);
    assert_int_equal(call(client, NULL, &err), -ECONNRESET);
    rpc_client_destroy(client);
    finish(&script, thread);
    assert_int_equal(script.n_connections, 1);
}

// What is left of a dead connection is not the beginning of the next one's answer.
static void
leftover_of_a_dead_connection_is_dropped(UNUSED void **state)
{
    static const char *const answers[] = {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n{\"json",
                                          "", "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n",
                                          NULL};
    struct script script = {.answers = answers};
    struct offload_err err;
    pthread_t thread = start(&script);
    struct rpc_client *client = rpc_client_create(path, 10000);
    assert_int_equal(call(client, NULL, &err), 0);
    assert_int_equal(call(client, NULL, &err), 0);
    rpc_client_destroy(client);
    finish(&script, thread);
    assert_int_equal(script.n_connections, 2);
}

static void
answer_that_is_no_json_is_a_protocol_error(UNUSED void **state)
{
    static const char *const answers[] = {"hello\n",
                                          "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n", NULL};
    struct script script = {.answers = answers};
    struct offload_err err;
    pthread_t thread = start(&script);
    struct rpc_client *client = rpc_client_create(path, 10000);
    assert_int_equal(call(client, NULL, &err), -EPROTO);
    // What else the peer had to say is gone with that connection.
    assert_int_equal(call(client, NULL, &err), 0);
    rpc_client_destroy(client);
    finish(&script, thread);
    assert_int_equal(script.n_connections, 2);
}

static void
answer_longer_than_a_line_is_refused(UNUSED void **state)
{
    size_t len = RPC_LINE_MAX + 10;
    char *text = malloc(len + 2);
    memset(text, ' ', len);
    memcpy(text + len, "\n", 2);
    const char *answers[] = {text, NULL};
    struct script script = {.answers = answers};
    struct offload_err err;
    pthread_t thread = start(&script);
    struct rpc_client *client = rpc_client_create(path, 10000);
    assert_int_equal(call(client, NULL, &err), -EPROTO);
    assert_string_equal(err.text, "the answer is longer than 1048576 bytes");
    rpc_client_destroy(client);
    finish(&script, thread);
    free(text);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(absent_server_is_named),
        TEST(path_too_long_for_a_socket_is_refused),
        TEST(silent_server_times_out_as_a_whole),
        TEST(full_queue_times_out_too),
        TEST(notifications_and_foreign_answers_are_passed_over),
        TEST(dead_kept_connection_is_replaced_once),
        TEST(fresh_connection_that_dies_is_not_replaced),
        TEST(half_an_answer_is_not_tried_again),
        TEST(leftover_of_a_dead_connection_is_dropped),
        TEST(answer_that_is_no_json_is_a_protocol_error),
        TEST(answer_longer_than_a_line_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
