// The calls of the API that the buffer player makes: each is written, made, and what it gave gets a
// name.
#define RECORDER
#include "fuzz/reproduce/recorder/recorded_calls.h"
#include "fuzz/oracle/element_copy.h"
#include "fuzz/reproduce/recorder/recorder_state.h"

#include <stdlib.h>

typedef unsigned long long ull; // as printf takes it

// What returns a status.
#define RETURNED(call) (lm_status) recorder_returned((uint64_t)(call))

static const char *true_or_false(bool value) {
    return value ? "true" : "false";
}

// A handle was given, which may have the slot of one that it moved from. If it has that of a share
// that is held, that is said.
static void name_handle(lm_status status, lm_handle handle, uint32_t owner, uint32_t memory,
                        lm_handle moved) {
    const handle_shadow *shadow = &recorded.player->shadow;
    uint32_t slot = lm_handle_slot(handle);
    if (lm_failed(status) || recorded.pending.wrong) return;
    bool serves = slot < shadow->slots && shadow->shares[slot].count &&
                  !(moved && lm_handle_slot(moved) == slot);
    const char *held = serves ? recorder_handle(shadow->shares[slot].handle) : NULL;
    recorder_name_handle(handle);
    const char *name = recorder_handle(handle);
    recorder_add("    given(%s, %u, %u, %u);\n", name, owner, memory,
                 handle_shadow_slots_end(shadow));
    if (held) recorder_add("    apart(%s, %s);\n", name, held);
}

// The same of a token, which may have the record of one that it replaced.
static void name_token(lm_status status, lm_token token, lm_token replaced) {
    const handle_shadow *shadow = &recorded.player->shadow;
    uint32_t record = (uint32_t)token & 0xFFFFFF;
    if (lm_failed(status) || recorded.pending.wrong) return;
    const shadow_token *t = record < shadow->records ? &shadow->tokens[record] : NULL;
    bool serves =
        t && (t->alive || t->queued) && !(replaced && ((uint32_t)replaced & 0xFFFFFF) == record);
    const char *held = serves ? recorder_token(t->token) : NULL;
    recorder_name_token(token);
    const char *name = recorder_token(token);
    recorder_add("    given_token(%s, %u);\n", name, handle_shadow_records_end(shadow));
    if (held) recorder_add("    apart(%s, %s);\n", name, held);
}

// ---- Buffers ------------------------------------------------------------------------------------

static void declare_wanting(uint32_t memory, uint32_t size) {
    if (recorded.player->options.budget) recorder_declare("    wanting(%u, %u);\n", memory, size);
}

lm_status recorded_buffer_create(lm_buffer_table *table, uint32_t owner, uint32_t memory,
                                 uint32_t size, uint32_t alignment, bool zeroed,
                                 lm_handle *handle) {
    if (!recorder_is_on())
        return lm_buffer_create(table, owner, memory, size, alignment, zeroed, handle);
    if (!recorded.knows_next) declare_wanting(memory, size);
    const char *made = recorder_new_handle();
    recorder_call(CALL_PLAIN, "lm_buffer_create(&table, %u, %u, %u, %u, %s, %s)", owner, memory,
                  size, alignment, true_or_false(zeroed), made);
    recorded.pending.tells = true;
    lm_status status =
        RETURNED(lm_buffer_create(table, owner, memory, size, alignment, zeroed, handle));
    name_handle(status, *handle, owner, memory, 0);
    recorded.fresh = status == LM_OK ? *handle : 0;
    recorded.fresh_size = size;
    return status;
}

