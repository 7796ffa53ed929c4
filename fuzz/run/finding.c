#include "fuzz/run/finding.h"

#include "alloc/conformance/oracle.h"

#include <stdio.h>
#include <string.h>

static const char asan[] = "asan:", ubsan[] = "ubsan", leak[] = "leak";

bool finding_is_sanitizers(const char *law) {
    return strncmp(law, asan, sizeof asan - 1) == 0 || strcmp(law, ubsan) == 0 ||
           strcmp(law, leak) == 0;
}

// ---- Paths --------------------------------------------------------------------------------------

// Returns the part of a path from one of the repository's top folders on, or NULL.
static const char *own_path(const char *path) {
    static const char *const folders[] = {"/alloc/", "/corpus/", "/fuzz/", "/reports/", "/cli/"};
    const char *last = NULL;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        for (const char *at = path; (at = strstr(at, folders[i])); at++)
            if (!last || at > last) last = at;
    return last ? last + 1 : NULL;
}

// ---- Messages -----------------------------------------------------------------------------------

static void set(finding *f, const char *law, const char *how) {
    snprintf(f->law, sizeof f->law, "%s", law);
    snprintf(f->how, sizeof f->how, "%s", how);
}

// "broken LAW: HOW"
static void read_law(finding *f, const char *said) {
    size_t length = strcspn(said, ":");
    snprintf(f->law, sizeof f->law, "%.*s", (int)length, said);
    snprintf(f->how, sizeof f->how, "%s", said + length + strspn(said + length, ": "));
}

// "KIND on ADDRESS at REGISTERS". Signals end the program without a sanitizer too: a crash.
static void read_asan(finding *f, const char *said) {
    static const char *const signals[] = {"SEGV", "BUS", "FPE", "ILL", "ABRT", "TRAP"};
    int length = (int)strcspn(said, " :");
    const char *registers = strstr(said, " at pc ");
    if (!registers) registers = strstr(said, " (pc ");
    set(f, "crash", said);
    if (registers && registers - said < (int)sizeof f->how) f->how[registers - said] = '\0';
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (strncmp(said, signals[i], (size_t)length) == 0 && !signals[i][length]) return;
    snprintf(f->law, sizeof f->law, "%s%.*s", asan, length, said);
}

// "FILE:LINE:COLUMN: runtime error: WHAT"
static void read_ubsan(finding *f, const char *line, const char *said) {
    const char *path = own_path(line);
    set(f, ubsan, said);
    if (path && path < said)
        snprintf(f->how, sizeof f->how, "%.*s%s", (int)(strstr(path, "runtime error: ") - path),
                 path, said);
}

static void read_libfuzzer(finding *f, const char *said) {
    const char *law = strncmp(said, "timeout", 7) == 0          ? "hang"
                      : strncmp(said, "out-of-memory", 13) == 0 ? "memory"
                                                                : "crash";
    set(f, law, said);
}

// ---- Stacks -------------------------------------------------------------------------------------

// "    #3 0x55… in FUNCTION FILE:LINE:COLUMN"
static void read_frame(finding *f, const char *line) {
    char function[60], path[400];
    int number;
    if (sscanf(line, " #%d 0x%*x in %59s %399[^\n]", &number, function, path) != 3) return;
    const char *own = own_path(path);
    bool in_alloc = own && strncmp(own, "alloc/", 6) == 0;
    if (!own || f->in_alloc || (f->where[0] && !in_alloc)) return;
    snprintf(f->where, sizeof f->where, "%s, %s", function, own);
    char *column = strrchr(f->where, ':');
    if (column && column != strchr(f->where, ':')) *column = '\0';
    f->in_alloc = in_alloc;
}

// ---- Lines --------------------------------------------------------------------------------------

void finding_read(finding *f, const char *line) {
    static const char broken[] = "linmem-fuzz: broken ",
                      address[] = "ERROR: AddressSanitizer: ", leaked[] = "ERROR: LeakSanitizer: ",
                      undefined[] = "runtime error: ", fuzzer[] = "ERROR: libFuzzer: ";
    const char *said;
    if (f->law[0]) {
        read_frame(f, line);
    } else if ((said = strstr(line, broken))) {
        read_law(f, said + sizeof broken - 1);
    } else if ((said = strstr(line, address))) {
        read_asan(f, said + sizeof address - 1);
    } else if ((said = strstr(line, leaked))) {
        set(f, leak, said + sizeof leaked - 1);
    } else if ((said = strstr(line, undefined))) {
        read_ubsan(f, line, said + sizeof undefined - 1);
    } else if ((said = strstr(line, fuzzer))) {
        read_libfuzzer(f, said + sizeof fuzzer - 1);
    }
}

void finding_print(const finding *f, char *line, int size) {
    // The place of a finding of the oracle is only the oracle's own call.
    bool tells = f->where[0] && (f->in_alloc || law_named(f->law) == LAW_NONE);
    snprintf(line, (size_t)size, "%s%s%s", f->how, tells ? ", in " : "", tells ? f->where : "");
}
