#include "bench/process.h"

#include "cli/child.h"
#include "cli/clock.h"
#include "cli/options.h"
#include "cli/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

process *process_new(const engine *engine) {
    process *p = calloc(1, sizeof *p);
    if (!p) options_fail("%s", strerror(errno));
    p->engine = engine;
    p->descriptor = memfd_create("linmem-cell", MFD_CLOEXEC);
    p->output = memfd_create("linmem-output", MFD_CLOEXEC);
    if (p->descriptor < 0 || p->output < 0 || ftruncate(p->descriptor, sizeof(cell)) != 0)
        options_fail("%s", strerror(errno));
    p->shared = mmap(NULL, sizeof(cell), PROT_READ | PROT_WRITE, MAP_SHARED, p->descriptor, 0);
    if (p->shared == MAP_FAILED) options_fail("%s", strerror(errno));
    p->path = child_beside("linmem-runner");
    return p;
}

void process_free(process *p) {
    munmap(p->shared, sizeof(cell));
    close(p->descriptor);
    close(p->output);
    free(p->path);
    free(p);
}

static void process_start_child(process *p, const child_options *options) {
    p->started = clock_seconds();
    p->pid = child_start(options);
    p->error = errno;
}

static void process_start_runner(process *p, const candidate *candidate, const workload *workload,
                                 child_options *options) {
    const cell_request *request = &p->shared->request;
    bool counted = request->verify && candidate->system_malloc;
    snprintf(p->library, sizeof p->library, "LD_PRELOAD=%s%s", counted ? "linmem-count.so:" : "",
             candidate->library);
    snprintf(p->libraries, sizeof p->libraries, "LD_LIBRARY_PATH=%.*s",
             (int)(strrchr(p->path, '/') - p->path),
             p->path); // LD_PRELOAD takes no path with spaces
    const char *argv[] = {p->path, NULL};
    const char *environment[5] = {p->library, p->pad};
    size_t variables = 2;
    if (counted) environment[variables++] = p->libraries;
    if (*candidate->setting) environment[variables++] = candidate->setting;
    int descriptors[] = {p->descriptor, workload->replay};
    options->argv = argv;
    options->environment = environment;
    options->descriptors = descriptors;
    options->descriptor_count = 2;
    process_start_child(p, options);
}

static void process_start_driver(process *p, const candidate *candidate, const workload *workload,
                                 child_options *options) {
    char *module = engine_module(p->engine, candidate->allocator);
    const char *environment[] = {p->pad, NULL};
    options->argv = p->command.argv;
    options->environment = environment;
    options->descriptors = &workload->replay;
    options->descriptor_count = 1; // so that it is number 3
    options->output = p->output;
    p->pid = -1;
    p->error = module ? E2BIG : ENOENT;
    if (module && ftruncate(p->output, 0) == 0 && lseek(p->output, 0, SEEK_SET) == 0 &&
        engine_command_fill(&p->command, p->engine, module, "/dev/fd/3", &p->shared->request))
        process_start_child(p, options);
    free(module);
}

void process_start(process *p, const candidate *candidate, const workload *workload,
                   const cell_request *request, int cpu, size_t pad_bytes) {
    *p->shared = (cell){.request = *request};
    memcpy(p->shared->request.allocator, candidate->allocator, sizeof candidate->allocator);
    snprintf(p->pad, sizeof p->pad, "LINMEM_PAD=%0*d", (int)pad_bytes, 0);
    child_options options = {.cpu = cpu, .no_huge_pages = request->commit != LM_COMMIT_HUGE};
    if (engine_is_native(p->engine))
        process_start_runner(p, candidate, workload, &options);
    else
        process_start_driver(p, candidate, workload, &options);
}

static const char *process_name(const process *p) {
    return engine_is_native(p->engine) ? "linmem-runner" : p->engine->name;
}

bool process_wait(process *p, double seconds_max, char *status, size_t bytes) {
    if (p->pid < 0) {
        snprintf(status, bytes, "%s: %s", engine_is_native(p->engine) ? p->path : p->engine->name,
                 strerror(p->error));
        return true;
    }
    child_end end;
    double left = p->started + seconds_max - clock_seconds();
    child_wait(p->pid, fmax(left, 1e-3), &end); // 0 is no limit
    p->pid = 0;
    cell_outcome *outcome = &p->shared->outcome;
    if (!engine_is_native(p->engine)) engine_read_outcome(p->output, &p->shared->request, outcome);
    if (end.interrupted)
        snprintf(status, bytes, "interrupted after %.1f s", clock_seconds() - p->started);
    else if (end.timed_out)
        snprintf(status, bytes, "timed out after %g s (raise the limit with --cell-seconds)",
                 seconds_max);
    else if (*outcome->failure)
        snprintf(status, bytes, "%s", outcome->failure);
    else if (end.ok && !outcome->done)
        snprintf(status, bytes, "%s produced no result (built from a different version?)",
                 process_name(p));
    else
        snprintf(status, bytes, "%s", end.ok ? "ok" : end.text);
    return !end.interrupted;
}
