// linmem explore: every sequence of operations up to a depth, on small heaps.
#pragma once

#include "cli/verb.h"

exit_status explore_command(int argc, char **argv);
