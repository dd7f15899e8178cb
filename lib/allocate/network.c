// SPDX-License-Identifier: Apache-2.0
// Forward, backward and Adam of the dueling network; network.h has the papers.
#include "lib/allocate/network.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

struct pass {
    float h1[NETWORK_HIDDEN], h2[NETWORK_HIDDEN], out[NETWORK_OUT];
};

static const size_t LAYER2 = (size_t)(NETWORK_IN + 1) * NETWORK_HIDDEN;
static const size_t LAYER3 =
    (size_t)(NETWORK_IN + 1) * NETWORK_HIDDEN + (size_t)(NETWORK_HIDDEN + 1) * NETWORK_HIDDEN;

static void
layer(const float *w, const float *in, unsigned n_in, float *out, unsigned n_out, int rectify)
{
    for (unsigned o = 0; o < n_out; o++, w += n_in + 1) {
        float sum = w[n_in];
        for (unsigned i = 0; i < n_in; i++)
            sum += w[i] * in[i];
        out[o] = rectify && sum < 0 ? 0 : sum;
    }
}

static void
forward(const struct network *net, const float *in, struct pass *p)
{
    layer(net->w, in, NETWORK_IN, p->h1, NETWORK_HIDDEN, 1);
    layer(net->w + LAYER2, p->h1, NETWORK_HIDDEN, p->h2, NETWORK_HIDDEN, 1);
    layer(net->w + LAYER3, p->h2, NETWORK_HIDDEN, p->out, NETWORK_OUT, 0);
}

static void
duel(const struct pass *p, float *q)
{
    float mean = 0;
    for (unsigned a = 0; a < NETWORK_ACTIONS; a++)
        mean += p->out[1 + a] / NETWORK_ACTIONS;
    for (unsigned a = 0; a < NETWORK_ACTIONS; a++)
        q[a] = p->out[0] + p->out[1 + a] - mean;
}

// Gradient of one layer: 'd_out' of its outputs, 'd_in' of its inputs (NULL: not asked).
static void
layer_back(const float *w, const float *in, unsigned n_in, const float *d_out, unsigned n_out,
           float *gradient, float *d_in)
{
    if (d_in)
        memset(d_in, 0, n_in * sizeof *d_in);
    for (unsigned o = 0; o < n_out; o++, w += n_in + 1, gradient += n_in + 1) {
        if (d_out[o] == 0)
            continue;
        for (unsigned i = 0; i < n_in; i++) {
            gradient[i] += d_out[o] * in[i];
            if (d_in)
                d_in[i] += d_out[o] * w[i];
        }
        gradient[n_in] += d_out[o];
    }
}

void
network_init(struct network *net, uint64_t seed)
{
    memset(net, 0, sizeof *net);
    for (size_t i = 0; i < LAYER3; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u; // Knuth, TAOCP 2, 3.3.4
        float u = (float)(seed >> 40) / (float)(1 << 24) - 0.5f;
        net->w[i] = u * (i < LAYER2 ? 0.6f : 0.4f);
    }
}

void
network_q(const struct network *net, const float *in, float *q)
{
    struct pass p;
    forward(net, in, &p);
    duel(&p, q);
}

// Through the network, from the gradient of each Q.
static void
backward(const struct network *net, const float *in, const struct pass *p, const float *d_q,
         float *gradient)
{
    float d_out[NETWORK_OUT], d2[NETWORK_HIDDEN], d1[NETWORK_HIDDEN];
    d_out[0] = 0;
    for (unsigned a = 0; a < NETWORK_ACTIONS; a++)
        d_out[0] += d_q[a];
    for (unsigned a = 0; a < NETWORK_ACTIONS; a++)
        d_out[1 + a] = d_q[a] - d_out[0] / NETWORK_ACTIONS;
    layer_back(net->w + LAYER3, p->h2, NETWORK_HIDDEN, d_out, NETWORK_OUT, gradient + LAYER3, d2);
    for (unsigned i = 0; i < NETWORK_HIDDEN; i++)
        d2[i] = p->h2[i] > 0 ? d2[i] : 0;
    layer_back(net->w + LAYER2, p->h1, NETWORK_HIDDEN, d2, NETWORK_HIDDEN, gradient + LAYER2, d1);
    for (unsigned i = 0; i < NETWORK_HIDDEN; i++)
        d1[i] = p->h1[i] > 0 ? d1[i] : 0;
    layer_back(net->w, in, NETWORK_IN, d1, NETWORK_HIDDEN, gradient, NULL);
}

float
network_gradient(const struct network *net, const float *in, unsigned action, float target,
                 float weight, float *gradient)
{
    struct pass p;
    float q[NETWORK_ACTIONS], d_q[NETWORK_ACTIONS] = {0};
    forward(net, in, &p);
    duel(&p, q);
    d_q[action] = (q[action] - target) * weight;
    backward(net, in, &p, d_q, gradient);
    return q[action] - target;
}

float
network_gradient_all(const struct network *net, const float *in, const float *target, float weight,
                     float *gradient)
{
    struct pass p;
    float q[NETWORK_ACTIONS], d_q[NETWORK_ACTIONS], sum = 0;
    unsigned n = 0;
    forward(net, in, &p);
    duel(&p, q);
    for (unsigned a = 0; a < NETWORK_ACTIONS; a++) {
        bool known = !isnan(target[a]);
        d_q[a] = known ? (q[a] - target[a]) * weight : 0;
        sum += known ? fabsf(q[a] - target[a]) : 0;
        n += known;
    }
    backward(net, in, &p, d_q, gradient);
    return n ? sum / (float)n : 0;
}

void
network_step(struct network *net, struct network_adam *adam, const float *gradient, float rate)
{
    static const float b1 = 0.9f, b2 = 0.999f, tiny = 1e-8f;
    adam->steps++;
    float c1 = 1 - powf(b1, (float)adam->steps), c2 = 1 - powf(b2, (float)adam->steps);
    for (unsigned i = 0; i < NETWORK_WEIGHTS; i++) {
        adam->mean[i] = b1 * adam->mean[i] + (1 - b1) * gradient[i];
        adam->square[i] = b2 * adam->square[i] + (1 - b2) * gradient[i] * gradient[i];
        net->w[i] -= rate * (adam->mean[i] / c1) / (sqrtf(adam->square[i] / c2) + tiny);
    }
}