// A block of the player's, or a wrong address.
lm_status recorded_buffer_adopt(lm_buffer_table *table, uint32_t owner, uint32_t memory,
                                uint32_t block, uint32_t size, lm_handle *handle) {
    if (!recorder_is_on()) return lm_buffer_adopt(table, owner, memory, block, size, handle);
    uint32_t number = recorded.player->model.begun;
    bool wrong = recorded.knows_next;
    if (!wrong) recorder_declare("    needs(b%u);\n", number);
    if (!wrong) declare_wanting(memory, size);
    const char *made = recorder_new_handle();
    if (wrong)
        recorder_call(CALL_PLAIN, "lm_buffer_adopt(&table, %u, %u, %u, %u, %s)", owner, memory,
                      block, size, made);
    else
        recorder_call(CALL_PLAIN, "lm_buffer_adopt(&table, %u, %u, b%u, %u, %s)", owner, memory,
                      number, size, made);
    recorded.pending.tells = true;
    lm_status status = RETURNED(lm_buffer_adopt(table, owner, memory, block, size, handle));
    name_handle(status, *handle, owner, memory, 0);
    if (lm_failed(status)) recorder_add("    give_back(%u, b%u);\n", memory, number);
    return status;
}

lm_status recorded_buffer_retain(lm_buffer_table *table, uint32_t owner, lm_handle handle) {
    if (!recorder_is_on()) return lm_buffer_retain(table, owner, handle);
    recorder_call(CALL_PLAIN, "lm_buffer_retain(&table, %u, %s)", owner, recorder_handle(handle));
    return RETURNED(lm_buffer_retain(table, owner, handle));
}

lm_status recorded_buffer_release(lm_buffer_table *table, uint32_t owner, lm_handle handle) {
    if (!recorder_is_on()) return lm_buffer_release(table, owner, handle);
    recorder_call(CALL_RELEASE, "lm_buffer_release(&table, %u, %s)", owner,
                  recorder_handle(handle));
    return RETURNED(lm_buffer_release(table, owner, handle));
}

lm_status recorded_buffer_share(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                uint32_t with, lm_handle *shared) {
    if (!recorder_is_on()) return lm_buffer_share(table, owner, handle, with, shared);
    const char *made = recorder_new_handle();
    recorder_call(CALL_PLAIN, "lm_buffer_share(&table, %u, %s, %u, %s)", owner,
                  recorder_handle(handle), with, made);
    lm_status status = RETURNED(lm_buffer_share(table, owner, handle, with, shared));
    name_handle(status, *shared, with, lm_handle_memory(handle), 0);
    return status;
}

lm_status recorded_buffer_transfer(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                   uint32_t to, lm_handle *transferred) {
    if (!recorder_is_on()) return lm_buffer_transfer(table, owner, handle, to, transferred);
    const shadow_share *share = handle_shadow_share(&recorded.player->shadow, handle);
    bool wrong = recorded.knows_next;
    bool stays = !wrong && share->count == 1 && handle_shadow_has_generation(handle);
    const char *made = recorder_new_handle();
    recorder_call(CALL_PLAIN, "lm_buffer_transfer(&table, %u, %s, %u, %s)", owner,
                  recorder_handle(handle), to, made);
    recorded.pending.quiet = stays ? "death" : NULL;
    lm_status status = RETURNED(lm_buffer_transfer(table, owner, handle, to, transferred));
    name_handle(status, *transferred, to, lm_handle_memory(handle), stays ? handle : 0);
    return status;
}

// The bytes of one that is made larger or smaller as soon as it is made, are kept.
lm_status recorded_buffer_resize(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                 uint32_t size) {
    if (!recorder_is_on()) return lm_buffer_resize(table, owner, handle, size);
    bool fresh = handle == recorded.fresh && !recorded.knows_next;
    uint32_t kept = size < recorded.fresh_size ? size : recorded.fresh_size;
    const char *name = recorder_handle(handle);
    declare_wanting(lm_handle_memory(handle), size);
    if (fresh) recorder_declare("    fill_first(%u, %s, %u);\n", owner, name, kept);
    recorder_call(CALL_PLAIN, "lm_buffer_resize(&table, %u, %s, %u)", owner, name, size);
    recorded.pending.tells = true;
    lm_status status = RETURNED(lm_buffer_resize(table, owner, handle, size));
    if (fresh) recorder_add("    keeps_first(%u, %s, %u);\n", owner, name, kept);
    if (recorded.operation && recorded.operation->verb == TRACE_ATTACH) // perhaps elsewhere
        recorder_add("    lies(%u, %u, %s, 1);\n",
                     handle_shadow_share(&recorded.player->shadow, handle)->buffer, owner, name);
    return status;
}

