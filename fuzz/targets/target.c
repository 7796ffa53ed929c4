#include "fuzz/targets/target.h"

#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

target_settings target = {.level = 1};
uint64_t target_operations;

static uint64_t inputs;

static void tell_counts(void) {
    if (target_operations)
        fprintf(stderr, "linmem-fuzz: %llu operations\n", (unsigned long long)target_operations);
}

_Noreturn void target_fail(law law, const char *how) {
    tell_counts();
    fprintf(stderr, "linmem-fuzz: broken %s: %s\n", law_names[law], how);
    abort();
}

// ---- Options ------------------------------------------------------------------------------------

_Noreturn static void misused(const char *option) {
    fprintf(stderr, "linmem-fuzz: invalid option or file: %s\n", option);
    exit(2);
}

static uint32_t number(const char *option, const char *text, uint32_t max) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || value > max) misused(option);
    return (uint32_t)value;
}

static const char *value_of(const char *argument, const char *name) {
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 ? argument + length : NULL;
}

static void read_option(const char *argument) {
    const char *value;
    if ((value = value_of(argument, "--level=")))
        target.level = (int)number(argument, value, 1);
    else if ((value = value_of(argument, "--walk-every=")))
        target.walk_every = number(argument, value, UINT32_MAX);
    else if ((value = value_of(argument, "--speed=")))
        target.speed = value;
    else if ((value = value_of(argument, "--play=")))
        target.play = value;
    else if (strcmp(argument, "--tell") == 0)
        target.tells = true;
    else
        misused(argument);
}

// ---- Traps --------------------------------------------------------------------------------------

static void trapped(int signal) {
    static const char line[] = "linmem-fuzz: broken returns: a right call trapped\n";
    (void)signal;
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
    (void)written;
    abort();
}

static void catch_traps(void) {
    struct sigaction catching = {.sa_handler = trapped, .sa_flags = SA_NODEFER};
    sigaction(SIGILL, &catching, NULL);
    sigaction(SIGTRAP, &catching, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    inputs++;
    target_input(bytes, count);
    return 0;
}

// Prints the counts each second.
static void *tell(void *nothing) {
    for (;; sleep(1)) {
        fprintf(stderr, "linmem-fuzz: %llu inputs\n", (unsigned long long)inputs);
        tell_counts();
    }
    return nothing;
}

void target_begin(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--", 2) == 0) read_option(argv[i]);
    catch_traps();
    atexit(tell_counts);
    pthread_t teller;
    if (target.tells && pthread_create(&teller, NULL, tell, NULL) == 0) pthread_detach(teller);
}

// ---- Speed --------------------------------------------------------------------------------------

typedef struct seed {
    uint8_t *bytes;
    size_t count;
    uint64_t operations;
} seed;

typedef struct seeds {
    seed *all;
    size_t count;
} seeds;

static bool read_seed(const char *path, seed *read) {
    enum { BYTES_MAX = 1 << 20 };
    FILE *stream = fopen(path, "rb");
    *read = (seed){.bytes = malloc(BYTES_MAX)};
    if (!stream || !read->bytes) return false;
    read->count = fread(read->bytes, 1, BYTES_MAX, stream);
    return fclose(stream) == 0;
}

static seeds read_seeds(const char *folder) {
    seeds s = {0};
    DIR *stream = opendir(folder);
    if (!stream) misused(folder);
    for (struct dirent *entry; (entry = readdir(stream));) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.') continue;
        s.all = realloc(s.all, (s.count + 1) * sizeof *s.all);
        if (!s.all || !read_seed(path, &s.all[s.count++])) misused(path);
    }
    closedir(stream);
    return s;
}

// CPU time of this process.
static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int by_operations(const void *a, const void *b) {
    uint64_t left = ((const seed *)a)->operations, right = ((const seed *)b)->operations;
    return (left > right) - (left < right);
}

// Plays all inputs, repeatedly, for a duration. Returns operations per second.
static double play_for(const seeds *s, double duration) {
    double start = seconds(), now;
    uint64_t before = target_operations;
    do {
        for (size_t i = 0; i < s->count; i++) {
            uint64_t operations = target_operations;
            LLVMFuzzerTestOneInput(s->all[i].bytes, s->all[i].count);
            s->all[i].operations = target_operations - operations;
        }
        now = seconds();
    } while (now - start < duration);
    return (double)(target_operations - before) / (now - start);
}

static seeds read_some(const char *folder) {
    seeds s = read_seeds(folder);
    if (s.count == 0) misused(folder);
    return s;
}

void target_measure(void) {
    if (target.play) {
        seeds s = read_some(target.play);
        play_for(&s, 0);
        exit(0);
    }
    if (!target.speed) return;
    seeds s = read_some(target.speed);
    play_for(&s, 0.5);
    inputs = 0;
    double speed = play_for(&s, 3);
    qsort(s.all, s.count, sizeof *s.all, by_operations);
    printf(
        "%.2f million operations/s, %.0f inputs/s, median %llu operations an input, %zu inputs\n",
        speed * 1e-6, (double)inputs / 3, (unsigned long long)s.all[s.count / 2].operations,
        s.count);
    exit(0);
}
