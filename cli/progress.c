#include "cli/progress.h"

#include "cli/clock.h"
#include "cli/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct progress {
    char *what;
    size_t total;
    double started_s, drawn_s;
};

static const double progress_interval_s = 0.1;

progress *progress_start(const char *what, size_t total) {
    const char *terminal = getenv("TERM");
    if (!isatty(STDERR_FILENO) || !terminal || strcmp(terminal, "dumb") == 0) return NULL;
    progress *begun = calloc(1, sizeof *begun);
    if (!begun) return NULL;
    begun->what = strdup(what);
    begun->total = total;
    begun->started_s = clock_seconds();
    return begun;
}

// Returns the terminal's columns. Not cached, because it may be resized.
static size_t progress_terminal_columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

static void progress_describe_time(char *text, size_t size, double seconds) {
    if (seconds < 90)
        snprintf(text, size, ", %.0f s left", seconds);
    else if (seconds < 90 * 60)
        snprintf(text, size, ", %.0f min left", seconds / 60);
    else
        snprintf(text, size, ", %.1f h left", seconds / 3600);
}

void progress_show(progress *shown, size_t done, const char *now) {
    if (!shown) return;
    double now_s = clock_seconds();
    if (now_s - shown->drawn_s < progress_interval_s) return;
    shown->drawn_s = now_s;
    char left[40] = "";
    if (done > 0 && done <= shown->total)
        progress_describe_time(left, sizeof left,
                               (now_s - shown->started_s) / (double)done *
                                   (double)(shown->total - done));
    char *line = text_format("%s: %zu of %zu%s: %s", shown->what ? shown->what : "", done,
                             shown->total, left, now);
    char *printable = text_printable(line);
    // The last column stays empty, because some terminals wrap as soon as it is written.
    size_t fitting = text_within(printable, progress_terminal_columns() - 1);
    fprintf(stderr, "\r%.*s\033[K", (int)fitting, printable);
    free(printable);
    free(line);
    fflush(stderr);
}

void progress_end(progress *shown) {
    if (!shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    free(shown->what);
    free(shown);
}
