// SPDX-License-Identifier: Apache-2.0
// Reads checkpoints of weights.

#include "tools/weights.h"

#include "lib/io/datafile.h"
#include "lib/io/statefile.h"

#include <offload/forecast.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

int
weights_load(const char *path, struct offload_err *err)
{
    char found[PATH_MAX];
    bool told = path != NULL;
    if (!told)
        path = datafile(found, sizeof found, OFFLOAD_DATADIR, "weights/lstm.checkpoint");
    int rc = checkpoint_load(path, OFFLOAD_LSTM_KIND, OFFLOAD_LSTM_VERSION, OFFLOAD_LSTM_BYTES_MAX,
                             offload_lstm_load, err);
    if (rc == -ENOENT && !told) {
        fprintf(stderr, "offloadctl: %s is not there: forecasting without the model lstm\n", path);
        return 0;
    }
    return rc;
}
