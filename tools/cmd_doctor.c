// SPDX-License-Identifier: Apache-2.0
// offloadctl doctor: is this host fit for the suite, and what would have to be changed?
// host -> [a look at each thing] -> findings.  It reads and asks; it changes nothing.

#include "tools/fields.h"
#include "tools/source.h"
#include "tools/table.h"

#include <json-c/json.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

enum { TEXT = 240, PATH = 512, FINDINGS_MAX = 64 };

enum state { GOOD, NOTE, WARN, BAD };
static const char *const state_names[] = {"ok", "note", "warn", "FAIL"};

struct finding {
    enum state state;
    const char *what;
    char text[TEXT], advice[TEXT];
};

struct doctor {
    const struct ctl *ctl;
    const char *root; // in front of /proc, /sys and /etc; "" for this host
    struct finding finding[FINDINGS_MAX];
    size_t n;
};

// Adds a finding. 'advice': what to change; "" where there is nothing to do.
__attribute__((format(printf, 5, 6))) static void
found(struct doctor *d, enum state state, const char *what, const char *advice, const char *fmt,
      ...)
{
    if (d->n == FINDINGS_MAX)
        return;
    struct finding *f = &d->finding[d->n++];
    va_list args;
    f->state = state;
    f->what = what;
    snprintf(f->advice, sizeof f->advice, "%s", advice);
    va_start(args, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, args);
    va_end(args);
}

// ---- Reading the host ----

// The file's first line without its end, or NULL.
static char *
first_line(const struct doctor *d, char *buf, size_t size, const char *fmt, ...)
{
    char path[PATH], tail[PATH / 2];
    va_list args;
    va_start(args, fmt);
    vsnprintf(tail, sizeof tail, fmt, args);
    va_end(args);
    snprintf(path, sizeof path, "%s%s", d->root, tail);
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    char *line = fgets(buf, (int)size, f);
    fclose(f);
    if (line)
        line[strcspn(line, "\n")] = 0;
    return line;
}

static long
number_in(const struct doctor *d, const char *path)
{
    char line[64];
    return first_line(d, line, sizeof line, "%s", path) ? strtol(line, NULL, 10) : -1;
}

static bool
file_contains(const struct doctor *d, const char *tail, const char *text)
{
    char path[PATH], line[4096];
    bool there = false;
    snprintf(path, sizeof path, "%s%s", d->root, tail);
    FILE *f = fopen(path, "r");
    while (f && !there && fgets(line, sizeof line, f))
        there = strstr(line, text) != NULL;
    if (f)
        fclose(f);
    return there;
}

// Entries of a folder, "." and ".." apart; -1: no such folder.
static int
entries_of(const struct doctor *d, const char *tail)
{
    char path[PATH];
    snprintf(path, sizeof path, "%s%s", d->root, tail);
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    int n = 0;
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

// The first line that a fixed command prints; its exit status, or -1 if it cannot be run.
static int
ask(char *buf, size_t size, const char *command)
{
    buf[0] = 0;
    FILE *f = popen(command, "r"); // NOLINT(cert-env33-c): the commands are constants
    if (!f)
        return -1;
    if (!fgets(buf, (int)size, f))
        buf[0] = 0;
    buf[strcspn(buf, "\n")] = 0;
    while (fgetc(f) != EOF)
        continue;
    int status = pclose(f);
    return status < 0 || !WIFEXITED(status) ? -1 : WEXITSTATUS(status);
}

// ---- The looks, from the machine up to the daemons ----

static void
look_processor(struct doctor *d)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 2)
        found(d, WARN, "processor", "give the host a second core; workers poll on one of their own",
              "%ld core: packets and everything else share it", cores);
    else
        found(d, GOOD, "processor", "", "%ld cores", cores);
    bool steady = file_contains(d, "/proc/cpuinfo", "constant_tsc") &&
                  file_contains(d, "/proc/cpuinfo", "nonstop_tsc");
    if (steady)
        found(d, GOOD, "clock", "",
              "the time stamp counter runs at one rate: cycles can be billed");
    else
        found(
            d, WARN, "clock", "switch frequency scaling off in the firmware, or trust shares less",
            "the time stamp counter is not known to run at one rate: shares of cycles are inexact");
    char governor[64];
    if (first_line(d, governor, sizeof governor,
                   "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") &&
        strcmp(governor, "performance"))
        found(d, NOTE, "clock", "cpupower frequency-set -g performance",
              "frequency governor '%s': delays vary with the load", governor);
    char isolated[128];
    if (first_line(d, isolated, sizeof isolated, "/sys/devices/system/cpu/isolated") && *isolated)
        found(d, GOOD, "processor", "", "isolated cores: %s", isolated);
    else if (cores > 3)
        found(d, NOTE, "processor", "boot with isolcpus= or use cpusets for the workers' cores",
              "no core is kept free for workers");
}

