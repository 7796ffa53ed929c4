#include "cli/file.h"
#include "cli/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static size_t entries(void) {
    DIR *folder = opendir(".");
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(folder);
    return count;
}

// Writes a file through whole_file.
static void commit(const char *path, const char *text) {
    whole_file file;
    assert_true(whole_file_open(&file, path));
    fputs(text, file.stream);
    assert_true(whole_file_commit(&file));
}

static struct stat status_of(const char *path) {
    struct stat found;
    assert_int_equal(lstat(path, &found), 0);
    return found;
}

static mode_t mode(const char *path) {
    return status_of(path).st_mode;
}

// Makes a file a standard stream. Returns a descriptor for restore().
static int redirect(int stream, const char *path) {
    int saved = dup(stream), file = open(path, O_RDWR | O_CREAT, 0600);
    fflush(stdout);
    dup2(file, stream);
    close(file);
    return saved;
}

static void restore(int stream, int saved) {
    fflush(stdout);
    dup2(saved, stream);
    close(saved);
}

FOLDER_TEST(a_committed_file_is_complete) {
    mode_t before = umask(027);
    whole_file file;
    assert_true(whole_file_open(&file, "new"));
    umask(before);
    fputs("text", file.stream);
    assert_int_equal(access("new", F_OK), -1); // not before it is complete
    assert_true(whole_file_commit(&file));
    assert_file("new", "text");
    assert_int_equal(mode("new"), S_IFREG | 0640);
    assert_int_equal(entries(), 1);
}

FOLDER_TEST(a_replaced_file_keeps_its_mode_and_its_link) {
    test_write("target", "old");
    chmod("target", 0604);
    assert_int_equal(symlink("target", "link"), 0);
    whole_file file;
    assert_true(whole_file_open(&file, "link"));
    fputs("new", file.stream);
    assert_file("target", "old");
    assert_true(whole_file_commit(&file));
    assert_file("target", "new");
    assert_true(S_ISLNK(mode("link")));
    assert_int_equal(mode("target"), S_IFREG | 0604);
    assert_int_equal(entries(), 2);
}

FOLDER_TEST(an_abandoned_file_leaves_nothing) {
    test_write("target", "old");
    whole_file files[3];
    assert_true(whole_file_open(&files[0], "target"));
    assert_true(whole_file_open(&files[1], "other"));
    assert_true(whole_file_open(&files[2], "other"));
    assert_int_equal(entries(), 4);
    fputs("new", files[1].stream);
    whole_file_abandon(&files[1]);
    assert_int_equal(entries(), 3);
    whole_file_abandon_all();
    assert_int_equal(entries(), 1);
    assert_file("target", "old");
    assert_false(whole_file_commit(&files[0])); // the temporary is gone
    whole_file_abandon(&files[2]);
    assert_file("target", "old");
    test_write("other", "later");
    whole_file_abandon_all(); // no file is open
    assert_int_equal(entries(), 2);
}

FOLDER_TEST(a_failure_keeps_the_target) {
    whole_file file;
    assert_false(whole_file_open(&file, "no-such-folder/file"));
    assert_int_equal(errno, ENOENT);
    assert_false(whole_file_open(&file, "."));
    assert_int_equal(errno, EISDIR);
    assert_int_equal(entries(), 0);

    test_write("target", "old");
    struct rlimit before, small = {.rlim_cur = 4};
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    assert_true(whole_file_open(&file, "target"));
    fputs("longer than four", file.stream);
    assert_false(whole_file_commit(&file));
    assert_int_equal(errno, EFBIG);
    // Also if an earlier write failed and the last flush has nothing to write.
    assert_true(whole_file_open(&file, "target"));
    setvbuf(file.stream, NULL, _IONBF, 0);
    fputs("longer than four", file.stream);
    assert_false(whole_file_commit(&file));
    assert_int_not_equal(errno, 0);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_file("target", "old");
    assert_int_equal(entries(), 1);
}

FOLDER_TEST(a_target_that_is_no_regular_file_is_written_to) {
    assert_int_equal(mkfifo("fifo", 0600), 0);
    int reader = open("fifo", O_RDONLY | O_NONBLOCK);
    commit("fifo", "text");
    char found[10] = "";
    assert_int_equal(read(reader, found, sizeof found), 4);
    assert_string_equal(found, "text");
    close(reader);
    assert_true(S_ISFIFO(mode("fifo")));

    whole_file file;
    assert_true(whole_file_open(&file, "/dev/full"));
    fputs("text", file.stream);
    assert_false(whole_file_commit(&file));
    assert_int_equal(errno, ENOSPC);
    assert_true(S_ISCHR(mode("/dev/full")));
    commit("/dev/null", "");
    assert_true(S_ISCHR(mode("/dev/null")));

    // If standard output is a file, that file is written to, not replaced.
    int saved = redirect(STDOUT_FILENO, "redirected");
    ino_t inode = status_of("redirected").st_ino;
    bool opened = whole_file_open(&file, "/dev/stdout");
    if (opened) fputs("text", file.stream);
    bool written = opened && whole_file_commit(&file);
    restore(STDOUT_FILENO, saved);
    assert_true(written);
    assert_file("redirected", "text");
    assert_int_equal(status_of("redirected").st_ino, inode);
    assert_int_equal(entries(), 2);
}

