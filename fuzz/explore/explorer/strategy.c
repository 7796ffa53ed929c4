// Compiles one strategy for the explorer: EXPLORED is its name, EXPLORED_SOURCE its file, CANONICAL
// the header with its canonicalize.
#include EXPLORED_SOURCE

#include "fuzz/explore/explorer/strategies.h"

#ifdef CANONICAL
#include CANONICAL
#else
#define canonicalize NULL
#endif

#define EXPLORED_TABLE_(name, level) LM_PASTE(explored_, name, LM_PASTE(_, level, LM_CHECK_LEVEL))
#define EXPLORED_TABLE(name)         EXPLORED_TABLE_(name, level)

extern const explored_strategy EXPLORED_TABLE(EXPLORED);
const explored_strategy EXPLORED_TABLE(EXPLORED) = {&LM_TABLE(EXPLORED), canonicalize};
