#include "cli/file.h"

#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The open files, newest first. Signal handlers read the list, so it is changed by single stores,
// and signals are blocked while a temporary is created and added.
static whole_file *volatile file_open_files;

static void file_enlist(whole_file *file) {
    file->next = file_open_files;
    file_open_files = file;
}

static void file_delist(whole_file *file) {
    whole_file *volatile *link = &file_open_files;
    while (*link && *link != file)
        link = &(*link)->next;
    if (*link) *link = file->next;
}

static void file_release(whole_file *file) {
    file_delist(file);
    free(file->path);
    free(file->temporary);
    *file = (whole_file){0};
}

// Creates the temporary with the mode of the file that it replaces, or that of the umask (mkstemp
// would set 0600). Returns a descriptor, or −1 with errno set.
static int file_create_temporary(whole_file *file, const struct stat *replaced) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int descriptor = -1;
    for (unsigned attempt = 0; descriptor < 0; attempt++) {
        free(file->temporary);
        // Not named after the target, whose name may have the maximum length.
        const char *slash = strrchr(file->path, '/');
        int folder = slash ? (int)(slash + 1 - file->path) : 0;
        if (asprintf(&file->temporary, "%.*s.linmem-%d-%u.part", folder, file->path, getpid(),
                     attempt) < 0) {
            file->temporary = NULL;
            break;
        }
        descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno != EEXIST) break;
    }
    if (descriptor >= 0) {
        file_enlist(file);
        if (replaced) fchmod(descriptor, replaced->st_mode & 07777);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return descriptor;
}

// Returns whether a path names a descriptor (/dev/stdout, /dev/fd/3), whose file must not be
// replaced.
static bool file_is_descriptor(const char *path) {
    return strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0;
}

bool file_is_standard(const char *path) {
    return strcmp(path, "-") == 0;
}

static int file_open_standard_output(void) {
    return fflush(stdout) == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0) : -1;
}

bool whole_file_open(whole_file *file, const char *path) {
    *file = (whole_file){0};
    struct stat target;
    bool standard = file_is_standard(path), exists = !standard && stat(path, &target) == 0;
    bool direct = standard || (exists && (!S_ISREG(target.st_mode) || file_is_descriptor(path)));
    if (exists && access(path, W_OK) != 0) return false;
    // The target of a symbolic link is replaced, not the link.
    file->path = exists && !direct ? realpath(path, NULL) : strdup(path);
    if (!file->path) return false;
    int descriptor = standard ? file_open_standard_output()
                     : direct ? open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)
                              : file_create_temporary(file, exists ? &target : NULL);
    if (descriptor >= 0) {
        file->stream = fdopen(descriptor, "w");
        if (file->stream) return true;
        close(descriptor);
        if (!direct) unlink(file->temporary);
    }
    int error = errno;
    file_release(file);
    errno = error;
    return false;
}

bool whole_file_commit(whole_file *file) {
    errno = 0;
    bool written = fflush(file->stream) == 0 && !ferror(file->stream) &&
                   (!file->temporary || fsync(fileno(file->stream)) == 0);
    // A stream stores that a write failed, but not why.
    int error = written ? 0 : errno ? errno : EIO;
    if (fclose(file->stream) != 0 && !error) error = errno;
    if (!error && file->temporary && rename(file->temporary, file->path) != 0) error = errno;
    if (error && file->temporary) unlink(file->temporary);
    file_release(file);
    errno = error;
    return !error;
}

void whole_file_abandon(whole_file *file) {
    if (file->temporary) unlink(file->temporary);
    fclose(file->stream);
    file_release(file);
}

void whole_file_abandon_all(void) {
    for (whole_file *file = file_open_files; file; file = file->next)
        unlink(file->temporary);
}

bool file_is_writable(const char *path) {
    struct stat target;
    if (file_is_standard(path)) {
        int flags = fcntl(STDOUT_FILENO, F_GETFL);
        errno = EBADF;
        return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
    }
    // Opening and closing a pipe would signal the end to its reader.
    if (stat(path, &target) == 0 && !S_ISREG(target.st_mode) && !S_ISDIR(target.st_mode))
        return access(path, W_OK) == 0;
    whole_file file;
    if (!whole_file_open(&file, path)) return false;
    whole_file_abandon(&file);
    return true;
}

// Opens a file or standard input for reading. Returns NULL with errno set on failure.
static FILE *file_open_to_read(const char *path) {
    if (!file_is_standard(path)) return fopen(path, "re");
    int descriptor = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    FILE *stream = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    if (!stream && descriptor >= 0) close(descriptor);
    return stream;
}

char *file_read(const char *path, size_t *count) {
    char *text = NULL;
    FILE *from = file_open_to_read(path);
    if (!from) return NULL;
    FILE *to = open_memstream(&text, count);
    for (int byte; to && (byte = getc(from)) != EOF;)
        putc(byte, to);
    bool read = to && !ferror(from) && !ferror(to);
    int reason = errno;
    if (to) read &= fclose(to) == 0;
    fclose(from);
    if (read) return text;
    free(text);
    errno = reason;
    return NULL;
}

bool file_write_json(const char *path, const json_t *json) {
    whole_file file;
    if (!whole_file_open(&file, path)) return false;
    // With 15 digits every decimal number is kept: 0.1 is written as 0.1.
    int bad = json_dumpf(json, file.stream, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    if (bad && !ferror(file.stream)) {
        whole_file_abandon(&file);
        errno = EINVAL; // not an array or object, or one that contains itself
        return false;
    }
    fputc('\n', file.stream);
    return whole_file_commit(&file);
}

json_t *file_read_json(const char *path, char *error) {
    FILE *stream = file_open_to_read(path);
    if (!stream) {
        snprintf(error, 200, "%s", strerror(errno));
        return NULL;
    }
    json_error_t reason;
    errno = 0;
    json_t *json = json_loadf(stream, JSON_REJECT_DUPLICATES, &reason);
    if (!json && ferror(stream))
        snprintf(error, 200, "%s", strerror(errno));
    else if (!json) { // the message quotes the file
        char *printable = text_printable(reason.text);
        snprintf(error, 200, "line %d: %s", reason.line, printable);
        free(printable);
    }
    fclose(stream);
    return json;
}

bool file_make_directory(const char *path) {
    char *partial = strdup(path);
    if (!partial) return false;
    bool made = true;
    for (char *at = partial; made && *at; at++) {
        if (*at != '/' || at == partial) continue;
        *at = '\0';
        made = mkdir(partial, 0777) == 0 || errno == EEXIST;
        *at = '/';
    }
    free(partial);
    if (!made) return false;
    if (mkdir(path, 0777) == 0) return true;
    struct stat found;
    if (errno != EEXIST || stat(path, &found) != 0) return false;
    errno = ENOTDIR;
    return S_ISDIR(found.st_mode);
}

bool file_make_writable_directory(const char *path) {
    return file_make_directory(path) && access(path, W_OK | X_OK) == 0;
}

static int file_remove_entry(const char *path, const struct stat *status, int kind,
                             struct FTW *where) {
    (void)status, (void)kind, (void)where;
    return remove(path);
}

bool file_remove_tree(const char *path) {
    enum { DESCRIPTORS = 16 };
    return nftw(path, file_remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT;
}
