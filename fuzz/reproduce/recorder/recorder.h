// The recorder: writes the buffer player's calls as C statements of a standalone program
// (fuzz/reproduce/reproducer_buffers.h).
//
// The player's sources are compiled with recorded_calls.h before them, so that the recorder makes
// each call of the API. It writes a call with its expected result, and after each operation the
// expected state by the player's model: the meaning of each handle, the counts of live buffers and
// blocks of each memory, the content of buffers. It writes only changes, except for the operation
// that breaks a law.
//
// The statements are right for correct code, even if the code that plays is not: they contain
// expected results, not actual ones. If a call returns something else, nothing is written after it;
// if another law is broken, nothing after that operation. A call that does not return is written
// without a result.
#pragma once

#include "fuzz/play/buffer_player.h"

#include <stdio.h>

// Starts to record to the stream, which must be seekable, and sets the options' observer.
void recorder_start(FILE *stream, buffer_player *player, buffer_player_options *options);

// Plays and records. Ends the process once a law is broken and its statements are written; returns
// if none is broken. `options` are as recorder_start left them.
void recorder_play(buffer_player *player, const buffer_player_options *options,
                   const trace_operation *operations, size_t count);
