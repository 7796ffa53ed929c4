#include "corpus/record/executable.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

typedef struct runtime {
    const char *name;
    const char *programs;  // prefixes of executables' names, each after a space
    const char *libraries; // prefixes of the names of linked libraries
    const char *section;   // a section of the executable, or NULL
    const char *setting;   // NAME=VALUE that makes it use malloc, or NULL
    const char *hidden;    // what it allocates from its own heap, and how to record that
} runtime;

// A runtime's own heap takes large pieces from malloc or from the system; only these pieces are
// recorded.
static const runtime runtimes[] = {
    {"Python", " python pypy", " libpython libpypy", NULL, "PYTHONMALLOC=malloc",
     "blocks up to 512 bytes (set PYTHONMALLOC=malloc to record them)"},
    {"PHP", " php", " libphp", NULL, "USE_ZEND_ALLOC=0",
     "what scripts allocate (set USE_ZEND_ALLOC=0 to record it)"},
    {"Node.js", " node", " libnode libv8", NULL, NULL, "JavaScript objects, which are V8's"},
    {"Java", " java", " libjvm", NULL, NULL, "objects, which are the JVM's"},
    {"Go", "", "", ".go.buildinfo", NULL, "what Go allocates"},
    {".NET", " dotnet", " libcoreclr libmono", NULL, NULL, "managed objects"},
    {"Ruby", " ruby", " libruby", NULL, NULL, "objects, but for what they point to"},
    {"Erlang", " beam", "", NULL, NULL, "what processes allocate"},
};
enum { RUNTIMES = sizeof runtimes / sizeof *runtimes };

char *executable_runtimes(void) {
    char *text = NULL;
    size_t size;
    FILE *list = open_memstream(&text, &size);
    if (list == NULL) return NULL;
    for (size_t i = 0; i < RUNTIMES; i++)
        fprintf(list, "  %-8s %s\n", runtimes[i].name, runtimes[i].hidden);
    return fclose(list) == 0 ? text : NULL;
}

// ---- Path ---------------------------------------------------------------------------------------

static bool executable_find_in(const char *folders, const char *name, char *path, size_t bytes) {
    for (const char *at = folders;; at++) {
        int length = (int)strcspn(at, ":");
        snprintf(path, bytes, "%.*s%s%s", length, at, length != 0 ? "/" : "", name);
        if (access(path, X_OK) == 0) return true;
        at += length;
        if (*at == '\0') return false;
    }
}

// If the file is a script, replaces the path by its interpreter's.
static void executable_follow_script(char *path, size_t bytes) {
    char line[PATH_MAX] = "", interpreter[PATH_MAX];
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(line, sizeof line, file) != NULL;
    if (file != NULL) fclose(file);
    if (!read || sscanf(line, "#! %4000s", interpreter) != 1) return;
    snprintf(path, bytes, "%s", interpreter);
}

bool executable_find(const char *command, char *path, size_t bytes) {
    const char *folders = getenv("PATH");
    bool found = true;
    if (strchr(command, '/') != NULL)
        snprintf(path, bytes, "%s", command);
    else
        found =
            executable_find_in(folders != NULL ? folders : "/bin:/usr/bin", command, path, bytes);
    if (found) executable_follow_script(path, bytes);
    return found;
}

// ---- Content ------------------------------------------------------------------------------------

typedef struct elf_file {
    const char *bytes;
    size_t count;
} elf_file;

// Returns a part of the file, or NULL if it is not wholly in the file.
static const void *executable_piece(const elf_file *file, uint64_t at, uint64_t count) {
    return at <= file->count && count <= file->count - at ? file->bytes + at : NULL;
}

// The same for a structure, or NULL if it is not aligned: loaders reject it.
static const void *executable_structure(const elf_file *file, uint64_t at, uint64_t count) {
    return at % sizeof(ElfW(Addr)) == 0 ? executable_piece(file, at, count) : NULL;
}

static const ElfW(Phdr) * segment(const elf_file *file, uint32_t type) {
    const ElfW(Ehdr) *header = executable_structure(file, 0, sizeof *header);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const ElfW(Phdr) *found = executable_structure(
            file, header->e_phoff + (uint64_t)i * header->e_phentsize, sizeof *found);
        if (found != NULL && found->p_type == type) return found;
    }
    return NULL;
}

// Returns whether the program requests a loader other than glibc's.
static bool executable_has_other_library(const elf_file *file) {
    const ElfW(Phdr) *loader = segment(file, PT_INTERP);
    const char *name =
        loader != NULL ? executable_piece(file, loader->p_offset, loader->p_filesz) : NULL;
    return name != NULL && memmem(name, loader->p_filesz, "/ld-musl", 8) != NULL;
}