static void
look_hugepages(struct doctor *d)
{
    static const char *const sizes[] = {"1048576", "2048"};
    static const long bytes_mib[] = {1024, 2};
    long free_mib = 0, all_mib = 0;
    for (int i = 0; i < 2; i++) {
        char path[PATH];
        snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/hugepages-%skB/free_hugepages",
                 sizes[i]);
        long pages = number_in(d, path);
        free_mib += pages > 0 ? pages * bytes_mib[i] : 0;
        snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/hugepages-%skB/nr_hugepages",
                 sizes[i]);
        pages = number_in(d, path);
        all_mib += pages > 0 ? pages * bytes_mib[i] : 0;
    }
    if (all_mib == 0)
        found(d, WARN, "hugepages",
              "sysctl vm.nr_hugepages=512 (1 GiB), and in /etc/sysctl.d to keep it; or run "
              "offload-cardd with --no-huge and af_packet ports",
              "none: no vhost-user ports, no DPDK in Open vSwitch");
    else
        found(d, GOOD, "hugepages", "", "%ld MiB, %ld MiB of them free", all_mib, free_mib);
    if (all_mib > 0 && !file_contains(d, "/proc/mounts", " hugetlbfs "))
        found(d, NOTE, "hugepages", "mount -t hugetlbfs -o pagesize=2M none /dev/hugepages",
              "hugetlbfs is not mounted: only --in-memory processes can use them");
}

// A network device on the PCI bus: who drives it, where it sits, and whether its link is whole.
static void
look_at_device(struct doctor *d, const char *address)
{
    char class[32], path[PATH], target[PATH], node[32], speed[64], best[64], width[32], most[32];
    if (!first_line(d, class, sizeof class, "/sys/bus/pci/devices/%s/class", address) ||
        strncmp(class, "0x02", 4))
        return;
    snprintf(path, sizeof path, "%s/sys/bus/pci/devices/%s/driver", d->root, address);
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    const char *driver = n > 0 && strrchr(target, '/') ? strrchr(target, '/') + 1 : "no driver";
    if (!first_line(d, node, sizeof node, "/sys/bus/pci/devices/%s/numa_node", address))
        strcpy(node, "?");
    found(d, NOTE, "device",
          !strcmp(driver, "vfio-pci") ? ""
                                      : "to make it a card: dpdk-devbind.py -b vfio-pci ADDRESS, "
                                        "and its address as the port's devargs",
          "%s: driver %s, NUMA node %s", address, driver, node);
    if (first_line(d, speed, sizeof speed, "/sys/bus/pci/devices/%s/current_link_speed", address) &&
        first_line(d, best, sizeof best, "/sys/bus/pci/devices/%s/max_link_speed", address) &&
        first_line(d, width, sizeof width, "/sys/bus/pci/devices/%s/current_link_width", address) &&
        first_line(d, most, sizeof most, "/sys/bus/pci/devices/%s/max_link_width", address) &&
        (strcmp(speed, best) || strcmp(width, most)))
        found(d, WARN, "device", "move it to a slot that gives it its whole link",
              "%s: PCIe %s x%s, could do %s x%s", address, speed, width, best, most);
}

static void
look_devices(struct doctor *d)
{
    int groups = entries_of(d, "/sys/class/iommu");
    if (groups <= 0)
        found(d, NOTE, "IOMMU",
              "boot with intel_iommu=on or amd_iommu=on iommu=pt before cards go to vfio-pci",
              "none: virtual ports only, or vfio without protection");
    else
        found(d, GOOD, "IOMMU", "", "%d unit%s", groups, groups == 1 ? "" : "s");
    char path[PATH];
    snprintf(path, sizeof path, "%s/sys/bus/pci/devices", d->root);
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.')
            look_at_device(d, e->d_name);
    closedir(dir);
}

static void
look_time(struct doctor *d)
{
    struct timex t = {0};
    if (adjtimex(&t) >= 0 && !(t.status & STA_UNSYNC))
        found(d, GOOD, "time", "", "the clock is synchronised, within %.1f ms",
              (double)t.maxerror / 1000);
    else
        found(d, NOTE, "time", "run chrony or systemd-timesyncd",
              "the clock is not synchronised: one-way delays and values of several hosts do not "
              "compare");
}

