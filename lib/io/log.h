// SPDX-License-Identifier: Apache-2.0
// One log call for code that runs in several hosts: collectd's plugin_log, DPDK's rte_log, OVS's
// vlog or stderr stand behind it. Levels: error, someone must act; warning, we carry on and say
// how; notice, a state changed; info, a tick; debug, a decision.
#pragma once

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

typedef void log_sink_fn(enum log_level level, const char *text);

// Where lines go from now on; NULL: stderr. Call before threads start.
void log_set_sink(log_sink_fn *sink);
void log_set_level(enum log_level most);
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