static bool executable_has_section(const elf_file *file, const char *name) {
    const ElfW(Ehdr) *header = executable_structure(file, 0, sizeof *header);
    uint64_t at = header->e_shoff, bytes = header->e_shentsize;
    const ElfW(Shdr) *names =
        executable_structure(file, at + header->e_shstrndx * bytes, sizeof *names);
    for (unsigned i = 0; names != NULL && i < header->e_shnum; i++) {
        const ElfW(Shdr) *section = executable_structure(file, at + i * bytes, sizeof *section);
        if (section == NULL) return false;
        const char *found =
            executable_piece(file, names->sh_offset + section->sh_name, strlen(name) + 1);
        if (found != NULL && memcmp(found, name, strlen(name) + 1) == 0) return true;
    }
    return false;
}

// Returns the position in the file of an address of the loaded program, or 0.
static uint64_t executable_file_offset(const elf_file *file, uint64_t address) {
    const ElfW(Ehdr) *header = executable_structure(file, 0, sizeof *header);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const ElfW(Phdr) *load = executable_structure(
            file, header->e_phoff + (uint64_t)i * header->e_phentsize, sizeof *load);
        if (load != NULL && load->p_type == PT_LOAD && address - load->p_vaddr < load->p_filesz)
            return load->p_offset + address - load->p_vaddr;
    }
    return 0;
}

static bool executable_begins_with_one(const char *name, const char *beginnings) {
    char words[200], *rest;
    snprintf(words, sizeof words, "%s", beginnings);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        if (strncmp(name, word, strlen(word)) == 0) return true;
    return false;
}

static bool executable_is_linked_with(const elf_file *file, const char *libraries) {
    const ElfW(Phdr) *segment_of = segment(file, PT_DYNAMIC);
    if (segment_of == NULL) return false;
    const ElfW(Dyn) *entries =
        executable_structure(file, segment_of->p_offset, segment_of->p_filesz);
    size_t count = entries != NULL ? segment_of->p_filesz / sizeof *entries : 0;
    uint64_t strings = 0;
    for (size_t i = 0; i < count; i++)
        if (entries[i].d_tag == DT_STRTAB)
            strings = executable_file_offset(file, entries[i].d_un.d_ptr);
    for (size_t i = 0; i < count && strings != 0; i++) {
        if (entries[i].d_tag != DT_NEEDED) continue;
        uint64_t at = strings + entries[i].d_un.d_val;
        const char *name = executable_piece(file, at, 1);
        if (name != NULL && memchr(name, '\0', file->count - at) != NULL &&
            executable_begins_with_one(name, libraries))
            return true;
    }
    return false;
}

static bool executable_is_set(const char *setting) {
    if (setting == NULL) return false;
    char name[64];
    size_t length = strcspn(setting, "=");
    snprintf(name, sizeof name, "%.*s", (int)length, setting);
    const char *value = getenv(name);
    return value != NULL && strncmp(value, setting + length + 1, strlen(setting + length + 1)) == 0;
}

static const char *executable_hidden_by_runtime(const elf_file *file, const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    for (size_t i = 0; i < RUNTIMES; i++) {
        const runtime *found = &runtimes[i];
        if (!executable_begins_with_one(name, found->programs) &&
            !executable_is_linked_with(file, found->libraries) &&
            !(found->section != NULL && executable_has_section(file, found->section)))
            continue;
        return executable_is_set(found->setting) ? NULL : found->hidden;
    }
    return NULL;
}

static bool executable_is_privileged(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) return false;
    bool setuid = status.st_mode & S_ISUID && status.st_uid != geteuid();
    bool setgid = status.st_mode & S_ISGID && status.st_gid != getegid();
    bool capable = geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
    return setuid || setgid || capable;
}

static void executable_inspect_elf(const elf_file *file, const char *path, executable *executable) {
    const ElfW(Ehdr) *header = executable_structure(file, 0, sizeof *header);
    if (header == NULL || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return;
    executable->readable = true;
    const ElfW(Ehdr) *own =
        (const void *)getauxval(AT_SYSINFO_EHDR); // the vDSO is for this machine
    executable->is_foreign =
        header->e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
        (own != NULL && header->e_machine != own->e_machine);
    if (executable->is_foreign) return;
    executable->is_static = segment(file, PT_INTERP) == NULL;
    executable->is_foreign = executable_has_other_library(file);
    executable->hidden = executable_hidden_by_runtime(file, path);
}

void executable_inspect(const char *path, executable *executable) {
    *executable = (struct executable){.is_privileged = executable_is_privileged(path)};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (descriptor < 0) return;
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        elf_file file = {.count = (size_t)status.st_size};
        void *bytes = mmap(NULL, file.count, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (bytes != MAP_FAILED) {
            file.bytes = bytes;
            executable_inspect_elf(&file, path, executable);
            munmap(bytes, file.count);
        }
    }
    close(descriptor);
}
