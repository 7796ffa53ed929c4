// Progress is drawn in processes whose standard error is a pseudo-terminal.
#include "cli/progress.h"
#include "cli/test.h"

#include <pty.h>

enum { COLUMNS = 40, SHOWN = 3000 };

static void work(const char *now) {
    progress *shown = progress_start("running", SHOWN);
    for (size_t done = 0; done < SHOWN; done++) {
        progress_show(shown, done, now);
        usleep(100);
    }
    progress_end(shown);
}

// Returns what is drawn on a terminal of that kind; NULL: on a pipe.
static char *draw(const char *terminal, const char *now) {
    int ends[2], status;
    struct winsize size = {.ws_row = 10, .ws_col = COLUMNS};
    assert_int_equal(terminal ? openpty(&ends[0], &ends[1], NULL, NULL, &size) : pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        setenv("TERM", terminal ? terminal : "xterm", 1);
        work(now);
        _exit(0);
    }
    close(ends[1]);
    char *drawn = calloc(1, 1 << 20);
    size_t length = 0;
    for (ssize_t count = 1; count > 0; length += count > 0 ? (size_t)count : 0)
        count = read(ends[0], drawn + length, (1 << 20) - 1 - length);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return drawn;
}

TEST(elsewhere_it_is_silent) {
    char *dumb = draw("dumb", "now"), *none = draw(NULL, "now");
    assert_string_equal(dumb, "");
    assert_string_equal(none, "");
    free(dumb);
    free(none);
}

TEST(a_line_is_redrawn_within_the_terminal) {
    static const char end[] = "\033[K";
    // é is two bytes of one column.
    char *drawn = draw("xterm", "éééééééééééééééééééééééééééééééé"), *at = drawn;
    assert_int_equal(strncmp(drawn, "\rrunning: 0 of 3000: é", strlen("\rrunning: 0 of 3000: é")),
                     0);
    assert_null(strchr(drawn, '\n'));
    size_t lines = 0, columns = 0;
    for (char *stop; (stop = strstr(at, end)); at = stop + strlen(end), lines++) {
        assert_int_equal(*at, '\r');
        columns = 0;
        for (char *byte = at + 1; byte < stop; byte++)
            columns += (*byte & 0xC0) != 0x80;
        assert_true(columns < COLUMNS);
        assert_true(at + 1 == stop || *(stop - 1) != (char)0xC3); // no character is cut
    }
    assert_string_equal(at, "");
    assert_int_equal(columns, 0); // the last line is the cleared one
    assert_true(lines >= 3 && lines < SHOWN / 2);
    assert_non_null(strstr(drawn, " s left")); // the time that is left
    free(drawn);
}

TEST_MAIN(NULL, NULL)
