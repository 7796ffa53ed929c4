// The recorder: what the buffer player does, as statements of C that a standalone program makes
// (fuzz/reproduce/reproducer_buffers.h).
//
// The player's sources are compiled with recorded_calls.h before them, so that each call of the API
// comes by here. A call is written with what it is to return, and behind each operation stands what
// is to hold, as the player's model says: what each handle stands for, what lives in each memory,
// what buffers hold. Only what has changed is written, but for the operation that breaks a law.
//
// What is written is right of the right code, though the code that plays is not: of a result, what
// was expected. Where a call returns something else, nothing is written behind it; where another
// law is broken, nothing behind that operation. Where a call does not return, it stands there
// without a result.
#pragma once

#include "fuzz/play/buffer_player.h"

#include <stdio.h>

// Begins anew to write to the stream, which can seek, and changes the options so that the player is
// watched.
void recorder_start(FILE *stream, buffer_player *player, buffer_player_options *options);

// Ends the process as soon as all is written that breaks a law; returns where none is broken.
// `options` as recorder_start left them.
void recorder_play(buffer_player *player, const buffer_player_options *options,
                   const trace_operation *operations, size_t count);