// What stands where a handle lies is held after each operation; of itself it is called wrongly
// only.
lm_status recorded_buffer_describe(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                   lm_buffer_info *info) {
    if (!recorder_is_on() || !recorded.knows_next)
        return lm_buffer_describe(table, owner, handle, info);
    recorder_call(CALL_PLAIN, "lm_buffer_describe(&table, %u, %s, &info)", owner,
                  recorder_handle(handle));
    return RETURNED(lm_buffer_describe(table, owner, handle, info));
}

// ---- The buffer table
// ----------------------------------------------------------------------------------

lm_status recorded_buffer_table_set_budget(lm_buffer_table *table, uint32_t memory,
                                           uint64_t bytes) {
    if (!recorder_is_on() || !recorded.knows_next)
        return lm_buffer_table_set_budget(table, memory, bytes);
    recorder_call(CALL_PLAIN, "lm_buffer_table_set_budget(&table, %u, %llu)", memory, (ull)bytes);
    return RETURNED(lm_buffer_table_set_budget(table, memory, bytes));
}

lm_live recorded_buffer_table_live_of(const lm_buffer_table *table, uint32_t owner) {
    if (!recorder_is_on()) return lm_buffer_table_live_of(table, owner);
    recorder_call(CALL_NUMBER, "lm_buffer_table_live_of(&table, %u).buffers", owner);
    lm_live live = lm_buffer_table_live_of(table, owner);
    recorder_returned(live.buffers);
    return live;
}

uint64_t recorded_buffer_table_release_all(lm_buffer_table *table, uint32_t owner) {
    if (!recorder_is_on()) return lm_buffer_table_release_all(table, owner);
    recorder_call(CALL_NUMBER, "lm_buffer_table_release_all(&table, %u)", owner);
    return recorder_returned(lm_buffer_table_release_all(table, owner));
}

// In the middle of a play, or at its end.
void recorded_finalizers_end(lm_buffer_table *table) {
    if (recorder_is_on() && !recorded.operation) recorder_write_state(true);
    if (recorder_is_on()) recorder_write("    lm_finalizers_end(&table);\n");
    lm_finalizers_end(table);
}

// With the buffer table they are started by the program itself.
bool recorded_finalizers_start(lm_buffer_table *table) {
    if (!recorder_is_on() || !recorded.operation) return lm_finalizers_start(table);
    recorder_call(CALL_NUMBER, "lm_finalizers_start(&table)");
    return recorder_returned(lm_finalizers_start(table)) != 0;
}

lm_status recorded_buffer_table_end(lm_buffer_table *table) {
    if (recorder_is_on())
        recorder_write("    lm_buffer_table_end(&table);\n    holds_nothing();\n");
    return lm_buffer_table_end(table);
}

// ---- Views --------------------------------------------------------------------------------------

// A view was given, and a handle with it.
static void name_view(lm_status status, const lm_view *view, lm_kind kind) {
    if (status != LM_OK || recorded.pending.wrong) return;
    recorder_name_view(view);
    recorder_add("    h%u = (%s)->handle;\n", recorded.handles_named - 1, recorder_view(view));
    name_handle(status, view->handle, view->owner, lm_handle_memory(view->handle), 0);
    const trace_operation *o = recorded.operation;
    if (!o || o->verb != TRACE_VIEW) return;
    recorder_add("    shows(%s, %s, %u, %u);\n", recorder_view(view), recorder_kind(kind),
                 o->argument[3], o->argument[4]);
}

