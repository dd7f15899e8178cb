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
#include <stdlib.h>

int
weights_load(const char *path, struct offload_err *err)
{
    uint32_t version = OFFLOAD_LSTM_VERSION;
    char *payload, found[PATH_MAX];
    size_t len;
    bool told = path != NULL;
    if (!told)
        path = datafile(found, sizeof found, OFFLOAD_DATADIR, "weights/lstm.checkpoint");
    int rc = checkpoint_read(path, OFFLOAD_LSTM_KIND, &version, OFFLOAD_LSTM_BYTES_MAX, &payload,
                             &len, err);
    if (rc == -ENOENT && !told) {
        fprintf(stderr, "offloadctl: %s is not there: forecasting without the model lstm\n", path);
        return 0;
    }
    if (rc)
        return rc;
    if (version != OFFLOAD_LSTM_VERSION)
        rc = offload_err_set(err, -EBADMSG, path, "the version built",
                             "version %u of the network is not %d", version, OFFLOAD_LSTM_VERSION);
    else
        rc = offload_lstm_load(payload, len, err);
    free(payload);
    return rc;
}
