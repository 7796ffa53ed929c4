#include "cli/interrupt.h"
#include "cli/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

// Writes its state to `talk`, and reads from a pipe that is never written to.
_Noreturn static void be_interrupted(int talk, int silence) {
    interrupt_catch();
    whole_file file;
    if (interrupted() || !whole_file_open(&file, "file")) _exit(1);
    char byte = 'a';
    while (!interrupted()) {
        if (byte == 'a' && write(talk, &byte, 1) != 1) _exit(2);
        if (read(silence, &byte, 1) >= 0 || errno != EINTR) _exit(3);
    }
    if (write(talk, "b", 1) != 1) _exit(4);
    for (;;)
        pause();
}

static bool sleeps(pid_t pid) {
    char path[40], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return sscanf(strrchr(test_read(path), ')'), ") %c", &state) == 1 && state == 'S';
}

FOLDER_TEST(the_first_is_noted_and_the_second_ends) {
    static const int signals[][2] = {
        {SIGINT, SIGINT}, {SIGTERM, SIGINT}, {SIGINT, SIGTERM}, {SIGHUP, SIGHUP}};
    for (size_t i = 0; i < ITEMS(signals); i++) {
        char byte;
        int talk[2], silence[2], status;
        assert_int_equal(pipe(talk) + pipe(silence), 0);
        pid_t pid = fork();
        if (pid == 0) be_interrupted(talk[1], silence[0]);
        close(talk[1]);
        assert_int_equal(read(talk[0], &byte, 1), 1);
        while (!sleeps(pid)) // in read
            usleep(1000);
        while (waitpid(pid, &status, WNOHANG) == 0 && kill(pid, signals[i][0]) == 0 &&
               read(talk[0], &byte, 1) == 1 && byte != 'b')
            ;
        assert_int_equal(byte, 'b');
        assert_int_equal(rmdir(test_folder), -1); // the temporary is still there
        kill(pid, signals[i][1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signals[i][1]);
        assert_int_equal(rmdir(test_folder), 0); // now it is not
        assert_int_equal(mkdir(test_folder, 0700) | chdir(test_folder), 0);
        close(talk[0]);
        close(silence[0]);
        close(silence[1]);
    }
}

TEST(a_hangup_that_nohup_ignores_is_ignored) {
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGHUP, SIG_IGN);
        interrupt_catch();
        raise(SIGHUP);
        _exit(interrupted());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

TEST_MAIN(NULL, NULL)
