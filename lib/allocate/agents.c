// SPDX-License-Identifier: Apache-2.0
// The agents: one file and one row each.
#include "lib/base/json.h"

#include <offload/allocate.h>

#include <errno.h>
#include <string.h>

extern const struct alloc_agent_ops alloc_agent_static, alloc_agent_reactive,
    alloc_agent_proportional, alloc_agent_drf, alloc_agent_newsvendor, alloc_agent_q_learning,
    alloc_agent_dqn;

const struct alloc_agent_ops *const alloc_agents[] = {
    &alloc_agent_static,     &alloc_agent_reactive,   &alloc_agent_proportional, &alloc_agent_drf,
    &alloc_agent_newsvendor, &alloc_agent_q_learning, &alloc_agent_dqn,          NULL,
};

const struct alloc_agent_ops *
alloc_agent_find(const char *name)
{
    for (size_t i = 0; alloc_agents[i]; i++)
        if (!strcmp(alloc_agents[i]->name, name))
            return alloc_agents[i];
    return NULL;
}

static int
unknown_agent(const char *name, struct offload_err *err)
{
    enum { N = sizeof alloc_agents / sizeof *alloc_agents };
    const char *names[N] = {NULL};
    char expected[200] = "use one of";
    for (size_t i = 0; alloc_agents[i]; i++) {
        names[i] = alloc_agents[i]->name;
        strncat(expected, i ? ", " : " ", sizeof expected - strlen(expected) - 1);
        strncat(expected, names[i], sizeof expected - strlen(expected) - 1);
    }
    const char *near = offload_nearest(name, names);
    if (near)
        return offload_err_set(err, -ENOENT, NULL, expected, "no agent '%s'; did you mean '%s'",
                               name, near);
    return offload_err_set(err, -ENOENT, NULL, expected, "no agent '%s'", name);
}

int
alloc_agent_create(const char *name, const struct alloc_agent_params *params,
                   struct alloc_agent *agent, struct offload_err *err)
{
    const struct alloc_agent_ops *ops = alloc_agent_find(name);
    void *self = NULL;
    if (!ops)
        return unknown_agent(name, err);
    int rc = ops->create ? ops->create(params, &self) : 0;
    if (rc)
        return offload_err_set(err, rc, NULL, NULL, "agent '%s': could not be created", name);
    *agent = (struct alloc_agent){.ops = ops, .self = self};
    return 0;
}

void
alloc_agent_destroy(struct alloc_agent *agent)
{
    if (agent->ops && agent->ops->destroy)
        agent->ops->destroy(agent->self);
    *agent = (struct alloc_agent){0};
}