static void
look_switch(struct doctor *d)
{
    char text[TEXT];
    if (ask(text, sizeof text, "ovs-vsctl --timeout=3 get Open_vSwitch . ovs_version 2>&1")) {
        found(d, NOTE, "Open vSwitch",
              "systemctl start openvswitch-switch, where flows are to follow applications",
              "does not answer: %s", *text ? text : "ovs-vsctl is not there");
        return;
    }
    int major = 0, minor = 0;
    if (sscanf(text, "\"%d.%d", &major, &minor) == 2 && (major < 2 || (major == 2 && minor < 17)))
        found(d, WARN, "Open vSwitch", "use 3.1 or newer, which the suite is tested with",
              "version %s", text);
    else
        found(d, GOOD, "Open vSwitch", "", "version %s", text);
    char bridges[TEXT], protocols[TEXT];
    ask(bridges, sizeof bridges,
        "ovs-vsctl --timeout=3 --bare --columns=name list bridge 2>/dev/null | tr '\\n' ' '");
    for (char *save = NULL, *name = strtok_r(bridges, " ", &save); name;
         name = strtok_r(NULL, " ", &save)) {
        char command[PATH];
        bool plain = true;
        for (const char *c = name; *c; c++)
            plain &= isalnum((unsigned char)*c) || strchr("-_.", *c);
        if (!plain || strlen(name) > 64)
            continue; // not a name to put into a command
        snprintf(command, sizeof command,
                 "ovs-vsctl --timeout=3 get bridge %s protocols datapath_type 2>/dev/null | tr "
                 "'\\n' ' '",
                 name);
        ask(protocols, sizeof protocols, command);
        if (strstr(protocols, "OpenFlow14") || strstr(protocols, "OpenFlow15") ||
            !strncmp(protocols, "[]", 2))
            found(d, GOOD, "Open vSwitch", "", "bridge %s: %s", name, protocols);
        else
            found(d, WARN, "Open vSwitch",
                  "ovs-vsctl set bridge NAME protocols=OpenFlow10,OpenFlow13,OpenFlow14",
                  "bridge %s allows %s: no bundles, offload-flowd cannot use it", name, protocols);
    }
    if (!ask(text, sizeof text,
             "ovs-vsctl --timeout=3 get Open_vSwitch . other_config:hw-offload 2>/dev/null") &&
        strstr(text, "true"))
        found(d, NOTE, "Open vSwitch", "",
              "hw-offload is on: flows in hardware pass the cards' counters by");
}

static void
look_collectd(struct doctor *d)
{
    char text[TEXT];
    if (ask(text, sizeof text,
            "collectd -h 2>&1 | grep -o 'collectd [0-9][0-9.]*[0-9]' | tail -n 1") ||
        !*text) {
        found(d, WARN, "collectd", "apt install collectd-core", "not found");
        return;
    }
    found(d, GOOD, "collectd", "", "version %s", text + strlen("collectd "));
    static const char *const plugins[] = {"card", "path", "forecast", "manager"};
    unsigned there = 0;
    for (size_t i = 0; i < 4; i++) {
        char path[PATH];
        snprintf(path, sizeof path, "%s/usr/lib/collectd/offload_%s.so", d->root, plugins[i]);
        there += access(path, R_OK) == 0;
    }
    if (there == 4)
        found(d, GOOD, "collectd", "", "the suite's four plugins are there");
    else
        found(d, WARN, "collectd",
              "apt install offload-collectd, or make install with --libdir=/usr/lib",
              "%u of the suite's 4 plugins are in /usr/lib/collectd", there);
    char config[PATH];
    snprintf(config, sizeof config, "%s/etc/collectd/collectd.conf", d->root);
    if (access(config, R_OK))
        found(d, NOTE, "collectd", "", "/etc/collectd/collectd.conf cannot be read");
    else if (ask(text, sizeof text, "collectd -t 2>&1 | tail -n 1"))
        found(d, BAD, "collectd", "collectd -t says all of it",
              "its configuration has an error: %s", text);
    else
        found(d, GOOD, "collectd", "", "takes its configuration");
}

static void
look_group(struct doctor *d)
{
    const struct group *group = getgrnam("offload");
    if (!group) {
        found(d, WARN, "permissions",
              "groupadd --system offload, or install a package of the suite",
              "no group offload: only root may speak to the daemons");
        return;
    }
    char members[TEXT] = "";
    for (char **m = group->gr_mem; *m; m++)
        if (strlen(members) + strlen(*m) + 2 < sizeof members)
            strcat(strcat(members, " "), *m);
    found(d, GOOD, "permissions", "", "group offload:%s", *members ? members : " nobody but root");
}

static void
look_folder(struct doctor *d)
{
    struct stat st;
    const char *path = d->ctl->rundir;
    if (stat(path, &st))
        found(d, NOTE, "permissions", "systemd-tmpfiles --create, or start a daemon as root",
              "%s: %s", path, strerror(errno));
    else if (st.st_mode & S_IWOTH)
        found(d, BAD, "permissions", "chmod o-w: whoever may write there may pose as a daemon",
              "%s can be written by everybody", path);
    else if (access(path, R_OK | X_OK))
        found(d, WARN, "permissions", "add yourself to group offload: usermod -aG offload USER",
              "%s: you may not enter it", path);
}

