#include "cli/home.h"

#include "cli/child.h"
#include "cli/text.h"

#include <stdlib.h>
#include <unistd.h>

bool home_is_installed(void) {
    static int installed = -1;
    if (installed < 0) {
        char *corpus = child_beside("corpus");
        installed = access(corpus, F_OK) == 0;
        free(corpus);
    }
    return installed;
}

char *home_path(const char *name) {
    return home_is_installed() ? child_beside(name) : text_format("%s/%s", LINMEM_SOURCE_DIR, name);
}
