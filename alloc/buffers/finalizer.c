// Finalizers: records in home, their queue, and its synchronization.
//
// A record is free if no bit of its state is set; the call that clears the last bit frees it. State
// and generation are one word:
//
//     31                8 7      0       ALIVE   its token keeps a reference
//     [    generation    | state  ]      QUEUED  it is in the queue, or about to be
//                                        HELD    detach_all has yet to release its reference
//
//     attach     -> ALIVE              detach, close, replace   ALIVE ->
//     enqueue    -> QUEUED, if ALIVE   drain                    ALIVE, QUEUED ->
//                                      detach_all               ALIVE -> HELD ->
//
// A record that is ALIVE or HELD keeps its reference: the share counts its kept references, and a
// release or transfer by the owner takes none of them (counts.c: keep, unkeep, release_kept). A
// record is armed under the lock under which its reference becomes kept. A reference that no token
// keeps any more is returned to its owner under the lock under which the record is disarmed, or
// released after that.
//
// A record that is detached while it is queued stays QUEUED until a drain dequeues it. No other
// token uses it before, so the queue never contains it twice.
//
// All calls but enqueue take the buffer table's lock, which costs one exchange without contention;
// references are released without it. Enqueue takes no lock. It uses these orders:
//
//     count of records   acquire, with the release of lm_records_take: the part of every lower
//                        number is there.
//     word               release by enqueue, of what the thread, and the threads that told it of
//                        the death, did to the buffer's bytes; acquire where the bit ALIVE is
//                        cleared, before the reference is released. Each enqueue of a valid token
//                        swaps, even if it was queued already, so every end of the token sees it.
//                        Enqueue reads only the word of the record, and a thread that was given a
//                        token sees the word that made it, or a later one. Only enqueue changes a
//                        word without the lock, by a swap that compares the generation too; the one
//                        that sets QUEUED pushes, so each record is pushed by one thread. Under the
//                        lock a word is changed by read-modify-writes, which miss no such swap.
//     queue, pushed      release: the link was written before. The head is read relaxed: it
//                        becomes a link, and nothing after it is read.
//     queue, taken       acquire, by an exchange. Pushes are read-modify-writes, so the release of
//                        each continues through the later ones (a release sequence), and the
//                        exchange synchronizes with every push whose record it takes.
//
// If the head that a push has read is taken and pushed again meanwhile, the push links to the
// current head: no ABA. A record that is marked but not pushed yet is dequeued by a later drain.
//
// Laws, which hold in foreign code too: state (detach_all has yet to release each held record),
// ring, queue (each queued record is in it once), free (each free record is listed once), kept
// (each record that is alive or held keeps a reference of a live share, and no other does).
#include "alloc/buffers/finalizer.h"
#include "alloc/buffers/buffer_table_state.h"

enum { ALIVE = 1, QUEUED = 2, HELD = 4 };

typedef lm_finalizer finalizer;
typedef lm_finalizers finalizers;

static inline finalizers *finalizers_of(const lm_buffer_table *r) {
    return &lm_state_of(r)->finalizers;
}
static inline finalizer *finalizer_record_at(const lm_buffer_table *r, uint32_t number) {
    return lm_record_at(r->memories.at[LM_HOME].memory, &finalizers_of(r)->records,
                        sizeof(finalizer), number);
}
static inline void finalizer_lock(const lm_buffer_table *r) {
    lm_lock(&lm_state_of(r)->lock);
}
static inline void finalizer_unlock(const lm_buffer_table *r) {
    lm_unlock(&lm_state_of(r)->lock);
}

static inline uint32_t finalizer_number_of(lm_token token) {
    return (uint32_t)token & ((1u << 24) - 1);
}
static inline uint32_t finalizer_generation_of(uint32_t word) {
    return word >> 8;
}
static inline uint32_t finalizer_word_of(const finalizer *f) {
    return __atomic_load_n(&f->word, __ATOMIC_RELAXED);
}

// Returns a token's record, or NULL if there is none.
static finalizer *finalizer_named(const lm_buffer_table *r, lm_token token) {
    bool fits = token >> 48 == 0 &&
                finalizer_number_of(token) < lm_records_count(&finalizers_of(r)->records);
    return fits ? finalizer_record_at(r, finalizer_number_of(token)) : NULL;
}

