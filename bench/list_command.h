// The verb list: what there is.
#pragma once

#include "cli/verb.h"

exit_status list_command(int argc, char **argv);
