// What a mutant counts (mutant.h), kept in the file that LINMEM_MUTANT_COUNTS names, so that it
// outlives the program however that ends. Two pages: reached begins the one, triggered the other.
//
// Linked into mutants only: these definitions take precedence over the weak ones.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

__attribute__((aligned(PAGE))) unsigned long long lm_mutant_reached;
__attribute__((aligned(PAGE))) unsigned long long lm_mutant_triggered;

// The page becomes the file's, with what else lies in it.
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
