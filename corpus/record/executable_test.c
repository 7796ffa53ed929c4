// Executables of all kinds, and files that look like some.
#include "alloc/cmocka.h"
#include "corpus/record/executable.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/linmem-executable-test-XXXXXX";

static const char *in_folder(const char *name) {
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *beside(const char *name) {
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 64);
    assert_true(length > 0);
    path[length] = '\0';
    strcpy(strrchr(path, '/') + 1, name);
    return path;
}

static executable inspect(const char *path) {
    executable found;
    executable_inspect(path, &found);
    return found;
}

static void write_file(const char *name, const void *bytes, size_t count) {
    int file = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, 0755);
    assert_int_equal(write(file, bytes, count), count);
    close(file);
}

static void test_kinds(void **state) {
    executable found = inspect(beside("executable_test"));
    assert_true(found.readable && !found.is_static && !found.is_foreign && !found.is_privileged);
    assert_null(found.hidden);
    found = inspect(beside("no_calls_static"));
    assert_true(found.readable && found.is_static && !found.is_foreign);
    static const char *const none[] = {"/no/such/file", "/", "/dev/null", "/proc/self/status"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(inspect(none[i]).readable);
}

static void test_setuid(void **state) {
    write_file("setuid", "x", 1);
    assert_int_equal(chmod(in_folder("setuid"), 04755), 0);
    assert_false(inspect(in_folder("setuid")).is_privileged); // it is ours: nothing is gained
    if (geteuid() != 0) return;
    assert_int_equal(chown(in_folder("setuid"), 65534, 65534), 0);
    assert_int_equal(chmod(in_folder("setuid"), 04755), 0);
    assert_true(inspect(in_folder("setuid")).is_privileged);
}

static void test_finding(void **state) {
    char path[PATH_MAX];
    assert_true(executable_find("sh", path, sizeof path));
    assert_int_equal(access(path, X_OK), 0);
    assert_false(executable_find("no-such-program", path, sizeof path));
    assert_true(executable_find("/a/b", path, sizeof path));
    assert_string_equal(path, "/a/b");
    static const char script[] = "#! /bin/interpreter -x\n";
    write_file("script", script, sizeof script - 1);
    assert_true(executable_find(in_folder("script"), path, sizeof path));
    assert_string_equal(path, "/bin/interpreter");
    setenv("PATH", folder, 1);
    assert_true(executable_find("script", path, sizeof path));
    assert_string_equal(path, "/bin/interpreter");
}

// A copy of ourselves with bytes changed, and cut at any place: no byte outside is looked at.
static void test_damaged_files(void **state) {
    enum { HEAD = 4096, ROUNDS = 600, HEADER = 64, PROGRAM_HEADERS = 56 * 14 };
    static unsigned char whole[1 << 20], bytes[sizeof whole];
    int file = open(beside("no_calls"), O_RDONLY);
    size_t count = (size_t)read(file, whole, sizeof whole);
    close(file);
    assert_in_range(count, HEAD, sizeof whole - 1);
    uint32_t random = 1;
    for (int round = 0; round < ROUNDS; round++) {
        memcpy(bytes, whole, count);
        for (int i = 0; i < 1 + round % 4; i++) {
            random = random * 1664525u + 1013904223u;
            size_t at = 5 + (random >> 8) % (HEADER + PROGRAM_HEADERS - 5);
            bytes[at] = (unsigned char)(round % 3 ? random >> 24 : 0xff);
        }
        write_file("damaged", bytes, round % 5 ? count : (size_t)round * 2 + 1);
        inspect(in_folder("damaged"));
    }
    for (size_t cut = 0; cut < HEAD; cut += 7) {
        write_file("cut", whole, cut);
        assert_int_equal(inspect(in_folder("cut")).readable, cut >= HEADER);
    }
}

// A runtime is known by a name, a library or a section.
static void test_runtimes(void **state) {
    static const char *const names[] = {"python3.11", "php8.2", "node", "java", "ruby3.1"};
    char *list = executable_runtimes();
    unsetenv("PYTHONMALLOC");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char command[2 * PATH_MAX];
        snprintf(command, sizeof command, "/bin/cp '%s' '%s'", beside("no_calls"),
                 in_folder(names[i]));
        assert_int_equal(system(command), 0);
        const char *hidden = inspect(in_folder(names[i])).hidden;
        assert_non_null(hidden);
        assert_non_null(strstr(list, hidden));
        unlink(in_folder(names[i]));
    }
    free(list);
}

static int set_up(void **state) {
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state) {
    static const char *const files[] = {"setuid", "script", "damaged", "cut"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(in_folder(files[i]));
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),    cmocka_unit_test(test_setuid),
        cmocka_unit_test(test_runtimes), cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_finding),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