// "-" is standard input and output; "./-" is a file.
FOLDER_TEST(a_dash_is_a_standard_stream) {
    json_t *json = json_pack("[i]", 7);
    int saved = redirect(STDOUT_FILENO, "redirected");
    printf("before ");
    bool written = file_write_json("-", json);
    printf("after\n");
    restore(STDOUT_FILENO, saved);
    assert_true(written);
    assert_file("redirected", "before [\n  7\n]\nafter\n");

    char error[200];
    test_write("input", "[7]");
    saved = redirect(STDIN_FILENO, "input");
    json_t *again = file_read_json("-", error);
    lseek(STDIN_FILENO, 0, SEEK_SET);
    size_t count;
    char *text = file_read("-", &count);
    restore(STDIN_FILENO, saved);
    assert_true(json_equal(json, again));
    assert_string_equal(text, "[7]");
    free(text);
    assert_true(file_write_json("./-", json));
    assert_file("-", "[\n  7\n]\n");
    json_decref(json);
    json_decref(again);
}

FOLDER_TEST(the_longest_name_and_odd_ones_are_written) {
    char longest[256];
    memset(longest, 'x', 255);
    longest[255] = '\0';
    const char *const names[] = {longest, "-x", " ", "a\nb", "caf\xe9", "%s", "*"};
    for (size_t i = 0; i < ITEMS(names); i++) {
        commit(names[i], "text");
        assert_file(names[i], "text");
        assert_int_equal(entries(), i + 1);
    }
}

// The last one to commit replaces the file.
FOLDER_TEST(concurrent_writers_do_not_mix) {
    whole_file one, two;
    assert_true(whole_file_open(&one, "file") && whole_file_open(&two, "file"));
    fputs("one", one.stream);
    fputs("two", two.stream);
    assert_true(whole_file_commit(&two) && whole_file_commit(&one));
    assert_file("file", "one");
    assert_int_equal(entries(), 1);
}

FOLDER_TEST(json_is_written_in_order_and_read_back) {
    json_t *json = json_pack("{s:i, s:f, s:[n], s:s}", "z", 1, "a", 0.1, "list", "text", "é\n");
    assert_true(file_write_json("file.json", json));
    assert_file("file.json", "{\n  \"z\": 1,\n  \"a\": 0.1,\n  \"list\": [\n    null\n  ],\n"
                             "  \"text\": \"é\\n\"\n}\n");
    char error[200];
    json_t *again = file_read_json("file.json", error);
    assert_true(json_equal(json, again));
    json_decref(again);
    json_decref(json);

    assert_false(file_write_json("no-such-folder/file.json", json_true()));
    assert_int_equal(errno, ENOENT);
    assert_false(file_write_json("true.json", json_true())); // neither array nor object
    assert_int_equal(errno, EINVAL);
    assert_int_equal(entries(), 1);
}

FOLDER_TEST(bad_json_is_explained_in_one_line) {
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"{\n\"a\": }", "line 2: "},
        {"", "line 1: "},
        {"{\"a\": 1,\n\"a\": 2}", "line 2: duplicate"},
        {"[1]\n x", "line 2: "},
        {"[\n\n\"a\nb\"]", "line 3: "},
        {"[\"\x1b[31m\x07\"]", "line 1: "},
    };
    char error[200];
    for (size_t i = 0; i < ITEMS(cases); i++) {
        test_write("bad.json", cases[i].text);
        assert_null(file_read_json("bad.json", error));
        assert_int_equal(strncmp(error, cases[i].error, strlen(cases[i].error)), 0);
        for (const char *at = error; *at; at++)
            assert_true((unsigned char)*at >= ' ');
    }
    assert_null(file_read_json("none.json", error));
    assert_string_equal(error, strerror(ENOENT));
    assert_null(file_read_json(".", error));
    assert_string_equal(error, strerror(EISDIR));
}

FOLDER_TEST(directories_are_made_with_their_parents) {
    assert_true(file_make_directory("a/b/c"));
    assert_true(S_ISDIR(mode("a/b/c")));
    assert_true(file_make_directory("a/b"));
    assert_true(file_make_directory("a//d/"));
    assert_true(S_ISDIR(mode("a/d")));
    char absolute[100];
    snprintf(absolute, sizeof absolute, "%s/e/f", test_folder);
    assert_true(file_make_directory(absolute));
    assert_true(S_ISDIR(mode("e/f")));
    test_write("file", "");
    assert_false(file_make_directory("file"));
    assert_int_equal(errno, ENOTDIR);
    assert_false(file_make_directory("file/below"));
    assert_int_equal(errno, ENOTDIR);
    assert_false(file_make_directory(""));
}

FOLDER_TEST(what_can_be_written_is_known_before) {
    assert_true(file_is_writable("new"));
    assert_int_equal(access("new", F_OK), -1);
    test_write("old", "kept");
    assert_true(file_is_writable("old"));
    size_t size;
    char *text = file_read("old", &size);
    assert_string_equal(text, "kept");
    free(text);
    assert_false(file_is_writable("none/file"));
    assert_int_equal(errno, ENOENT);
    assert_false(file_is_writable("."));
    assert_true(file_is_writable("/dev/null"));
    assert_false(file_is_writable("/proc/none"));
    assert_false(file_make_writable_directory("/proc/self"));
    assert_true(file_make_writable_directory("made"));
}

FOLDER_TEST(a_tree_is_removed_whole) {
    assert_true(file_make_directory("tree/-odd 'name'/below"));
    test_write("tree/file", "");
    test_write("kept", "");
    assert_int_equal(symlink("../kept", "tree/link"), 0);
    assert_true(file_remove_tree("tree"));
    assert_int_equal(access("tree", F_OK), -1);
    assert_int_equal(access("kept", F_OK), 0);
    assert_true(file_remove_tree("tree"));
    assert_false(file_remove_tree("/proc/self/status"));
}

TEST_MAIN(NULL, NULL)
