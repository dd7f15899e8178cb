// SPDX-License-Identifier: Apache-2.0
// The tables that several commands print: cards, applications, migrations, allocations.
#pragma once

#include "tools/table.h"

struct json_object;

// Each makes a table (caller: table_destroy) of the rows of doc/manager-api.md; 'rows' may be NULL.
struct table *rows_of_cards(struct json_object *rows);
struct table *rows_of_apps(struct json_object *rows);
struct table *rows_of_migrations(struct json_object *rows);
struct table *rows_of_allocations(struct json_object *rows);