static lm_status finalizer_judge(uint32_t word, lm_token token) {
    uint32_t generation = (uint32_t)(token >> 24);
    if (generation == 0 || generation > finalizer_generation_of(word)) return LM_INVALID_TOKEN;
    return generation == finalizer_generation_of(word) && word & ALIVE ? LM_OK : LM_STALE_TOKEN;
}

lm_status lm_finalizer_enqueue(lm_buffer_table *r, lm_token token) {
    if (!r->finalizers) return LM_NOT_STARTED;
    finalizer *f = finalizer_named(r, token);
    if (!f) return LM_INVALID_TOKEN;
    uint32_t word = finalizer_word_of(f);
    do {
        lm_status status = finalizer_judge(word, token);
        if (status != LM_OK) return status;
    } while (!__atomic_compare_exchange_n(&f->word, &word, word | QUEUED, false, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    if (word & QUEUED) return LM_ENQUEUED;
    uint32_t *queue = &finalizers_of(r)->queue;
    f->behind = __atomic_load_n(queue, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(queue, &f->behind, finalizer_number_of(token) + 1, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    return LM_OK;
}

// The caller of the functions up to "The calls" holds the lock.

static lm_status finalizer_find(const lm_buffer_table *r, lm_token token) {
    const finalizer *f = finalizer_named(r, token);
    return f ? finalizer_judge(finalizer_word_of(f), token) : LM_INVALID_TOKEN;
}

static void finalizer_give(const lm_buffer_table *r, uint32_t number) {
    finalizers *all = finalizers_of(r);
    finalizer *f = finalizer_record_at(r, number);
    if (finalizer_generation_of(finalizer_word_of(f)) == LM_GENERATION_MAX) {
        all->retired++;
        return;
    }
    f->next = all->free;
    all->free = number + 1;
}

// Puts a record that was never taken on the free list, if there is room for one.
static bool finalizer_add_record(const lm_buffer_table *r) {
    lm_records *records = &finalizers_of(r)->records;
    if (records->count == LM_SLOTS_MAX || lm_records_lack(records, sizeof(finalizer))) return false;
    finalizers_of(r)->free = lm_records_take(records) + 1;
    return true;
}
static bool finalizer_has_record(const lm_buffer_table *r) {
    return finalizers_of(r)->free || finalizer_add_record(r);
}
// Takes the first free record; there must be one.
static uint32_t finalizer_take_record(const lm_buffer_table *r) {
    finalizers *all = finalizers_of(r);
    uint32_t number = all->free - 1;
    all->free = finalizer_record_at(r, number)->next;
    return number;
}

// Checks that a token is valid and the owner's. Token 0 is none and passes.
static lm_status finalizer_find_of(const lm_buffer_table *r, uint32_t owner, lm_token token) {
    if (!token) return LM_OK;
    lm_status status = finalizer_find(r, token);
    if (status != LM_OK) return status;
    bool its = lm_handle_owner(finalizer_record_at(r, finalizer_number_of(token))->handle) == owner;
    return its ? LM_OK : LM_WRONG_OWNER;
}

// Keeps a reference that has no token yet: before the caller releases the lock it gives it a token,
// or returns it. `other`: the token beside or in place of which it is attached, 0 for none.
static lm_status finalizer_keep(lm_buffer_table *r, uint32_t owner, lm_handle handle,
                                lm_token other) {
    lm_status status = r->counts->keep(r, owner, handle);
    if (status != LM_OK) return status;
    status = finalizer_find_of(r, owner, other);
    if (status != LM_OK) r->counts->unkeep(r, handle);
    return status;
}

// Whether a token keeps a reference of this share.
static bool finalizer_stands_for(const lm_buffer_table *r, lm_token token, lm_handle handle) {
    return finalizer_find(r, token) == LM_OK &&
           finalizer_record_at(r, finalizer_number_of(token))->handle == handle;
}

// Clears bits of a record's state, and frees the record if none is left. Returns the word before.
static uint32_t finalizer_clear(const lm_buffer_table *r, uint32_t number, uint32_t bits) {
    uint32_t before =
        __atomic_fetch_and(&finalizer_record_at(r, number)->word, ~bits, __ATOMIC_ACQUIRE);
    if ((before & ~bits & (ALIVE | QUEUED | HELD)) == 0) finalizer_give(r, number);
    return before;
}

// Arms a taken record with the next generation, in the ring after `previous`; itself if alone.
static lm_token finalizer_arm(const lm_buffer_table *r, uint32_t number, uint32_t previous,
                              lm_handle handle) {
    finalizer *f = finalizer_record_at(r, number), *p = finalizer_record_at(r, previous);
    uint32_t generation = finalizer_generation_of(finalizer_word_of(f)) + 1;
    f->handle = handle;
    if (f == p) p->next = number;
    f->previous = previous;
    f->next = p->next;
    p->next = number;
    finalizer_record_at(r, f->next)->previous = number;
    __atomic_store_n(&f->word, generation << 8 | ALIVE, __ATOMIC_RELAXED);
    return (uint64_t)generation << 24 | number;
}

// Removes a record from its ring and makes its token stale. Returns its reference.
static lm_handle finalizer_disarm(const lm_buffer_table *r, uint32_t number, uint32_t bits) {
    const finalizer *f = finalizer_record_at(r, number);
    lm_handle handle = f->handle;
    finalizer_record_at(r, f->previous)->next = f->next;
    finalizer_record_at(r, f->next)->previous = f->previous;
    finalizer_clear(r, number, bits);
    return handle;
}

// Dequeues the oldest record: returns its number plus 1, or 0. If the list of the oldest is empty,
// reverses the pushed records into it.
static uint32_t finalizer_dequeue(const lm_buffer_table *r) {
    finalizers *all = finalizers_of(r);
    if (!all->oldest) {
        uint32_t at = __atomic_exchange_n(&all->queue, 0, __ATOMIC_ACQUIRE);
        while (at) {
            finalizer *f = finalizer_record_at(r, at - 1);
            uint32_t behind = f->behind;
            f->behind = all->oldest;
            all->oldest = at;
            at = behind;
        }
    }
    uint32_t first = all->oldest;
    if (first) all->oldest = finalizer_record_at(r, first - 1)->behind;
    return first;
}

// The calls.

bool lm_finalizers_start(lm_buffer_table *r) {
    if (!r->state || r->finalizers) return false;
    r->finalizers = true;
    return true;
}

// Ends a record's token if it is the owner's, or, if `any`, any owner's.
static void finalizer_end_token(lm_buffer_table *r, uint32_t number, uint32_t owner, bool any) {
    finalizer_lock(r);
    const finalizer *f = finalizer_record_at(r, number);
    bool ends = finalizer_word_of(f) & ALIVE && (any || lm_handle_owner(f->handle) == owner);
    if (ends) r->counts->unkeep(r, finalizer_disarm(r, number, ALIVE));
    finalizer_unlock(r);
}

static void finalizer_end_tokens(lm_buffer_table *r, uint32_t owner, bool any) {
    uint32_t records = lm_records_count(&finalizers_of(r)->records);
    for (uint32_t number = 0; number < records; number++)
        finalizer_end_token(r, number, owner, any);
}

void lm_finalizers_forget(lm_buffer_table *r, uint32_t owner) {
    if (r->finalizers) finalizer_end_tokens(r, owner, false);
}

void lm_finalizers_end(lm_buffer_table *r) {
    if (!r->finalizers) return;
    finalizer_end_tokens(r, 0, true);
    r->finalizers = false;
    finalizer_lock(r);
    for (uint32_t queued = finalizer_dequeue(r); queued; queued = finalizer_dequeue(r))
        finalizer_clear(r, queued - 1, QUEUED);
    finalizer_unlock(r);
}

// Adds a part of records, without the lock. Returns LM_OK if the caller may try again.
static lm_status finalizer_make_room(lm_buffer_table *r) {
    if (lm_records_count(&finalizers_of(r)->records) == LM_SLOTS_MAX) return LM_OUT_OF_SLOTS;
    bool room = lm_buffer_table_extend(r, offsetof(lm_buffer_table_state, finalizers.records),
                                       sizeof(finalizer));
    return room ? LM_OK : LM_OUT_OF_MEMORY;
}

// Everything is checked again after home was asked for room: foreign code may have made any call.
lm_status lm_finalizer_attach(lm_buffer_table *r, uint32_t owner, lm_handle handle,
                              lm_token sibling, lm_token *token) {
    while (r->finalizers) {
        finalizer_lock(r);
        lm_status status = finalizer_keep(r, owner, handle, sibling);
        bool has = status == LM_OK && finalizer_has_record(r);
        if (has) {
            uint32_t number = finalizer_take_record(r);
            *token =
                finalizer_arm(r, number, sibling ? finalizer_number_of(sibling) : number, handle);
        } else if (status == LM_OK) {
            r->counts->unkeep(r, handle);
        }
        finalizer_unlock(r);
        if (has || status != LM_OK) return status;
        status = finalizer_make_room(r);
        if (status != LM_OK) return status;
    }
    return LM_NOT_STARTED;
}

// If tokens keep all references of the share, the new token takes over the old one's reference, and
// none is returned.
lm_status lm_finalizer_replace(lm_buffer_table *r, uint32_t owner, lm_handle handle,
                               lm_token *token, lm_handle *cancelled) {
    while (r->finalizers) {
        finalizer_lock(r);
        lm_status status = finalizer_keep(r, owner, handle, *token);
        bool takes_over = status == LM_KEPT && finalizer_stands_for(r, *token, handle);
        bool has = (status == LM_OK || takes_over) && finalizer_has_record(r);
        if (has) {
            uint32_t number = finalizer_take_record(r);
            lm_handle was = *token ? finalizer_disarm(r, finalizer_number_of(*token), ALIVE) : 0;
            *cancelled = takes_over ? 0 : was;
            if (*cancelled) r->counts->unkeep(r, was);
            *token = finalizer_arm(r, number, number, handle);
        } else if (status == LM_OK) {
            r->counts->unkeep(r, handle);
        }
        finalizer_unlock(r);
        if (has) return LM_OK;
        if (status != LM_OK && !takes_over) return status;
        status = finalizer_make_room(r);
        if (status != LM_OK) return status;
    }
    return LM_NOT_STARTED;
}

lm_status lm_finalizer_detach(lm_buffer_table *r, lm_token token, lm_handle *handle) {
    if (!r->finalizers) return LM_NOT_STARTED;
    finalizer_lock(r);
    lm_status status = finalizer_find(r, token);
    if (status == LM_OK) {
        *handle = finalizer_disarm(r, finalizer_number_of(token), ALIVE);
        r->counts->unkeep(r, *handle);
    }
    finalizer_unlock(r);
    return status;
}

lm_status lm_finalizer_close(lm_buffer_table *r, lm_token token) {
    if (!r->finalizers) return LM_NOT_STARTED;
    finalizer_lock(r);
    lm_status status = finalizer_find(r, token);
    lm_handle handle = status == LM_OK ? finalizer_disarm(r, finalizer_number_of(token), ALIVE) : 0;
    finalizer_unlock(r);
    return status == LM_OK ? r->counts->release_kept(r, handle) : status;
}

// Makes all records of a ring HELD at once, so that only the caller follows the ring from then on.
static void finalizer_hold_all(const lm_buffer_table *r, uint32_t first) {
    uint32_t number = first;
    do {
        finalizer *f = finalizer_record_at(r, number);
        __atomic_fetch_xor(&f->word, ALIVE | HELD, __ATOMIC_ACQUIRE);
        finalizers_of(r)->held++;
        number = f->next;
    } while (number != first);
}

// Frees one of them. Returns its reference, and stores the next one's number.
static lm_handle finalizer_let_go(const lm_buffer_table *r, uint32_t *number) {
    finalizer_lock(r);
    const finalizer *f = finalizer_record_at(r, *number);
    lm_handle handle = f->handle;
    uint32_t next = f->next;
    finalizers_of(r)->held--;
    finalizer_clear(r, *number, HELD);
    *number = next;
    finalizer_unlock(r);
    return handle;
}

lm_status lm_finalizer_detach_all(lm_buffer_table *r, lm_token token, uint32_t *freed) {
    if (!r->finalizers) return LM_NOT_STARTED;
    uint32_t first = finalizer_number_of(token), number = first;
    finalizer_lock(r);
    lm_status status = finalizer_find(r, token);
    if (status == LM_OK) finalizer_hold_all(r, first);
    finalizer_unlock(r);
    if (status != LM_OK) return status;
    *freed = 0;
    do {
        lm_status released = r->counts->release_kept(r, finalizer_let_go(r, &number));
        *freed += released == LM_FREED;
        if (lm_failed(released)) status = released;
    } while (number != first);
    return status;
}

// Dequeues the oldest record. Stores its reference in `handle`, 0 if it was detached. Returns false
// if the queue is empty.
static bool finalizer_next_dead(const lm_buffer_table *r, lm_handle *handle) {
    finalizer_lock(r);
    uint32_t number = finalizer_dequeue(r);
    *handle = 0;
    if (number-- == 0) {
        finalizer_unlock(r);
        return false;
    }
    if (finalizer_word_of(finalizer_record_at(r, number)) & ALIVE)
        *handle = finalizer_disarm(r, number, ALIVE | QUEUED);
    else
        finalizer_clear(r, number, QUEUED);
    finalizer_unlock(r);
    return true;
}

lm_drained lm_finalizers_drain(lm_buffer_table *r, uint32_t count) {
    lm_drained drained = {0};
    lm_handle handle;
    if (!r->finalizers) return drained;
    for (; count && finalizer_next_dead(r, &handle); count--) {
        if (!handle) continue;
        lm_status status = r->counts->release_kept(r, handle);
        drained.released += !lm_failed(status);
        drained.freed += status == LM_FREED;
        drained.failed += lm_failed(status);
    }
    finalizer_lock(r);
    const finalizers *all = finalizers_of(r);
    drained.more = all->oldest || __atomic_load_n(&all->queue, __ATOMIC_RELAXED);
    finalizer_unlock(r);
    return drained;
}

// Validation.

// Whether a record's reference is one of a live share that has kept references.
static bool finalizer_is_kept(const lm_buffer_table *r, const finalizer *f) {
    if (lm_handle_slot(f->handle) >= lm_records_count(&lm_state_of(r)->slots)) return false;
    uint64_t word = lm_slot_at(r, lm_handle_slot(f->handle))->word;
    return ((word ^ f->handle) & ~LM_WORD_COUNT) == 0 && word & LM_WORD_KEPT;
}

// Whether the shares' kept references are as many as the alive or held records.
static bool finalizer_are_kept(const lm_buffer_table *r, uint32_t records) {
    uint32_t slots = lm_records_count(&lm_state_of(r)->slots);
    for (uint32_t number = 0; number < slots; number++)
        records -= lm_slot_at(r, number)->kept;
    return records == 0;
}

static const char *finalizer_record_law(const lm_buffer_table *r, uint32_t number,
                                        uint32_t records) {
    const finalizer *f = finalizer_record_at(r, number), *next;
    uint32_t state = f->word & 0xff;
    if (state & ~(uint32_t)(ALIVE | QUEUED | HELD) || (state & ALIVE && state & HELD) ||
        finalizer_generation_of(f->word) > LM_GENERATION_MAX)
        return "state";
    if (state & (ALIVE | HELD) && !finalizer_is_kept(r, f)) return "kept";
    if (!(state & ALIVE)) return NULL;
    if (f->next >= records || f->previous >= records) return "ring";
    next = finalizer_record_at(r, f->next);
    return next->previous == number && next->word & ALIVE ? NULL : "ring";
}

// Subtracts the length of a list from `count`. Returns false if a record's state does not belong
// there, or if the list has more than `count`. `free`: the free list, else a list of the queue.
static bool finalizer_lists(const lm_buffer_table *r, uint32_t at, uint32_t records, bool free,
                            uint32_t *count) {
    for (; at; *count -= 1) {
        if (at > records || *count == 0) return false;
        const finalizer *f = finalizer_record_at(r, at - 1);
        if (free ? (f->word & 0xff) != 0 : !(f->word & QUEUED)) return false;
        at = free ? f->next : f->behind;
    }
    return true;
}

const char *lm_finalizers_validate(lm_buffer_table *r, uint32_t *armed) {
    *armed = 0;
    if (!r->state) return NULL;
    const finalizers *all = finalizers_of(r);
    uint32_t records = all->records.count, alive = 0, held = 0, queued = 0, free = 0;
    for (uint32_t number = 0; number < records; number++) {
        const char *broken = finalizer_record_law(r, number, records);
        if (broken) return broken;
        uint32_t word = finalizer_record_at(r, number)->word;
        alive += (word & ALIVE) != 0;
        held += (word & HELD) != 0;
        queued += (word & QUEUED) != 0;
        free += (word & 0xff) == 0;
    }
    if (held != all->held) return "state";
    if (!finalizer_lists(r, all->queue, records, false, &queued)) return "queue";
    if (!finalizer_lists(r, all->oldest, records, false, &queued) || queued) return "queue";
    if (free < all->retired) return "free";
    free -= all->retired;
    if (!finalizer_lists(r, all->free, records, true, &free) || free) return "free";
    if (!finalizer_are_kept(r, alive + held)) return "kept";
    *armed = alive;
    return NULL;
}
