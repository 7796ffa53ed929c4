// Finalizers: records in home, their queue, and who may touch what.
//
// A record is free when no bit of its state is set; whoever clears the last one gives it back.
// State and generation are one word:
//
//     31                8 7      0       ALIVE   its token stands for a reference
//     [    generation    | state  ]      QUEUED  it is in the queue, or about to be
//                                        HELD    detach_all has yet to release its reference
//
//     attach     -> ALIVE              detach, close, replace   ALIVE ->
//     enqueue    -> QUEUED, if ALIVE   drain                    ALIVE, QUEUED ->
//                                      detach_all               ALIVE -> HELD ->
//
// A record that is ALIVE or HELD keeps its reference: the share counts how many are kept, and lets
// none of them be released by hand (counts.c: keep, unkeep, release_kept). A record is armed under
// the lock under which its reference became kept. Where no token keeps it any more, it is given
// back under the lock under which the record is disarmed, or released after that.
//
// A record that is detached while it is queued stays so until the drain has passed it: no token
// gets it before, so the queue never holds it twice.
//
// All but enqueue is done under the buffer table's lock, which costs a thread that is alone one
// exchange; references are released without it. Enqueue takes no lock. It is right with these
// orders:
//
//     count of records   acquire, with the release of lm_records_take: the part that a number below
//                        it lies in is there.
//     word               release by enqueue, of what the thread, and those that told it of the
//                        death, did to the buffer's bytes; acquire where the bit ALIVE is cleared,
//                        before the reference is released. Each enqueue of a good token swaps, of
//                        one that was queued already too: however the token ends, it is seen.
//                        Enqueue reads nothing of the record but the word, and whoever was given a
//                        token sees the word that made it, or a later one. Only enqueue changes a
//                        word without the lock, by a swap that compares the generation too; the one
//                        that sets QUEUED pushes, so each record is pushed by one thread. Under the
//                        lock a word is changed by read-modify-writes, which miss no such swap.
//     queue, pushed      release: the link was written before. The head was read relaxed: it
//                        becomes a link, and nothing behind it is read.
//     queue, taken       acquire, by an exchange. Pushes are read-modify-writes, so the release of
//                        each goes on through those that came after it (a release sequence), and
//                        the exchange synchronizes with all whose records it takes.
//
// A push that finds the head that it read, taken and pushed anew meanwhile, links to what is the
// head: no ABA. What a thread has marked and not pushed yet comes with a later take.
//
// Laws, which hold in foreign code too: state (as many are held as detach_all has yet to release),
// ring, queue (the queued are in it once), free (the free are listed once), kept (each that is
// alive or held keeps a reference of a share that lives, and nobody else does).
#include "alloc/buffers/finalizer.h"
#include "alloc/buffers/buffer_table_state.h"

enum { ALIVE = 1, QUEUED = 2, HELD = 4 };

typedef lm_finalizer finalizer;
typedef lm_finalizers finalizers;

static inline finalizers *finalizers_of(const lm_buffer_table *r) {
    return &lm_state_of(r)->finalizers;
}
static inline finalizer *record_at(const lm_buffer_table *r, uint32_t number) {
    return lm_record_at(r->memories.at[LM_HOME].memory, &finalizers_of(r)->records,
                        sizeof(finalizer), number);
}
static inline void lock(const lm_buffer_table *r) {
    lm_lock(&lm_state_of(r)->lock);
}
static inline void unlock(const lm_buffer_table *r) {
    lm_unlock(&lm_state_of(r)->lock);
}

static inline uint32_t number_of(lm_token token) {
    return (uint32_t)token & ((1u << 24) - 1);
}
static inline uint32_t generation_of(uint32_t word) {
    return word >> 8;
}
static inline uint32_t word_of(const finalizer *f) {
    return __atomic_load_n(&f->word, __ATOMIC_RELAXED);
}