lm_status recorded_view_make(lm_buffer_table *table, uint32_t owner, lm_handle handle, lm_kind kind,
                             uint32_t offset, uint32_t length, lm_view *view) {
    if (!recorder_is_on()) return lm_view_make(table, owner, handle, kind, offset, length, view);
    const char *made = recorder_new_view();
    recorder_new_handle();
    recorder_call(CALL_PLAIN, "lm_view_make(&table, %u, %s, %s, %u, %u, %s)", owner,
                  recorder_handle(handle), recorder_kind(kind), offset, length, made);
    lm_status status = RETURNED(lm_view_make(table, owner, handle, kind, offset, length, view));
    name_view(status, view, kind);
    return status;
}

lm_status recorded_view_sub(lm_buffer_table *table, const lm_view *view, lm_kind kind,
                            uint32_t from, uint32_t length, lm_view *sub) {
    if (!recorder_is_on()) return lm_view_sub(table, view, kind, from, length, sub);
    const char *of = recorder_view(view), *made = recorder_new_view();
    recorder_new_handle();
    recorder_call(CALL_PLAIN, "lm_view_sub(&table, %s, %s, %u, %u, %s)", of, recorder_kind(kind),
                  from, length, made);
    lm_status status = RETURNED(lm_view_sub(table, view, kind, from, length, sub));
    name_view(status, sub, kind);
    return status;
}

lm_status recorded_view_end(lm_buffer_table *table, lm_view *view) {
    if (!recorder_is_on()) return lm_view_end(table, view);
    const char *name = recorder_view(view);
    for (uint32_t i = 0; name[1] == 'v' && i < recorded.views_named; i++)
        if (atoi(name + 2) == (int)i) recorded.views[i].handle = 0;
    recorder_call(CALL_RELEASE, "lm_view_end(&table, %s)", name);
    lm_status status = RETURNED(lm_view_end(table, view));
    if (name[1] == 'v') recorder_add("    ended(%s);\n", name);
    return status;
}

// What an element's bits are, as its bytes say.
static uint64_t bits_of(lm_buffer_table *table, const lm_view *view, uint32_t offset, lm_kind kind,
                        bool little_endian) {
    lm_buffer_info info;
    if (lm_buffer_describe(table, view->owner, view->handle, &info) != LM_OK) return 0;
    const unsigned char *at =
        lm_at(table->memories.at[info.memory].memory, info.start + view->offset + offset);
    return element_bits(at, buffer_model_element(kind), little_endian);
}

lm_status recorded_view_load(lm_buffer_table *table, const lm_view *view, uint32_t offset,
                             lm_kind kind, bool little_endian, uint64_t *bits) {
    if (!recorder_is_on()) return lm_view_load(table, view, offset, kind, little_endian, bits);
    recorder_call(CALL_CHAINED, "lm_view_load(&table, %s, %u, %s, %s, &bits)", recorder_view(view),
                  offset, recorder_kind(kind), true_or_false(little_endian));
    lm_status status = RETURNED(lm_view_load(table, view, offset, kind, little_endian, bits));
    if (status == LM_OK)
        recorder_add("    loads(0x%llx);\n",
                     (ull)bits_of(table, view, offset, kind, little_endian));
    return status;
}

lm_status recorded_view_store(lm_buffer_table *table, const lm_view *view, uint32_t offset,
                              lm_kind kind, bool little_endian, uint64_t bits) {
    if (!recorder_is_on()) return lm_view_store(table, view, offset, kind, little_endian, bits);
    recorder_call(CALL_PLAIN, "lm_view_store(&table, %s, %u, %s, %s, bits)", recorder_view(view),
                  offset, recorder_kind(kind), true_or_false(little_endian));
    return RETURNED(lm_view_store(table, view, offset, kind, little_endian, bits));
}

