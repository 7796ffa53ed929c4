// The verb fuzz: runs the fuzz targets, and reproduces what they find.
#pragma once

#include "cli/verb.h"

exit_status fuzz_command(int argc, char **argv);
