// A mutant's counts (mutant.h) in a shared mapping of the file LINMEM_MUTANT_COUNTS, so that they
// are kept however the program ends. The file has two pages: `reached` begins the first one,
// `triggered` the second.
//
// Linked into mutants only: these definitions replace the weak ones.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

__attribute__((aligned(PAGE))) unsigned long long lm_mutant_reached;
__attribute__((aligned(PAGE))) unsigned long long lm_mutant_triggered;

// Replaces the page, with all its content, by a shared mapping of the file.
static int share(void *page, int file, off_t offset) {
    return pwrite(file, page, PAGE, offset) == PAGE &&
           mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, offset) == page;
}

__attribute__((constructor)) static void share_counts(void) {
    const char *path = getenv("LINMEM_MUTANT_COUNTS");
    if (!path) return;
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0 || !share(&lm_mutant_reached, file, 0) || !share(&lm_mutant_triggered, file, PAGE))
        _exit(3);
    close(file);
}