static void
look_daemons(struct doctor *d)
{
    static const struct {
        const char *daemon, *what, *start;
    } daemons[] = {
        {"cardd", "offload-cardd",
         "write /etc/offload/cardd.json, then systemctl enable --now offload-cardd"},
        {"flowd", "offload-flowd",
         "write /etc/offload/flowd.json, then systemctl enable --now offload-flowd"},
        {"manager", "offload_manager",
         "load the plugin in collectd.conf: "
         "/usr/share/offload/collectd.conf.d/offload_manager.conf"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct json_object *answer = NULL;
        struct offload_err err = {0};
        int rc = source_call(d->ctl, daemons[i].daemon, "hello", json_object_new_object(), &answer,
                             &err);
        char text[TEXT];
        if (rc == 0)
            found(d, GOOD, daemons[i].what, "", "answers: API %s, %s, term %.0f",
                  field_text(answer, "api"), field_text(answer, "software"),
                  field_number(answer, "term"));
        else if (source_absent(rc))
            found(d, NOTE, daemons[i].what, daemons[i].start, "does not run here");
        else
            found(d, BAD, daemons[i].what, "its log tells more", "does not answer as it should: %s",
                  offload_err_format(&err, text, sizeof text));
        json_object_put(answer);
    }
}

static void
look_config(struct doctor *d)
{
    static const char *const checks[][2] = {
        {"/etc/offload/cardd.json", "offload-cardd --check-config /etc/offload/cardd.json 2>&1"},
        {"/etc/offload/flowd.json", "offload-flowd --check-config /etc/offload/flowd.json 2>&1"},
    };
    for (size_t i = 0; i < 2; i++) {
        char text[TEXT];
        if (*d->root || access(checks[i][0], F_OK))
            continue;
        int rc = ask(text, sizeof text, checks[i][1]);
        if (rc == 0)
            found(d, GOOD, "configuration", "", "%s is as it should be", checks[i][0]);
        else
            found(d, BAD, "configuration", "mend it; the daemon would not start", "%s: %s",
                  checks[i][0], text);
    }
}

// ---- Telling ----

static struct json_object *
findings_to_json(const struct doctor *d)
{
    struct json_object *rows = json_object_new_array();
    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = &d->finding[i];
        struct json_object *row = json_object_new_object();
        json_object_object_add(row, "state", json_object_new_string(state_names[f->state]));
        json_object_object_add(row, "what", json_object_new_string(f->what));
        json_object_object_add(row, "finding", json_object_new_string(f->text));
        json_object_object_add(row, "advice", json_object_new_string(f->advice));
        json_object_array_add(rows, row);
    }
    struct json_object *all = json_object_new_object();
    json_object_object_add(all, "findings", rows);
    return all;
}

static void
print_findings(const struct doctor *d)
{
    static const char *const colors[] = {"\033[32m", "", "\033[33m", "\033[31;1m"};
    const char *term = getenv("TERM");
    bool color = isatty(1) && !getenv("NO_COLOR") && term && strcmp(term, "dumb");
    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = &d->finding[i];
        printf("%s%-4s%s  %-15s  %s\n", color ? colors[f->state] : "", state_names[f->state],
               color && *colors[f->state] ? "\033[0m" : "", f->what, f->text);
        if (*f->advice)
            printf("      %-15s  -> %s\n", "", f->advice);
    }
}

int
cmd_doctor(const struct ctl *ctl)
{
    static void (*const looks[])(struct doctor *) = {
        look_processor, look_hugepages, look_devices, look_time,   look_switch,
        look_collectd,  look_config,    look_group,   look_folder, look_daemons};
    struct doctor *d = calloc(1, sizeof *d);
    if (!d) {
        struct offload_err err;
        offload_err_set(&err, -ENOMEM, "", NULL, "no memory");
        return ctl_fail(&err);
    }
    d->ctl = ctl;
    d->root = ctl->root ? ctl->root : "";
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
        looks[i](d);
    unsigned count[BAD + 1] = {0};
    for (size_t i = 0; i < d->n; i++)
        count[d->finding[i].state]++;
    int rc = count[BAD] ? CTL_FAILED : CTL_DONE;
    if (ctl->json) {
        int printed = ctl_print_json(findings_to_json(d));
        rc = printed == CTL_DONE ? rc : printed;
    } else {
        print_findings(d);
        printf("\n%u fine, %u to note, %u to mend, %u wrong\n", count[GOOD], count[NOTE],
               count[WARN], count[BAD]);
    }
    free(d);
    return rc;
}