// The record that a token names, or NULL: there is none.
static finalizer *named(const lm_buffer_table *r, lm_token token) {
    bool fits = token >> 48 == 0 && number_of(token) < lm_records_count(&finalizers_of(r)->records);
    return fits ? record_at(r, number_of(token)) : NULL;
}

static lm_status judge(uint32_t word, lm_token token) {
    uint32_t generation = (uint32_t)(token >> 24);
    if (generation == 0 || generation > generation_of(word)) return LM_INVALID_TOKEN;
    return generation == generation_of(word) && word & ALIVE ? LM_OK : LM_STALE_TOKEN;
}

lm_status lm_finalizer_enqueue(lm_buffer_table *r, lm_token token) {
    if (!r->finalizers) return LM_NOT_STARTED;
    finalizer *f = named(r, token);
    if (!f) return LM_INVALID_TOKEN;
    uint32_t word = word_of(f);
    do {
        lm_status status = judge(word, token);
        if (status != LM_OK) return status;
    } while (!__atomic_compare_exchange_n(&f->word, &word, word | QUEUED, false, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    if (word & QUEUED) return LM_ENQUEUED;
    uint32_t *queue = &finalizers_of(r)->queue;
    f->behind = __atomic_load_n(queue, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(queue, &f->behind, number_of(token) + 1, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    return LM_OK;
}

// What follows, up to the calls, is done under the lock.

static lm_status find(const lm_buffer_table *r, lm_token token) {
    const finalizer *f = named(r, token);
    return f ? judge(word_of(f), token) : LM_INVALID_TOKEN;
}

static void give(const lm_buffer_table *r, uint32_t number) {
    finalizers *all = finalizers_of(r);
    finalizer *f = record_at(r, number);
    if (generation_of(word_of(f)) == LM_GENERATION_MAX) {
        all->retired++;
        return;
    }
    f->next = all->free;
    all->free = number + 1;
}

// Makes a record that was never taken free, if there is room for one.
static bool add_record(const lm_buffer_table *r) {
    lm_records *records = &finalizers_of(r)->records;
    if (records->count == LM_SLOTS_MAX || lm_records_lack(records, sizeof(finalizer))) return false;
    finalizers_of(r)->free = lm_records_take(records) + 1;
    return true;
}
static bool has_record(const lm_buffer_table *r) {
    return finalizers_of(r)->free || add_record(r);
}
// Takes the first free record: there is one.
static uint32_t take_record(const lm_buffer_table *r) {
    finalizers *all = finalizers_of(r);
    uint32_t number = all->free - 1;
    all->free = record_at(r, number)->next;
    return number;
}

// Whether a token is one, and of the owner's. 0 stands for none, and is right.
static lm_status find_of(const lm_buffer_table *r, uint32_t owner, lm_token token) {
    if (!token) return LM_OK;
    lm_status status = find(r, token);
    if (status != LM_OK) return status;
    bool its = lm_handle_owner(record_at(r, number_of(token))->handle) == owner;
    return its ? LM_OK : LM_WRONG_OWNER;
}

// The reference is kept and no token's yet: it becomes one's, or is given back, before the lock is.
// `other`: the token beside or in place of which it is attached, 0 for none.
static lm_status keep(lm_buffer_table *r, uint32_t owner, lm_handle handle, lm_token other) {
    lm_status status = r->counts->keep(r, owner, handle);
    if (status != LM_OK) return status;
    status = find_of(r, owner, other);
    if (status != LM_OK) r->counts->unkeep(r, handle);
    return status;
}

// Whether a token stands for a reference of this share.
static bool stands_for(const lm_buffer_table *r, lm_token token, lm_handle handle) {
    return find(r, token) == LM_OK && record_at(r, number_of(token))->handle == handle;
}

// Clears bits of a record's state; without any it is free. Returns the word before.
static uint32_t clear(const lm_buffer_table *r, uint32_t number, uint32_t bits) {
    uint32_t before = __atomic_fetch_and(&record_at(r, number)->word, ~bits, __ATOMIC_ACQUIRE);
    if ((before & ~bits & (ALIVE | QUEUED | HELD)) == 0) give(r, number);
    return before;
}

// A taken record gets the next generation, in the ring behind `previous`, itself if alone.
static lm_token arm(const lm_buffer_table *r, uint32_t number, uint32_t previous,
                    lm_handle handle) {
    finalizer *f = record_at(r, number), *p = record_at(r, previous);
    uint32_t generation = generation_of(word_of(f)) + 1;
    f->handle = handle;
    if (f == p) p->next = number;
    f->previous = previous;
    f->next = p->next;
    p->next = number;
    record_at(r, f->next)->previous = number;
    __atomic_store_n(&f->word, generation << 8 | ALIVE, __ATOMIC_RELAXED);
    return (uint64_t)generation << 24 | number;
}

// A record leaves its ring and its token is stale. Returns its reference.
static lm_handle disarm(const lm_buffer_table *r, uint32_t number, uint32_t bits) {
    const finalizer *f = record_at(r, number);
    lm_handle handle = f->handle;
    record_at(r, f->previous)->next = f->next;
    record_at(r, f->next)->previous = f->previous;
    clear(r, number, bits);
    return handle;
}

// The oldest of those enqueued leaves the queue: its number plus 1, or 0. Turns around what has
// come since, if nothing is left of what came before.
static uint32_t dequeue(const lm_buffer_table *r) {
    finalizers *all = finalizers_of(r);
    if (!all->oldest) {
        uint32_t at = __atomic_exchange_n(&all->queue, 0, __ATOMIC_ACQUIRE);
        while (at) {
            finalizer *f = record_at(r, at - 1);
            uint32_t behind = f->behind;
            f->behind = all->oldest;
            all->oldest = at;
            at = behind;
        }
    }
    uint32_t first = all->oldest;
    if (first) all->oldest = record_at(r, first - 1)->behind;
    return first;
}

// The calls.

bool lm_finalizers_start(lm_buffer_table *r) {
    if (!r->state || r->finalizers) return false;
    r->finalizers = true;
    return true;
}

// Ends a token, if it is of the owner's, or whosever it is.
static void end_token(lm_buffer_table *r, uint32_t number, uint32_t owner, bool any) {
    lock(r);
    const finalizer *f = record_at(r, number);
    bool ends = word_of(f) & ALIVE && (any || lm_handle_owner(f->handle) == owner);
    if (ends) r->counts->unkeep(r, disarm(r, number, ALIVE));
    unlock(r);
}

static void end_tokens(lm_buffer_table *r, uint32_t owner, bool any) {
    uint32_t records = lm_records_count(&finalizers_of(r)->records);
    for (uint32_t number = 0; number < records; number++)
        end_token(r, number, owner, any);
}

void lm_finalizers_forget(lm_buffer_table *r, uint32_t owner) {
    if (r->finalizers) end_tokens(r, owner, false);
}

void lm_finalizers_end(lm_buffer_table *r) {
    if (!r->finalizers) return;
    end_tokens(r, 0, true);
    r->finalizers = false;
    lock(r);
    for (uint32_t queued = dequeue(r); queued; queued = dequeue(r))
        clear(r, queued - 1, QUEUED);
    unlock(r);
}

// Makes room for records where there was none, without the lock. LM_OK: it may be tried again.
static lm_status make_room(lm_buffer_table *r) {
    if (lm_records_count(&finalizers_of(r)->records) == LM_SLOTS_MAX) return LM_OUT_OF_SLOTS;
    bool room = lm_buffer_table_extend(r, offsetof(lm_buffer_table_state, finalizers.records),
                                       sizeof(finalizer));
    return room ? LM_OK : LM_OUT_OF_MEMORY;
}

// All is judged again after home was asked for room: foreign code may have called anything.
lm_status lm_finalizer_attach(lm_buffer_table *r, uint32_t owner, lm_handle handle,
                              lm_token sibling, lm_token *token) {
    while (r->finalizers) {
        lock(r);
        lm_status status = keep(r, owner, handle, sibling);
        bool has = status == LM_OK && has_record(r);
        if (has) {
            uint32_t number = take_record(r);
            *token = arm(r, number, sibling ? number_of(sibling) : number, handle);
        } else if (status == LM_OK) {
            r->counts->unkeep(r, handle);
        }
        unlock(r);
        if (has || status != LM_OK) return status;
        status = make_room(r);
        if (status != LM_OK) return status;
    }
    return LM_NOT_STARTED;
}

// If all references of the share are kept, the new token takes over the old one's: none is handed
// back.
lm_status lm_finalizer_replace(lm_buffer_table *r, uint32_t owner, lm_handle handle,
                               lm_token *token, lm_handle *cancelled) {
    while (r->finalizers) {
        lock(r);
        lm_status status = keep(r, owner, handle, *token);
        bool takes_over = status == LM_KEPT && stands_for(r, *token, handle);
        bool has = (status == LM_OK || takes_over) && has_record(r);
        if (has) {
            uint32_t number = take_record(r);
            lm_handle was = *token ? disarm(r, number_of(*token), ALIVE) : 0;
            *cancelled = takes_over ? 0 : was;
            if (*cancelled) r->counts->unkeep(r, was);
            *token = arm(r, number, number, handle);
        } else if (status == LM_OK) {
            r->counts->unkeep(r, handle);
        }
        unlock(r);
        if (has) return LM_OK;
        if (status != LM_OK && !takes_over) return status;
        status = make_room(r);
        if (status != LM_OK) return status;
    }
    return LM_NOT_STARTED;
}

lm_status lm_finalizer_detach(lm_buffer_table *r, lm_token token, lm_handle *handle) {
    if (!r->finalizers) return LM_NOT_STARTED;
    lock(r);
    lm_status status = find(r, token);
    if (status == LM_OK) {
        *handle = disarm(r, number_of(token), ALIVE);
        r->counts->unkeep(r, *handle);
    }
    unlock(r);
    return status;
}

lm_status lm_finalizer_close(lm_buffer_table *r, lm_token token) {
    if (!r->finalizers) return LM_NOT_STARTED;
    lock(r);
    lm_status status = find(r, token);
    lm_handle handle = status == LM_OK ? disarm(r, number_of(token), ALIVE) : 0;
    unlock(r);
    return status == LM_OK ? r->counts->release_kept(r, handle) : status;
}

// All of a ring become HELD at once, so that nobody but the caller follows it any more.
static void hold_all(const lm_buffer_table *r, uint32_t first) {
    uint32_t number = first;
    do {
        finalizer *f = record_at(r, number);
        __atomic_fetch_xor(&f->word, ALIVE | HELD, __ATOMIC_ACQUIRE);
        finalizers_of(r)->held++;
        number = f->next;
    } while (number != first);
}

// Lets go of one of them. Returns its reference, and the next one's number.
static lm_handle let_go(const lm_buffer_table *r, uint32_t *number) {
    lock(r);
    const finalizer *f = record_at(r, *number);
    lm_handle handle = f->handle;
    uint32_t next = f->next;
    finalizers_of(r)->held--;
    clear(r, *number, HELD);
    *number = next;
    unlock(r);
    return handle;
}

lm_status lm_finalizer_detach_all(lm_buffer_table *r, lm_token token, uint32_t *freed) {
    if (!r->finalizers) return LM_NOT_STARTED;
    uint32_t first = number_of(token), number = first;
    lock(r);
    lm_status status = find(r, token);
    if (status == LM_OK) hold_all(r, first);
    unlock(r);
    if (status != LM_OK) return status;
    *freed = 0;
    do {
        lm_status released = r->counts->release_kept(r, let_go(r, &number));
        *freed += released == LM_FREED;
        if (lm_failed(released)) status = released;
    } while (number != first);
    return status;
}

// Takes the oldest off the queue. `handle` gets its reference, 0 if it was detached. False: none
// was there.
static bool next_dead(const lm_buffer_table *r, lm_handle *handle) {
    lock(r);
    uint32_t number = dequeue(r);
    *handle = 0;
    if (number-- == 0) {
        unlock(r);
        return false;
    }
    if (word_of(record_at(r, number)) & ALIVE)
        *handle = disarm(r, number, ALIVE | QUEUED);
    else
        clear(r, number, QUEUED);
    unlock(r);
    return true;
}

lm_drained lm_finalizers_drain(lm_buffer_table *r, uint32_t count) {
    lm_drained drained = {0};
    lm_handle handle;
    if (!r->finalizers) return drained;
    for (; count && next_dead(r, &handle); count--) {
        if (!handle) continue;
        lm_status status = r->counts->release_kept(r, handle);
        drained.released += !lm_failed(status);
        drained.freed += status == LM_FREED;
        drained.failed += lm_failed(status);
    }
    lock(r);
    const finalizers *all = finalizers_of(r);
    drained.more = all->oldest || __atomic_load_n(&all->queue, __ATOMIC_RELAXED);
    unlock(r);
    return drained;
}

// The walk.

// Whether a record's reference is one of a share that lives.
static bool is_kept(const lm_buffer_table *r, const finalizer *f) {
    if (lm_handle_slot(f->handle) >= lm_records_count(&lm_state_of(r)->slots)) return false;
    uint64_t word = lm_slot_at(r, lm_handle_slot(f->handle))->word;
    return ((word ^ f->handle) & ~LM_WORD_COUNT) == 0 && word & LM_WORD_KEPT;
}

// Whether shares count as many kept references as there are records alive or held.
static bool are_kept(const lm_buffer_table *r, uint32_t records) {
    uint32_t slots = lm_records_count(&lm_state_of(r)->slots);
    for (uint32_t number = 0; number < slots; number++)
        records -= lm_slot_at(r, number)->kept;
    return records == 0;
}

static const char *record_law(const lm_buffer_table *r, uint32_t number, uint32_t records) {
    const finalizer *f = record_at(r, number), *next;
    uint32_t state = f->word & 0xff;
    if (state & ~(uint32_t)(ALIVE | QUEUED | HELD) || (state & ALIVE && state & HELD) ||
        generation_of(f->word) > LM_GENERATION_MAX)
        return "state";
    if (state & (ALIVE | HELD) && !is_kept(r, f)) return "kept";
    if (!(state & ALIVE)) return NULL;
    if (f->next >= records || f->previous >= records) return "ring";
    next = record_at(r, f->next);
    return next->previous == number && next->word & ALIVE ? NULL : "ring";
}

// Whether a list holds `count` records in a state, and no other. `free` lists link by another word.
static bool lists(const lm_buffer_table *r, uint32_t at, uint32_t records, bool free,
                  uint32_t *count) {
    for (; at; *count -= 1) {
        if (at > records || *count == 0) return false;
        const finalizer *f = record_at(r, at - 1);
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
        const char *broken = record_law(r, number, records);
        if (broken) return broken;
        uint32_t word = record_at(r, number)->word;
        alive += (word & ALIVE) != 0;
        held += (word & HELD) != 0;
        queued += (word & QUEUED) != 0;
        free += (word & 0xff) == 0;
    }
    if (held != all->held) return "state";
    if (!lists(r, all->queue, records, false, &queued)) return "queue";
    if (!lists(r, all->oldest, records, false, &queued) || queued) return "queue";
    if (free < all->retired) return "free";
    free -= all->retired;
    if (!lists(r, all->free, records, true, &free) || free) return "free";
    if (!are_kept(r, alive + held)) return "kept";
    *armed = alive;
    return NULL;
}