lm_status recorded_view_get_integer(lm_buffer_table *table, const lm_view *view, uint32_t index,
                                    int64_t *value) {
    if (!recorder_is_on()) return lm_view_get_integer(table, view, index, value);
    recorder_call(CALL_CHAINED, "lm_view_get_integer(&table, %s, %u, &integer)",
                  recorder_view(view), index);
    return RETURNED(lm_view_get_integer(table, view, index, value));
}

lm_status recorded_view_set_integer(lm_buffer_table *table, const lm_view *view, uint32_t index,
                                    int64_t value) {
    if (!recorder_is_on()) return lm_view_set_integer(table, view, index, value);
    recorder_call(CALL_PLAIN, "lm_view_set_integer(&table, %s, %u, integer)", recorder_view(view),
                  index);
    return RETURNED(lm_view_set_integer(table, view, index, value));
}

lm_status recorded_view_get_number(lm_buffer_table *table, const lm_view *view, uint32_t index,
                                   double *value) {
    if (!recorder_is_on()) return lm_view_get_number(table, view, index, value);
    recorder_call(CALL_CHAINED, "lm_view_get_number(&table, %s, %u, &number)", recorder_view(view),
                  index);
    return RETURNED(lm_view_get_number(table, view, index, value));
}

lm_status recorded_view_set_number(lm_buffer_table *table, const lm_view *view, uint32_t index,
                                   double value) {
    if (!recorder_is_on()) return lm_view_set_number(table, view, index, value);
    recorder_call(CALL_PLAIN, "lm_view_set_number(&table, %s, %u, number)", recorder_view(view),
                  index);
    return RETURNED(lm_view_set_number(table, view, index, value));
}

lm_status recorded_view_copy(lm_buffer_table *table, const lm_view *to, uint32_t at,
                             const lm_view *from, uint32_t from_at, uint32_t length) {
    if (!recorder_is_on()) return lm_view_copy(table, to, at, from, from_at, length);
    recorder_call(CALL_PLAIN, "lm_view_copy(&table, %s, %u, %s, %u, %u)", recorder_view(to), at,
                  recorder_view(from), from_at, length);
    return RETURNED(lm_view_copy(table, to, at, from, from_at, length));
}

lm_status recorded_view_point(lm_buffer_table *table, const lm_view *view, lm_pointer *pointer) {
    if (!recorder_is_on()) return lm_view_point(table, view, pointer);
    const char *name = recorder_view(view);
    recorder_call(CALL_PLAIN, "lm_view_point(&table, %s, &made_pointer)", name);
    lm_status status = RETURNED(lm_view_point(table, view, pointer));
    if (status != LM_OK) return status;
    recorder_add("    points(%s, %u);\n", name, recorded.operation->argument[3]); // of v
    recorded.pointer_expected = LM_STATUSES; // it is another one
    return status;
}

lm_status recorded_pointer_check(const lm_buffer_table *table, const lm_pointer *pointer) {
    if (!recorder_is_on()) return lm_pointer_check(table, pointer);
    recorder_call(CALL_POINTER, "lm_pointer_check(&table, &pointer)");
    return RETURNED(lm_pointer_check(table, pointer));
}

// ---- Finalizers ---------------------------------------------------------------------------------

lm_status recorded_finalizer_attach(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                    lm_token sibling, lm_token *token) {
    if (!recorder_is_on()) return lm_finalizer_attach(table, owner, handle, sibling, token);
    const char *beside = sibling ? recorder_token(sibling) : "0";
    const char *made = recorder_new_token(0);
    recorder_call(CALL_PLAIN, "lm_finalizer_attach(&table, %u, %s, %s, %s)", owner,
                  recorder_handle(handle), beside, made);
    lm_status status = RETURNED(lm_finalizer_attach(table, owner, handle, sibling, token));
    name_token(status, *token, 0);
    return status;
}

