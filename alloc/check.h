// The check level that a file is compiled at, its checks, and branch hints.
#pragma once

#ifndef LM_CHECK_LEVEL
#define LM_CHECK_LEVEL 0
#endif

// A condition that must hold, checked in constant time at check level 1 and above; traps if it does
// not.
#if LM_CHECK_LEVEL >= 1
#define LM_CHECK(law) ((law) ? (void)0 : __builtin_trap())
#else
#define LM_CHECK(law) ((void)(0 && (law)))
#endif

#define LM_LIKELY(x)   __builtin_expect(!!(x), 1)
#define LM_UNLIKELY(x) __builtin_expect(!!(x), 0)
