// SPDX-License-Identifier: Apache-2.0
// Reads checkpoints of weights.

#include "tools/weights.h"

#include "lib/io/statefile.h"

#include <offload/forecast.h>

#include <errno.h>
#include <stdlib.h>

int
weights_load(const char *path, struct offload_err *err)
{
    uint32_t version = OFFLOAD_LSTM_VERSION;
    char *payload;
    size_t len;
    int rc =
        checkpoint_read(path ? path : OFFLOAD_DATADIR "/weights/lstm.checkpoint", OFFLOAD_LSTM_KIND,
                        &version, OFFLOAD_LSTM_BYTES_MAX, &payload, &len, err);
    if (rc == -ENOENT && !path)
        return 0;
    if (rc)
        return rc;
    if (version != OFFLOAD_LSTM_VERSION)
        rc = offload_err_set(err, -EBADMSG, path ? path : "lstm.checkpoint", "the version built",
                             "version %u of the network is not %d", version, OFFLOAD_LSTM_VERSION);
    else
        rc = offload_lstm_load(payload, len, err);
    free(payload);
    return rc;
}
