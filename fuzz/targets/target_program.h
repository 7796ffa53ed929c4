// Where the fuzz targets' programs lie: in the build of preset `fuzz`, beside the one of this
// program.
#pragma once

// The program of a target; of one per strategy, that strategy's. To be freed. It need not exist.
// NULL: out of memory.
char *target_program(const char *target, const char *strategy);