// The reference that a token stands for is its owner's again.
static void add_same(lm_token token) {
    const buffer_player *p = recorded.player;
    for (uint32_t i = 0; i < p->tokens_begun; i++)
        if (p->tokens[i].token == token)
            recorder_add("    same(detached, %s);\n",
                         recorder_handle(p->references[p->model.tokens[i]].handle));
}

lm_status recorded_finalizer_detach(lm_buffer_table *table, lm_token token, lm_handle *handle) {
    if (!recorder_is_on()) return lm_finalizer_detach(table, token, handle);
    recorder_call(CALL_PLAIN, "lm_finalizer_detach(&table, %s, &detached)", recorder_token(token));
    lm_status status = RETURNED(lm_finalizer_detach(table, token, handle));
    if (status == LM_OK) add_same(token);
    return status;
}

// References more have been made before, so that nothing dies.
lm_status recorded_finalizer_detach_all(lm_buffer_table *table, lm_token token, uint32_t *freed) {
    if (!recorder_is_on()) return lm_finalizer_detach_all(table, token, freed);
    recorder_call(CALL_PLAIN, "lm_finalizer_detach_all(&table, %s, &freed)", recorder_token(token));
    lm_status status = RETURNED(lm_finalizer_detach_all(table, token, freed));
    if (status == LM_OK) recorder_add("    died(0);\n");
    return status;
}

lm_status recorded_finalizer_replace(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                     lm_token *token, lm_handle *cancelled) {
    if (!recorder_is_on()) return lm_finalizer_replace(table, owner, handle, token, cancelled);
    lm_token replaced = *token;
    const char *old = recorder_token(replaced), *made = recorder_new_token(replaced);
    const char *of = recorder_handle(handle);
    recorder_call(CALL_PLAIN, "lm_finalizer_replace(&table, %u, %s, %s, &detached)", owner, of,
                  made);
    lm_status status = RETURNED(lm_finalizer_replace(table, owner, handle, token, cancelled));
    if (status == LM_OK)
        recorder_add("    same(detached, %s);\n", *cancelled ? of : "0");
    else
        recorder_add("    same(%s, %s);\n", made + 1, old);
    name_token(status, *token, replaced);
    return status;
}

lm_status recorded_finalizer_close(lm_buffer_table *table, lm_token token) {
    if (!recorder_is_on()) return lm_finalizer_close(table, token);
    recorder_call(CALL_PLAIN, "lm_finalizer_close(&table, %s)", recorder_token(token));
    return RETURNED(lm_finalizer_close(table, token));
}

lm_status recorded_finalizer_enqueue(lm_buffer_table *table, lm_token token) {
    if (!recorder_is_on()) return lm_finalizer_enqueue(table, token);
    recorder_call(CALL_PLAIN, "lm_finalizer_enqueue(&table, %s)", recorder_token(token));
    recorded.pending.quiet = "safepoint";
    return RETURNED(lm_finalizer_enqueue(table, token));
}

// The references that are released: of tokens that were attached. What is drained when all has been
// released by hand, fails.
lm_drained recorded_finalizers_drain(lm_buffer_table *table, uint32_t count) {
    if (!recorder_is_on()) return lm_finalizers_drain(table, count);
    const buffer_player *p = recorded.player;
    const buffer_model *m = &p->model;
    bool late = count == UINT32_MAX;
    uint32_t released = 0;
    for (uint32_t i = m->queue_first - m->drained; !late && i < m->queue_first; i++)
        released += p->tokens[m->queue[i]].token != 0;
    recorder_write("    DRAINS(%u, %u, %s, lm_finalizers_drain(&table, %u));\n", released,
                   late ? p->armed : 0, true_or_false(!late && p->waiting > 0), count);
    recorded.inside = true;
    lm_drained drained = lm_finalizers_drain(table, count);
    recorded.inside = false;
    return drained;
}
