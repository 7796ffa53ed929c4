// Executables of all kinds, and damaged ones.
#include "cli/test.h"
#include "corpus/record/executable.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static executable inspect(const char *path) {
    executable found;
    executable_inspect(path, &found);
    return found;
}

static void write_file(const char *name, const void *bytes, size_t count) {
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    assert_int_equal(write(file, bytes, count), count);
    close(file);
}

TEST(kinds_are_told) {
    executable found = inspect(test_beside("executable_test"));
    assert_true(found.readable && !found.is_static && !found.is_foreign && !found.is_privileged);
    assert_null(found.hidden);
    found = inspect(test_beside("no_calls_static"));
    assert_true(found.readable && found.is_static && !found.is_foreign);
    static const char *const none[] = {"/no/such/file", "/", "/dev/null", "/proc/self/status"};
    for (size_t i = 0; i < ITEMS(none); i++)
        assert_false(inspect(none[i]).readable);
}

TEST(setuid_is_privileged) {
    write_file("setuid", "x", 1);
    assert_int_equal(chmod("setuid", 04755), 0);
    assert_false(inspect("setuid").is_privileged); // of this user: no privilege is gained
    if (geteuid() != 0) return;
    assert_int_equal(chown("setuid", 65534, 65534), 0);
    assert_int_equal(chmod("setuid", 04755), 0);
    assert_true(inspect("setuid").is_privileged);
}

TEST(executables_are_found) {
    char path[PATH_MAX];
    assert_true(executable_find("sh", path, sizeof path));
    assert_int_equal(access(path, X_OK), 0);
    assert_false(executable_find("no-such-program", path, sizeof path));
    assert_true(executable_find("/a/b", path, sizeof path));
    assert_string_equal(path, "/a/b");
    static const char script[] = "#! /bin/interpreter -x\n";
    write_file("script", script, sizeof script - 1);
    assert_true(executable_find("./script", path, sizeof path));
    assert_string_equal(path, "/bin/interpreter");
    setenv("PATH", test_folder, 1);
    assert_true(executable_find("script", path, sizeof path));
    assert_string_equal(path, "/bin/interpreter");
}

// Copies of a program with bytes changed, or cut off: no byte outside is read.
TEST(damaged_files_are_read_within_bounds) {
    enum { HEAD = 4096, ROUNDS = 600, HEADER = 64, PROGRAM_HEADERS = 56 * 14 };
    static unsigned char whole[1 << 20], bytes[sizeof whole];
    int file = open(test_beside("no_calls"), O_RDONLY);
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
        inspect("damaged");
    }
    for (size_t cut = 0; cut < HEAD; cut += 7) {
        write_file("cut", whole, cut);
        assert_int_equal(inspect("cut").readable, cut >= HEADER);
    }
}

// A runtime is known by a name, a library or a section.
TEST(runtimes_are_known) {
    static const char *const names[] = {"python3.11", "php8.2", "node", "java", "ruby3.1"};
    char *list = executable_runtimes();
    unsetenv("PYTHONMALLOC");
    for (size_t i = 0; i < ITEMS(names); i++) {
        char command[2 * PATH_MAX];
        snprintf(command, sizeof command, "/bin/cp '%s' '%s'", test_beside("no_calls"), names[i]);
        assert_int_equal(system(command), 0);
        const char *hidden = inspect(names[i]).hidden;
        assert_non_null(hidden);
        assert_non_null(strstr(list, hidden));
    }
    free(list);
}

TEST_MAIN(test_enter_folder, test_leave_folder)
