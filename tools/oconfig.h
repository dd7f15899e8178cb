// SPDX-License-Identifier: Apache-2.0
// collectd.conf as JSON, for commands that read a site's own configuration.
#pragma once

#include <offload/err.h>

struct json_object;

// Blocks become objects with their argument as "Name", in an array under their kind; an option
// becomes its value, or an array where it has several; an option that comes again keeps the last.
// All words are strings, but numbers, true and false. The errors name file and line. A new
// reference, or NULL.
struct json_object *oconfig_read(const char *path, struct offload_err *err);
