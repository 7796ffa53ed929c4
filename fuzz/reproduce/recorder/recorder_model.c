// What is to hold, as the player's model and its shadow of handles say.
#include "fuzz/reproduce/recorder/recorder_state.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 16 }; // of content

// ---- Buffers ------------------------------------------------------------------------------------

static const unsigned char *content_of(uint32_t number) {
    return recorded.player->content + recorded.player->buffers[number].content;
}

// A handle of the buffer, or 0.
static lm_handle handle_of(uint32_t number) {
    const handle_shadow *shadow = &recorded.player->shadow;
    for (uint32_t i = 0; i < shadow->slots; i++)
        if (shadow->shares[i].count && shadow->shares[i].buffer == number)
            return shadow->shares[i].handle;
    return 0;
}

static void write_birth(uint32_t number) {
    const model_buffer *buffer = &recorded.player->model.buffers[number];
    bool kept = recorded.player->buffers[number].shadowed;
    lm_handle handle = handle_of(number);
    recorded.seen[number] = true;
    recorder_write("    %s(%u, %u, %s, %u);\n",
                   !kept        ? "lies"
                   : number % 2 ? "is_zero"
                                : "fill",
                   number, lm_handle_owner(handle), recorder_handle(handle), buffer->alignment);
    recorded.contents[number] = kept ? malloc((size_t)buffer->size + 1) : NULL;
    if (recorded.contents[number])
        memcpy(recorded.contents[number], content_of(number), buffer->size);
}

static void write_bytes(uint32_t number, uint32_t at, uint32_t count) {
    char bytes[4 * LINE_BYTES + 1] = "";
    for (uint32_t i = 0; i < count; i++)
        snprintf(bytes + (size_t)4 * i, 5, "\\x%02x", content_of(number)[at + i]);
    recorder_write("    becomes(%u, %u, \"%s\", %u);\n", number, at, bytes, count);
}

static void write_changes(uint32_t number) {
    uint32_t size = recorded.player->model.buffers[number].size;
    unsigned char *written = recorded.contents[number];
    const unsigned char *now = content_of(number);
    for (uint32_t at = 0; written && at < size; at++) {
        if (written[at] == now[at]) continue;
        uint32_t count = size - at < LINE_BYTES ? size - at : LINE_BYTES;
        write_bytes(number, at, count);
        memcpy(written + at, now + at, count);
    }
}

static void write_buffers(void) {
    const buffer_player *p = recorded.player;
    for (uint32_t i = 0; i < p->model.begun && i < RECORDER_NAMES_MAX; i++) {
        if (p->buffers[i].lives && !recorded.seen[i]) write_birth(i);
        if (p->buffers[i].lives) write_changes(i);
        if (p->buffers[i].lives || !recorded.seen[i]) continue;
        recorder_write("    dies(%u);\n", i);
        recorded.seen[i] = false;
    }
}

// ---- Handles and memories -----------------------------------------------------------------------

static void write_handle(uint32_t number, bool all) {
    named_handle *named = &recorded.handles[number];
    const buffer_player *p = recorded.player;
    uint32_t owner = lm_handle_owner(named->handle);
    lm_status status = handle_shadow_judge(&p->shadow, owner, named->handle, LM_USE_AFTER_ZERO);
    const shadow_share *share = handle_shadow_share(&p->shadow, named->handle);
    char says[sizeof named->says];
    if (status != LM_OK) {
        snprintf(says, sizeof says, "dead(%u, h%u, %s)", owner, number, lm_status_name(status));
    } else {
        const model_buffer *buffer = &p->model.buffers[share->buffer];
        snprintf(says, sizeof says, "live(%u, h%u, %u, %u, %u, %s)", owner, number,
                 p->buffers[share->buffer].memory, buffer->size, share->count,
                 buffer->references == 1 ? "true" : "false");
    }
    if (!all && strcmp(says, named->says) == 0) return;
    strcpy(named->says, says);
    recorder_write("    %s;\n", says);
}

static void write_memory(uint32_t number, bool all) {
    const buffer_player *p = recorded.player;
    char says[RECORDER_TEXT];
    snprintf(says, sizeof says, "holds(%u, %u, %llu, %llu, %u)", number, p->live_buffers[number],
             (unsigned long long)p->live_bytes[number], (unsigned long long)p->peak_bytes[number],
             p->live_blocks[number]);
    if (!all && strcmp(says, recorded.memories[number]) == 0) return;
    strcpy(recorded.memories[number], says);
    recorder_write("    %s;\n", says);
}

void recorder_write_state(bool all) {
    write_buffers();
    for (uint32_t i = 0; i < recorded.handles_named; i++)
        if (recorded.handles[i].handle) write_handle(i, all);
    for (uint32_t i = 0; i < recorded.player->options.count; i++)
        write_memory(i, all);
    recorder_write("    walk(%u);\n", recorded.player->armed);
}
