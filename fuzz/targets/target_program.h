// The paths of the fuzz targets' programs: in the build folder of preset `fuzz`, beside the build
// folder of this program.
#pragma once

// Returns the path of a target's program (of `strategy`, if the target has one per strategy), which
// need not exist. The caller frees it.
char *target_program(const char *target, const char *strategy);
