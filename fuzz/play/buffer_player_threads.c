// Simulates another thread that runs in the middle of a call, if counts are atomic and compiled
// with fuzz/play/buffer_interrupt.h. It owns no reference and calls on a handle that it knows: at
// three successive accesses of the interrupted call it retains, releases, and retains. No token
// keeps a reference of that handle, so none of its calls takes a lock. What a retain has granted
// must remain until it is released, whatever the interrupted call does.
#include "fuzz/play/buffer_player_state.h"

void buffer_interrupt(void);

// The accesses of a call: it reads a part, reads a word, and reads and swaps it.
enum { BEFORE = 2, BEFORE_MORE = 3, CALLS = 3 };

static _Thread_local struct {
    buffer_player *player; // NULL: no call may be interrupted
    lm_handle handle;
    uint32_t before; // accesses to skip
    uint32_t calls;  // calls made
    uint32_t granted;
} other;

static void call_next(lm_buffer_table *r) {
    uint32_t owner = lm_handle_owner(other.handle);
    if (other.calls++ % 2 == 0)
        other.granted += lm_buffer_retain(r, owner, other.handle) == LM_OK;
    else if (other.granted)
        other.granted -= lm_buffer_release(r, owner, other.handle) == LM_OK;
}

void buffer_interrupt(void) {
    buffer_player *p = other.player;
    if (!p || other.calls == CALLS) return;
    if (other.before) {
        other.before--;
        return;
    }
    other.player = NULL; // its own accesses are not interrupted
    call_next(&p->table);
    other.player = p;
}

void buffer_interrupt_begin(buffer_player *p, lm_handle handle, uint32_t number) {
    if (handle_shadow_share(&p->shadow, handle)->kept) return; // a release would wait for the lock
    other.player = p;
    other.handle = handle;
    other.before = BEFORE + number % BEFORE_MORE;
    other.calls = other.granted = 0;
}

bool buffer_interrupt_end(buffer_player *p, bool *interrupted) {
    *interrupted = other.player && other.calls > 0;
    other.player = NULL;
    for (; *interrupted && other.granted; other.granted--) {
        uint32_t owner = lm_handle_owner(other.handle);
        lm_status status = lm_buffer_release(&p->table, owner, other.handle);
        if (status != LM_OK)
            return buffer_broken(p, "count", "the release of a retained reference returns %s",
                                 lm_status_name(status));
    }
    return true;
}
