// Views: each row of the error table in alloc/buffers/view.h, conversions as JavaScript makes them
// (alloc/buffers/view_conversions.def), copies against a model that reads all before it writes.
#define LM_CHECK_LEVEL 1 // lm_pointer_use is compiled here

#include "alloc/buffers/element_copy.h"

#include "alloc/buffers/table_fixture.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int start(const lm_counts *counts) {
    static lm_allocator imported;
    const lm_allocator *own = lm_strategy_named("paged", 1), *tlsf = lm_strategy_named("tlsf", 1);
    imported =
        (lm_allocator){.allocate = tlsf->allocate, .resize = tlsf->resize, .free = tlsf->free};
    return start_on(counts, 2, (const lm_allocator *[]){own, tlsf},
                    (const lm_allocator *[]){own, &imported});
}
static void assert_none_live(void) {
    assert_int_equal(lm_buffer_table_live_in(r, HOME).buffers, 0);
    assert_int_equal(lm_buffer_table_live_in(r, OTHER).buffers, 0);
}

static lm_handle create(uint32_t memory, uint32_t size) {
    return create_of(DART, memory, size);
}
static lm_view make(lm_handle handle, lm_kind kind, uint32_t offset, uint32_t length) {
    lm_view view;
    OK(lm_view_make(r, DART, handle, kind, offset, length, &view));
    return view;
}

// Errors: each call below returns its status in this scene, and changes nothing.

typedef struct scene {
    lm_handle a, b;                      // 64 bytes, in home and in the other memory
    lm_view f64, f32;                    // of a, whole
    lm_view i64, u8;                     // of b, whole
    lm_view bytes;                       // of a, 10 of them from 3 on
    lm_view part;                        // of b: i16, 4 of them from 8 on
    lm_view shrunk;                      // u32, 4, of a buffer that has only 10 bytes left
    lm_view askew;                       // u16 of a buffer that begins at an odd address
    lm_view ended, stale, foreign, dead; // stale, dead: copies of views that have ended
    lm_view wrong;                       // of no kind
    lm_pointer grown, moved;
} scene;

typedef struct answers { // what an error must not write
    lm_view view;
    lm_pointer pointer;
    int64_t integer;
    double number;
    uint64_t bits;
} answers;

static scene s;
static answers out;

static void set_buffers(void) {
    lm_handle gone = create(HOME, 8), small = create(OTHER, 16), odd;
    s.a = create(HOME, 64), s.b = create(OTHER, 64);
    s.shrunk = make(small, LM_U32, 0, 4);
    OK(lm_buffer_release(r, DART, small));
    OK(lm_buffer_resize(r, DART, s.shrunk.handle, 10));
    uint32_t block = lm_access_allocate(&r->memories, HOME, 16);
    OK(lm_buffer_adopt(r, DART, HOME, block + 1, 8, &odd));
    s.askew = make(odd, LM_U16, 0, 4);
    s.stale = make(gone, LM_U8, 0, 8);
    OK(lm_buffer_release(r, DART, gone));
    s.ended = s.stale;
    FREES(lm_view_end(r, &s.ended));
    assert_int_equal(lm_handle_slot(create(HOME, 8)), lm_handle_slot(s.stale.handle));
}

static void set_scene(void) {
    set_buffers();
    s.f64 = make(s.a, LM_F64, 0, 8), s.f32 = make(s.a, LM_F32, 0, 16);
    s.i64 = make(s.b, LM_I64, 0, 8), s.u8 = make(s.b, LM_U8, 0, 64);
    s.bytes = make(s.a, LM_BYTES, 3, 10), s.part = make(s.b, LM_I16, 8, 4);
    s.dead = make(s.a, LM_U8, 0, 8);
    lm_view copy = s.dead;
    OK(lm_view_end(r, &copy)); // no slot is taken from here on
    s.foreign = s.wrong = s.u8;
    s.foreign.owner = SCRIPT;
    s.wrong.kind = (lm_kind)99;
    for (int i = 0; i < 64; i++)
        bytes_of(s.a)[i] = bytes_of(s.b)[i] = (unsigned char)(i + 1);
    OK(lm_view_point(r, &s.f64, &s.grown));
    OK(lm_view_point(r, &s.i64, &s.moved));
    assert_true(lm_memory_grow_foreign(&memories[HOME], 1));
    assert_true(lm_memory_move(&memories[OTHER]));
    memset(&out, 0xa5, sizeof out);
}

// Rows of the header's table that were shown.
static const char *shown[64];
static size_t shown_count;

#define REFUSES(row, status, call)                                                                 \
    do {                                                                                           \
        picture before = take_picture();                                                           \
        unsigned char same_scene[sizeof s], same_out[sizeof out];                                  \
        memcpy(same_scene, &s, sizeof s), memcpy(same_out, &out, sizeof out);                      \
        assert_int_equal(call, status);                                                            \
        assert_as_in(&before);                                                                     \
        assert_memory_equal(same_scene, &s, sizeof s);                                             \
        assert_memory_equal(same_out, &out, sizeof out);                                           \
        if (shown_count == 0 || strcmp(shown[shown_count - 1], row) != 0)                          \
            shown[shown_count++] = row;                                                            \
    } while (0)

static void refuse_out_of_range(void) {
    const char *row = "elements outside the buffer or the view";
    const struct {
        lm_kind kind;
        uint32_t offset, length;
    } outside[] = {
        {LM_U8, 0, 65},         {LM_U8, 64, 1},          {LM_U8, 65, 0},
        {LM_U8, UINT32_MAX, 1}, {LM_U8, 1, UINT32_MAX},  {LM_BYTES, 60, 5},
        {LM_F64, 0, 9},         {LM_F64, 64, 1},         {LM_F64, 72, 0},
        {LM_F64, 0, 1u << 29},  {LM_F64, 8, 1u << 29},   {LM_U32, 4, (1u << 30) - 1},
        {LM_I16, 2, 1u << 31},  {LM_I64, 0xfffffff8, 1}, {LM_I64, 0xfffffff8, 2},
    };
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        lm_kind kind = outside[i].kind;
        uint32_t offset = outside[i].offset, length = outside[i].length;
        REFUSES(row, LM_OUT_OF_RANGE, lm_view_make(r, DART, s.a, kind, offset, length, &out.view));
    }
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_sub(r, &s.part, LM_I16, 1, 4, &out.view));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_sub(r, &s.part, LM_U8, 0, 9, &out.view));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_sub(r, &s.part, LM_U8, 5, 0, &out.view));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_sub(r, &s.part, LM_I16, 1u << 31, 1, &out.view));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_sub(r, &s.f64, LM_F64, 1u << 29, 1, &out.view));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_sub(r, &s.shrunk, LM_U32, 2, 1, &out.view));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_get_integer(r, &s.part, 4, &out.integer));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_set_integer(r, &s.part, UINT32_MAX, 1));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_get_number(r, &s.f64, 8, &out.number));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_set_number(r, &s.f64, 1u << 29, 1));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_set_integer(r, &s.shrunk, 2, 1));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_load(r, &s.bytes, 3, LM_F64, true, &out.bits));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_load(r, &s.bytes, UINT32_MAX, LM_U8, true, &out.bits));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_store(r, &s.bytes, 10, LM_U8, false, 1));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_store(r, &s.part, 7, LM_U16, false, 1));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_copy(r, &s.part, 1, &s.u8, 0, 4));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_copy(r, &s.u8, 0, &s.part, 1, 4));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_copy(r, &s.f64, 0, &s.f64, 1, 1u << 29));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_copy(r, &s.f64, 1u << 29, &s.f64, 0, 1));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_copy(r, &s.f64, 0, &s.f64, 1u << 29, 1));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_copy(r, &s.u8, UINT32_MAX, &s.u8, 0, 2));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_copy(r, &s.u8, 0, &s.u8, 65, 0));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_copy(r, &s.u8, 0, &s.shrunk, 0, 4));
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_point(r, &s.shrunk, &out.pointer));
}

static void refuse_misaligned(void) {
    const char *row = "multiple of its element size";
    for (lm_kind kind = 0; kind < LM_KINDS; kind++)
        for (uint32_t offset = 1; offset < lm_kind_bytes(kind); offset++) {
            REFUSES(row, LM_MISALIGNED, lm_view_make(r, DART, s.a, kind, offset, 1, &out.view));
            REFUSES(row, LM_MISALIGNED, lm_view_make(r, DART, s.a, kind, offset, 0, &out.view));
            REFUSES(row, LM_MISALIGNED, lm_view_sub(r, &s.u8, kind, offset, 1, &out.view));
        }
    REFUSES("is not aligned to the element size", LM_MISALIGNED,
            lm_view_point(r, &s.askew, &out.pointer));
}

static void refuse_other_kinds(void) {
    const char *row = "an element access to a byte view";
    REFUSES(row, LM_WRONG_KIND, lm_view_get_integer(r, &s.bytes, 0, &out.integer));
    REFUSES(row, LM_WRONG_KIND, lm_view_set_integer(r, &s.bytes, 0, 9));
    REFUSES(row, LM_WRONG_KIND, lm_view_get_number(r, &s.bytes, 0, &out.number));
    REFUSES(row, LM_WRONG_KIND, lm_view_set_number(r, &s.bytes, 0, 9));
    row = "an integer access to f32 or f64";
    REFUSES(row, LM_WRONG_KIND, lm_view_get_integer(r, &s.f64, 0, &out.integer));
    REFUSES(row, LM_WRONG_KIND, lm_view_set_integer(r, &s.f32, 0, 9));
    row = "a number access to i64 or u64";
    REFUSES(row, LM_WRONG_KIND, lm_view_get_number(r, &s.i64, 0, &out.number));
    REFUSES(row, LM_WRONG_KIND, lm_view_set_number(r, &s.i64, 0, 9));
    row = "a copy between BigInts and numbers";
    REFUSES(row, LM_WRONG_KIND, lm_view_copy(r, &s.i64, 0, &s.f64, 0, 1));
    REFUSES(row, LM_WRONG_KIND, lm_view_copy(r, &s.u8, 0, &s.i64, 0, 1));
    row = "a copy between a byte view and a typed list";
    REFUSES(row, LM_WRONG_KIND, lm_view_copy(r, &s.bytes, 0, &s.u8, 0, 1));
    REFUSES(row, LM_WRONG_KIND, lm_view_copy(r, &s.i64, 0, &s.bytes, 0, 1));
    row = "a number that is not a kind, in any argument";
    REFUSES(row, LM_WRONG_KIND, lm_view_make(r, DART, s.a, LM_KINDS, 0, 1, &out.view));
    REFUSES(row, LM_WRONG_KIND, lm_view_sub(r, &s.u8, (lm_kind)99, 0, 1, &out.view));
    REFUSES(row, LM_WRONG_KIND, lm_view_sub(r, &s.u8, (lm_kind)-1, 0, 1, &out.view));
    REFUSES(row, LM_WRONG_KIND, lm_view_sub(r, &s.wrong, LM_U8, 0, 1, &out.view));
    REFUSES(row, LM_WRONG_KIND, lm_view_get_integer(r, &s.wrong, 0, &out.integer));
    REFUSES(row, LM_WRONG_KIND, lm_view_set_integer(r, &s.wrong, 0, 9));
    REFUSES(row, LM_WRONG_KIND, lm_view_get_number(r, &s.wrong, 0, &out.number));
    REFUSES(row, LM_WRONG_KIND, lm_view_set_number(r, &s.wrong, 0, 9));
    REFUSES(row, LM_WRONG_KIND, lm_view_load(r, &s.wrong, 0, LM_U8, true, &out.bits));
    REFUSES(row, LM_WRONG_KIND, lm_view_store(r, &s.wrong, 0, LM_U8, true, 9));
    REFUSES(row, LM_WRONG_KIND, lm_view_load(r, &s.u8, 0, (lm_kind)99, true, &out.bits));
    REFUSES(row, LM_WRONG_KIND, lm_view_copy(r, &s.wrong, 0, &s.u8, 0, 1));
    REFUSES(row, LM_WRONG_KIND, lm_view_copy(r, &s.u8, 0, &s.wrong, 0, 1));
    REFUSES(row, LM_WRONG_KIND, lm_view_copy(r, &s.wrong, 0, &s.wrong, 0, 0));
    REFUSES(row, LM_WRONG_KIND, lm_view_point(r, &s.wrong, &out.pointer));
    assert_int_equal(lm_kind_bytes(LM_KINDS), 0);
    assert_int_equal(lm_kind_bytes((lm_kind)-1), 0);
    row = "a byte access with kind LM_BYTES";
    REFUSES(row, LM_WRONG_KIND, lm_view_load(r, &s.bytes, 0, LM_BYTES, true, &out.bits));
    REFUSES(row, LM_WRONG_KIND, lm_view_store(r, &s.bytes, 0, LM_KINDS, true, 9));
}

// Each use of a view.
static void refuse_all_uses(const char *row, lm_view *view, lm_status use, lm_status ends) {
    REFUSES(row, use, lm_view_make(r, view->owner, view->handle, LM_U8, 0, 1, &out.view));
    REFUSES(row, use, lm_view_sub(r, view, LM_U8, 0, 1, &out.view));
    REFUSES(row, use, lm_view_get_integer(r, view, 0, &out.integer));
    REFUSES(row, use, lm_view_set_integer(r, view, 0, 9));
    REFUSES(row, use, lm_view_get_number(r, view, 0, &out.number));
    REFUSES(row, use, lm_view_set_number(r, view, 0, 9));
    REFUSES(row, use, lm_view_load(r, view, 0, LM_U32, true, &out.bits));
    REFUSES(row, use, lm_view_store(r, view, 0, LM_U32, true, 9));
    REFUSES(row, use, lm_view_copy(r, view, 0, &s.u8, 0, 1));
    REFUSES(row, use, lm_view_copy(r, &s.u8, 0, view, 0, 1));
    REFUSES(row, use, lm_view_point(r, view, &out.pointer));
    REFUSES(row, ends, lm_view_end(r, view));
}

static void refuse_misused_handles(void) {
    const char *row = "errors of the buffer (stale handle, wrong owner…)";
    lm_view never = s.u8;
    refuse_all_uses(row, &s.foreign, LM_WRONG_OWNER, LM_WRONG_OWNER);
    never.handle ^= 0x7fff; // no such slot
    refuse_all_uses(row, &never, LM_INVALID_HANDLE, LM_INVALID_HANDLE);
    never.handle = s.u8.handle ^ 0x600000; // beyond the slots' memory
    refuse_all_uses(row, &never, LM_INVALID_HANDLE, LM_INVALID_HANDLE);
    never.handle = s.u8.handle ^ 1u << 24; // the buffer lies in another memory
    refuse_all_uses(row, &never, LM_INVALID_HANDLE, LM_INVALID_HANDLE);
    refuse_all_uses("a view used after its end", &s.ended, LM_INVALID_HANDLE, LM_INVALID_HANDLE);
    row = "a copy of it used after its end";
    refuse_all_uses(row, &s.stale, LM_STALE_HANDLE, LM_STALE_HANDLE);
    refuse_all_uses(row, &s.dead, LM_USE_AFTER_ZERO, LM_RELEASE_AFTER_ZERO);
    row = "a copy of it ended once more";
    REFUSES(row, LM_STALE_HANDLE, lm_view_end(r, &s.stale));
    REFUSES(row, LM_RELEASE_AFTER_ZERO, lm_view_end(r, &s.dead));
}

// As if all slots were in use.
static void refuse_without_slots(void) {
    const char *row = "a view made when home is out of memory or slots";
    lm_buffer_table_state *state = lm_state_of(r), were = *state;
    state->free = 0;
    state->slots.count = LM_SLOTS_MAX;
    REFUSES(row, LM_OUT_OF_SLOTS, lm_view_make(r, DART, s.a, LM_U8, 0, 1, &out.view));
    REFUSES(row, LM_OUT_OF_SLOTS, lm_view_sub(r, &s.u8, LM_U8, 0, 1, &out.view));
    *state = were;
}

static void refuse_old_pointers(void) {
    const char *row = "view, or the view ended or was transferred";
    lm_pointer none = {0};
    REFUSES(row, LM_OLD_POINTER, lm_pointer_check(r, &s.grown));
    REFUSES(row, LM_OLD_POINTER, lm_pointer_check(r, &s.moved));
    REFUSES(row, LM_OLD_POINTER, lm_pointer_check(r, &none));
}

static void refuse_after_the_tables_end(void) {
    const char *row = "is in the view alone (its kind, its range)";
    lm_pointer pointer;
    OK(lm_view_point(r, &s.u8, &pointer));
    lm_buffer_table_end(r);
    refuse_all_uses(row, &s.u8, LM_NOT_STARTED, LM_NOT_STARTED);
    REFUSES(row, LM_OUT_OF_RANGE, lm_view_get_integer(r, &s.u8, UINT32_MAX, &out.integer));
    REFUSES(row, LM_WRONG_KIND, lm_view_get_integer(r, &s.f64, 0, &out.integer));
    row = "a pointer checked after the table's end";
    REFUSES(row, LM_OLD_POINTER, lm_pointer_check(r, &pointer));
}

static bool is_shown(const char *row) {
    for (size_t i = 0; i < shown_count; i++)
        if (strstr(row, shown[i])) return true;
    return false;
}

// Each row of the header's table has been shown. One of two lines is known by its second.
static void assert_all_rows_shown(void) {
    FILE *header = fopen("alloc/buffers/view.h", "r");
    assert_non_null(header);
    char line[200], row[200] = "";
    int rows = 0;
    while (fgets(line, sizeof line, header))
        if (strcmp(line, "// Errors, with nothing changed:\n") == 0) break;
    while (fgets(line, sizeof line, header)) {
        bool begins = strncmp(line, "//     ", 7) == 0 && line[7] != ' ';
        bool ends = rows > 0 && strcmp(line, "//\n") == 0;
        if (begins || ends) {
            if (rows > 0 && !is_shown(row)) fail_msg("nothing shows %s", row);
            rows += begins;
        }
        if (ends) break;
        strcpy(row, line);
    }
    fclose(header);
    assert_int_equal(rows, 18);
}

TEST_BOTH(an_error_changes_nothing) {
    shown_count = 0;
    set_scene();
    refuse_out_of_range();
    refuse_misaligned();
    refuse_other_kinds();
    refuse_misused_handles();
    refuse_without_slots();
    refuse_old_pointers();
    refuse_after_the_tables_end();
    assert_all_rows_shown();
}

// Conversions, as JavaScript makes them. The bytes beside an element must not change.

typedef struct element {
    lm_handle handle;
    lm_view view;
} element;

static element begin_element(uint32_t memory, lm_kind kind) {
    element e = {.handle = create(memory, 24)};
    memset(bytes_of(e.handle), 0x5c, 24);
    e.view = make(e.handle, kind, 8, 1);
    return e;
}
static void end_element(element *e) {
    OK(lm_view_end(r, &e->view));
    FREES(lm_buffer_release(r, DART, e->handle));
}

static void assert_bits(element *e, uint64_t expected) {
    uint64_t bits;
    unsigned char now[24];
    memset(now, 0x5c, sizeof now);
    memcpy(now + 8, &expected, lm_kind_bytes(e->view.kind));
    assert_memory_equal(bytes_of(e->handle), now, sizeof now);
    OK(lm_view_load(r, &e->view, 0, e->view.kind, true, &bits));
    assert_int_equal(bits, expected);
}

enum { NUMBER_KINDS = LM_F64 + 1, INTEGER_KINDS = 9 };

enum from { A_NUMBER, AN_INTEGER, AN_ELEMENT };
static const struct row {
    enum from from;
    lm_kind kind; // of the element
    uint64_t bits, stored[NUMBER_KINDS];
} rows[] = {
#define NUMBER(bits, ...)     {A_NUMBER, LM_F64, bits, {__VA_ARGS__}},
#define INTEGER(value, ...)   {AN_INTEGER, LM_I64, value, {__VA_ARGS__}},
#define COPY(kind, bits, ...) {AN_ELEMENT, LM_##kind, bits, {__VA_ARGS__}},
#include "alloc/buffers/view_conversions.def"
};
enum { ROWS = sizeof rows / sizeof *rows };

static double number(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

TEST_BOTH(numbers_are_stored_as_in_javascript) {
    for (size_t i = 0; i < ROWS; i++)
        for (lm_kind kind = 0; rows[i].from == A_NUMBER && kind <= LM_F64; kind++) {
            element e = begin_element(i % 2, kind);
            OK(lm_view_set_number(r, &e.view, 0, number(rows[i].bits)));
            assert_bits(&e, rows[i].stored[kind]);
            end_element(&e);
        }
    assert_none_live();
}

TEST_BOTH(integers_are_stored_as_in_javascript) {
    static const lm_kind kinds[INTEGER_KINDS] = {LM_I8,  LM_U8,  LM_C8,  LM_I16, LM_U16,
                                                 LM_I32, LM_U32, LM_I64, LM_U64};
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; rows[i].from == AN_INTEGER && k < INTEGER_KINDS; k++) {
            int64_t value = (int64_t)rows[i].bits, read;
            element e = begin_element(i % 2, kinds[k]);
            OK(lm_view_set_integer(r, &e.view, 0, value));
            assert_bits(&e, rows[i].stored[k]);
            if (k < 7) {
                double as_number;
                OK(lm_view_get_number(r, &e.view, 0, &as_number));
                OK(lm_view_get_integer(r, &e.view, 0, &read));
                assert_true(as_number == (double)read);
            } else {
                OK(lm_view_get_integer(r, &e.view, 0, &read));
                assert_int_equal(read, value);
            }
            end_element(&e);
        }
    assert_none_live();
}

// Copying to f64 stores the element as get_number reads it.
TEST_BOTH(elements_are_copied_as_in_javascript) {
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        if (row->from != AN_ELEMENT) continue;
        element from = begin_element(i % 2, row->kind);
        double value;
        OK(lm_view_store(r, &from.view, 0, row->kind, true, row->bits));
        OK(lm_view_get_number(r, &from.view, 0, &value));
        if (value == value) assert_int_equal(bits_of(value), row->stored[LM_F64]);
        for (lm_kind kind = 0; kind <= LM_F64; kind++) {
            element to = begin_element(i / 2 % 2, kind);
            OK(lm_view_copy(r, &to.view, 0, &from.view, 0, 1));
            assert_bits(&to, row->stored[kind]);
            end_element(&to);
        }
        assert_bits(&from, row->bits);
        end_element(&from);
    }
    assert_none_live();
}

// A stored NaN is the canonical NaN; a copy within one kind keeps its bits.
TEST_BOTH(nans_are_canonical) {
    lm_handle handle = create(HOME, 32);
    lm_view f64 = make(handle, LM_F64, 0, 2), f32 = make(handle, LM_F32, 16, 2);
    uint64_t bits;
    OK(lm_view_set_number(r, &f64, 0, number(0xfff8000000001234)));
    OK(lm_view_set_number(r, &f32, 0, number(0xfff8000000001234)));
    OK(lm_view_load(r, &f64, 0, LM_F64, true, &bits));
    assert_int_equal(bits, 0x7ff8000000000000);
    OK(lm_view_load(r, &f32, 0, LM_F32, true, &bits));
    assert_int_equal(bits, 0x7fc00000);
    OK(lm_view_store(r, &f32, 0, LM_F32, true, 0xff812345)); // a signalling one
    OK(lm_view_copy(r, &f32, 1, &f32, 0, 1));
    OK(lm_view_load(r, &f32, 4, LM_F32, true, &bits));
    assert_int_equal(bits, 0xff812345);
}

TEST_BOTH(bytes_have_the_requested_order) {
    const uint64_t stored = 0xf1f2f3f4f5f6f7f8;
    for (lm_kind kind = 0; kind < LM_BYTES; kind++)
        for (uint32_t at = 0; at <= 11; at++)
            for (int little = 0; little < 2; little++) {
                lm_handle handle = create(at % 2, 24);
                lm_view view = make(handle, LM_BYTES, 3, 11 + 8);
                uint32_t bytes = lm_kind_bytes(kind);
                unsigned char expected[24] = {0};
                for (uint32_t i = 0; i < bytes; i++)
                    expected[3 + at + (little ? i : bytes - 1 - i)] = (unsigned char)(0xf8 - i);
                uint64_t bits = 0;
                memset(bytes_of(handle), 0, sizeof expected);
                OK(lm_view_store(r, &view, at, kind, little, stored));
                assert_memory_equal(bytes_of(handle), expected, sizeof expected);
                OK(lm_view_load(r, &view, at, kind, little, &bits));
                assert_int_equal(bits, stored << (64 - 8 * bytes) >> (64 - 8 * bytes));
                OK(lm_buffer_release(r, DART, handle));
                FREES(lm_view_end(r, &view));
            }
    assert_none_live();
}

// Views share bytes and hold references.

TEST_BOTH(a_view_of_a_view_is_one_of_the_buffer) {
    for (uint32_t memory = 0; memory < 2; memory++) {
        lm_handle handle = create(memory, 64);
        lm_view whole = make(handle, LM_U32, 4, 15), part, deep;
        int64_t value;
        OK(lm_view_sub(r, &whole, LM_U16, 3, 4, &part));
        assert_int_equal(part.offset, 16);
        OK(lm_view_sub(r, &part, LM_U8, 1, 6, &deep));
        assert_int_equal(deep.offset, 18);
        assert_int_equal(deep.length, 6);
        assert_true(deep.handle != handle && deep.handle != part.handle);
        assert_int_equal(info_of(handle).references, 1);
        OK(lm_view_set_integer(r, &whole, 3, 0x44332211));
        OK(lm_view_get_integer(r, &deep, 1, &value));
        assert_int_equal(value, 0x44);
        OK(lm_view_end(r, &whole));
        assert_int_equal(whole.handle, 0);
        OK(lm_buffer_release(r, DART, handle));
        OK(lm_view_end(r, &part));
        OK(lm_view_set_integer(r, &deep, 5, 7));
        OK(lm_view_get_integer(r, &deep, 5, &value));
        assert_int_equal(value, 7);
        FREES(lm_view_end(r, &deep));
        assert_none_live();
    }
}

TEST_BOTH(empty_views_may_be_at_the_end) {
    lm_handle handle = create(HOME, 64), empty = create(OTHER, 0);
    for (lm_kind kind = 0; kind < LM_KINDS; kind++) {
        lm_view at_end = make(handle, kind, 64, 0), none = make(empty, kind, 0, 0), sub;
        OK(lm_view_sub(r, &at_end, kind, 0, 0, &sub));
        OK(lm_view_copy(r, &at_end, 0, &none, 0, 0));
        lm_pointer pointer;
        OK(lm_view_point(r, &sub, &pointer));
        assert_ptr_equal(pointer.address, bytes_of(handle) + 64);
        lm_view all = make(handle, kind, 0, 64 / lm_kind_bytes(kind));
        OK(lm_view_end(r, &sub));
        OK(lm_view_sub(r, &all, kind, all.length, 0, &sub));
        assert_int_equal(sub.offset, 64);
        OK(lm_view_end(r, &sub));
        OK(lm_view_end(r, &all));
        OK(lm_view_end(r, &none));
        OK(lm_view_end(r, &at_end));
    }
    FREES(lm_buffer_release(r, DART, handle));
    FREES(lm_buffer_release(r, DART, empty));
    assert_none_live();
}

static void *no_block(size_t size, lm_memory *memory) {
    return NULL;
}
static void *no_resize(void *block, size_t size, lm_memory *memory) {
    return NULL;
}
static void keep_block(void *block, size_t size, lm_memory *memory) {}

// A memory of 4 GiB, all but its first 16 bytes a buffer's.
TEST_BOTH(a_buffer_may_end_at_2_to_the_32) {
    enum { START = 16 };
    static const lm_allocator keeps = {
        .allocate = no_block, .resize = no_resize, .free = keep_block};
    const lm_memory_options options = {.pages = LM_PAGES_MAX, .pages_max = LM_PAGES_MAX};
    const uint32_t size = UINT32_MAX - START + 1;
    lm_memory large;
    lm_handle handle, small = create(HOME, 64);
    lm_pointer pointer;
    int64_t value;
    assert_true(lm_memory_create(&large, &options));
    const unsigned char *base = lm_memory_base(&large);
    uint32_t number = lm_buffer_table_add(r, &keeps, &large);
    OK(lm_buffer_adopt(r, DART, number, START, size, &handle));
    lm_view all = make(handle, LM_U8, 0, size), longs = make(handle, LM_U64, 0, size / 8);
    lm_view none = make(handle, LM_F64, size, 0), few = make(small, LM_F64, 0, 8);
    OK(lm_view_set_integer(r, &longs, size / 8 - 1, -2));
    OK(lm_view_get_integer(r, &all, size - 1, &value));
    assert_int_equal(value, 0xff);
    assert_int_equal(base[UINT32_MAX - 7], 0xfe);
    OK(lm_view_copy(r, &all, size - 7, &all, size - 8, 7));
    assert_int_equal(base[UINT32_MAX - 6], 0xfe);
    OK(lm_view_copy(r, &none, 0, &none, 0, 0));
    OK(lm_view_point(r, &none, &pointer));
    assert_ptr_equal(pointer.address, base + ((uint64_t)1 << 32));
    IS(lm_view_store(r, &all, size - 7, LM_F64, true, 1), LM_OUT_OF_RANGE);
    IS(lm_view_copy(r, &few, 0, &all, 0, 1u << 29), LM_OUT_OF_RANGE);
    lm_view *views[] = {&all, &longs, &none, &few};
    for (int i = 0; i < 4; i++)
        OK(lm_view_end(r, views[i]));
    FREES(lm_buffer_release(r, DART, handle));
    FREES(lm_buffer_release(r, DART, small));
    lm_memory_destroy(&large);
    r->memories.count--;
}

TEST_BOTH(a_view_keeps_its_buffers_size) {
    lm_handle handle = create(HOME, 64);
    lm_view view = make(handle, LM_U8, 0, 64);
    int64_t value;
    IS(lm_buffer_resize(r, DART, handle, 8), LM_SHARED);
    OK(lm_view_set_integer(r, &view, 7, 70));
    OK(lm_buffer_release(r, DART, handle));
    OK(lm_buffer_resize(r, DART, view.handle, 8));
    OK(lm_view_get_integer(r, &view, 7, &value));
    assert_int_equal(value, 70);
    IS(lm_view_get_integer(r, &view, 8, &value), LM_OUT_OF_RANGE);
    OK(lm_buffer_resize(r, DART, view.handle, 5000)); // the block moves
    OK(lm_view_get_integer(r, &view, 7, &value));
    assert_int_equal(value, 70);
    OK(lm_view_set_integer(r, &view, 63, 1));
    FREES(lm_view_end(r, &view));
    assert_none_live();
}

// Pointers.

// The wait status of a child that uses the pointer.
static int status_of_use(const lm_pointer *pointer) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGILL, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        unsigned char *at = lm_pointer_use(r, pointer);
        _exit(at[0] == 77 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static bool trapped(int status) {
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
}

typedef void make_old(uint32_t memory);
static void by_foreign_growth(uint32_t memory) {
    assert_true(lm_memory_grow_foreign(&memories[memory], 1));
}
static void by_own_growth(uint32_t memory) {
    assert_int_not_equal(lm_memory_grow(&memories[memory], 2), LM_GROW_REFUSED);
}
static void by_a_move(uint32_t memory) {
    assert_true(lm_memory_move(&memories[memory]));
}

TEST_BOTH(an_old_pointer_traps) {
    static make_old *const ways[] = {by_foreign_growth, by_own_growth, by_a_move};
    for (uint32_t memory = 0; memory < 2; memory++) {
        lm_handle handle = create(memory, 64);
        lm_view view = make(handle, LM_U16, 6, 5);
        OK(lm_view_set_integer(r, &view, 0, 77));
        for (int i = 0; i < 3; i++) {
            lm_pointer pointer;
            OK(lm_view_point(r, &view, &pointer));
            assert_ptr_equal(pointer.address, bytes_of(handle) + 6);
            lm_memory_refuse(&memories[memory], 1); // a failed growth invalidates nothing
            assert_int_equal(lm_memory_grow(&memories[memory], 1), LM_GROW_REFUSED);
            by_foreign_growth(1 - memory); // nor does growth of the other memory
            OK(lm_pointer_check(r, &pointer));
            assert_int_equal(status_of_use(&pointer), 0);
            ways[i](memory);
            IS(lm_pointer_check(r, &pointer), LM_OLD_POINTER);
            assert_true(trapped(status_of_use(&pointer)));
            int64_t value;
            OK(lm_view_get_integer(r, &view, 0, &value)); // the view is still valid
            assert_int_equal(value, 77);
        }
    }
}

static void assert_old(const lm_pointer *pointer) {
    IS(lm_pointer_check(r, pointer), LM_OLD_POINTER);
    assert_true(trapped(status_of_use(pointer)));
}

// The buffer moves or is freed while no memory grows: its bytes may belong to another buffer.
TEST_BOTH(a_pointer_is_old_after_its_buffer_moved) {
    enum { GROWN, SHRUNK, ENDED, TRANSFERRED, RELEASED_ALL, WAYS };
    for (uint32_t memory = 0; memory < 2; memory++) {
        FREES(lm_buffer_release(r, DART, create(memory, 200000))); // there is room
        for (int way = 0; way < WAYS; way++) {
            lm_handle owns, next, to; // alignment 8: a resize may leave them in place
            OK(lm_buffer_create(r, DART, memory, 64, 8, true, &owns));
            OK(lm_buffer_create(r, DART, memory, 64, 8, true, &next));
            lm_view view = make(owns, LM_U8, 8, 52);
            lm_pointer pointer;
            OK(lm_view_set_integer(r, &view, 0, 77));
            OK(lm_buffer_release(r, DART, owns));
            OK(lm_view_point(r, &view, &pointer));
            OK(lm_buffer_resize(r, DART, view.handle, 60)); // the view still fits
            OK(lm_pointer_check(r, &pointer));
            assert_int_equal(status_of_use(&pointer), 0);
            uint32_t pages = lm_memory_pages(&memories[memory]);
            if (way == GROWN) OK(lm_buffer_resize(r, DART, view.handle, 50000));
            if (way == SHRUNK) OK(lm_buffer_resize(r, DART, view.handle, 59));
            if (way == ENDED) FREES(lm_view_end(r, &(lm_view){view.handle, DART, 0, 0, LM_U8}));
            if (way == TRANSFERRED) OK(lm_buffer_transfer(r, DART, view.handle, SCRIPT, &to));
            FREES(lm_buffer_release(r, DART, next));
            if (way == RELEASED_ALL) assert_int_equal(lm_buffer_table_release_all(r, DART), 1);
            assert_int_equal(lm_memory_pages(&memories[memory]), pages);
            assert_old(&pointer);
            lm_buffer_table_release_all(r, SCRIPT);
            lm_buffer_table_release_all(r, DART);
        }
    }
    assert_none_live();
}

// The end of another view, or its owner's release, leaves a pointer valid; the end of its own view
// does not, although the bytes are still there.
TEST_BOTH(a_pointer_is_old_after_its_views_end) {
    lm_handle owns = create(OTHER, 64);
    lm_view view = make(owns, LM_U8, 0, 64), other = make(owns, LM_U8, 0, 64), sub;
    lm_pointer pointer, of_sub;
    OK(lm_view_set_integer(r, &view, 0, 77));
    OK(lm_view_point(r, &view, &pointer));
    OK(lm_view_sub(r, &view, LM_U8, 0, 1, &sub));
    OK(lm_view_point(r, &sub, &of_sub));
    OK(lm_view_end(r, &other));
    OK(lm_buffer_release(r, DART, owns));
    OK(lm_pointer_check(r, &pointer));
    assert_int_equal(status_of_use(&pointer), 0);
    OK(lm_view_end(r, &view));
    assert_old(&pointer);
    OK(lm_pointer_check(r, &of_sub));
    FREES(lm_view_end(r, &sub));
    assert_old(&of_sub);
}

// Ending a copy again releases no other reference.
TEST_BOTH(a_view_ends_once) {
    for (uint32_t memory = 0; memory < 2; memory++) {
        lm_handle owns = create(memory, 64);
        lm_view view = make(owns, LM_U8, 0, 64), copy = view, kept = view, sub;
        int64_t value;
        OK(lm_view_sub(r, &view, LM_U16, 0, 4, &sub));
        OK(lm_view_end(r, &view));
        IS(lm_view_end(r, &copy), LM_RELEASE_AFTER_ZERO);
        assert_int_equal(copy.handle, kept.handle);
        IS(lm_view_end(r, &view), LM_INVALID_HANDLE);
        IS(lm_view_get_integer(r, &copy, 0, &value), LM_USE_AFTER_ZERO);
        lm_view next = make(owns, LM_U8, 0, 64); // in the slot of the ended view
        assert_int_equal(lm_handle_slot(next.handle), lm_handle_slot(kept.handle));
        IS(lm_view_end(r, &copy), LM_STALE_HANDLE);
        IS(lm_view_get_integer(r, &copy, 0, &value), LM_STALE_HANDLE);
        assert_int_equal(info_of(owns).references, 1);
        OK(lm_view_end(r, &next));
        OK(lm_view_end(r, &sub));
        FREES(lm_buffer_release(r, DART, owns));
    }
    assert_none_live();
}

// Copies, against the model.

static bool is_of_numbers(lm_kind kind) {
    return kind <= LM_F64;
}

static bool may_copy(lm_kind from, lm_kind to) {
    if (from == LM_BYTES || to == LM_BYTES) return from == to;
    return is_of_numbers(from) == is_of_numbers(to);
}

enum { BUFFERS = 3, BUFFER_BYTES = 256 }; // two in home, one in the other memory

static lm_handle buffers[BUFFERS];
static unsigned char models[BUFFERS][BUFFER_BYTES], old[BUFFER_BYTES]; // old: the model's

static uint64_t seed;
static uint32_t below(uint32_t end) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % end);
}

static void assert_as_modelled(void) {
    for (int i = 0; i < BUFFERS; i++)
        assert_memory_equal(bytes_of(buffers[i]), models[i], BUFFER_BYTES);
}

// Random bytes, doubles or floats.
static void refill(uint32_t buffer) {
    uint32_t what = below(3);
    for (uint32_t i = 0; i < BUFFER_BYTES; i += 8)
        for (uint32_t j = 0; j < 8; j++) {
            double value = ldexp((below(4096) - 2048.0) / 2, (int)below(70) * (int)below(2));
            if (what == 0) models[buffer][i + j] = (unsigned char)below(256);
            if (what == 1 && j == 0) element_store(LM_F64, &models[buffer][i], value);
            if (what == 2 && j % 4 == 0) element_store(LM_F32, &models[buffer][i + j], value);
        }
    memcpy(bytes_of(buffers[buffer]), models[buffer], BUFFER_BYTES);
}

static void begin_buffers(void) {
    seed = 1;
    for (uint32_t i = 0; i < BUFFERS; i++) {
        buffers[i] = create(i / 2, BUFFER_BYTES);
        refill(i);
    }
}
static void end_buffers(void) {
    for (uint32_t i = 0; i < BUFFERS; i++)
        FREES(lm_buffer_release(r, DART, buffers[i]));
    assert_none_live();
}

static lm_view random_view(uint32_t buffer, lm_kind kind) {
    uint32_t bytes = lm_kind_bytes(kind), offset = below(BUFFER_BYTES / bytes + 1) * bytes;
    if (below(2)) offset = offset / 4 / bytes * bytes;
    return make(buffers[buffer], kind, offset, below((BUFFER_BYTES - offset) / bytes + 1));
}

static void copy_at_random(void) {
    uint32_t t = below(BUFFERS), f = below(2) ? t : below(BUFFERS);
    lm_view to = random_view(t, (lm_kind)below(LM_KINDS));
    lm_view from = random_view(f, below(4) ? (lm_kind)below(LM_KINDS) : to.kind);
    uint32_t at = below(2) ? 0 : below(to.length + 1), from_at = below(from.length + 1) / 2;
    uint32_t room = to.length - at, most = from.length - from_at;
    uint32_t length = below((room < most ? room : most) + 2);
    lm_status expected = LM_OK;
    if (!may_copy(from.kind, to.kind))
        expected = LM_WRONG_KIND;
    else if (length > room || length > most)
        expected = LM_OUT_OF_RANGE;
    IS(lm_view_copy(r, &to, at, &from, from_at, length), expected);
    if (expected == LM_OK)
        element_copy(to.kind, models[t] + to.offset + at * lm_kind_bytes(to.kind), from.kind,
                     models[f] + from.offset + from_at * lm_kind_bytes(from.kind), length, old);
    OK(lm_view_end(r, &to));
    OK(lm_view_end(r, &from));
}

TEST_BOTH(random_copies_are_as_modelled) {
    begin_buffers();
    for (int i = 0; i < 100000; i++) {
        if (i % 8 == 0) refill(below(BUFFERS));
        if (i % 2048 == 0) assert_true(lm_memory_move(&memories[i / 2048 % 2]));
        copy_at_random();
        assert_as_modelled();
    }
    end_buffers();
}

// Every way in which two short lists of two kinds can overlap.
static void copy_every_overlap(lm_kind to_kind, lm_kind from_kind) {
    enum { FIRST = 40 };
    uint32_t to_bytes = lm_kind_bytes(to_kind), from_bytes = lm_kind_bytes(from_kind);
    lm_view to = make(buffers[0], to_kind, 0, BUFFER_BYTES / to_bytes);
    lm_view from = make(buffers[0], from_kind, 0, BUFFER_BYTES / from_bytes);
    unsigned char *bytes = bytes_of(buffers[0]), original[BUFFER_BYTES];
    memcpy(original, bytes, BUFFER_BYTES);
    for (uint32_t t = 0; t <= FIRST; t += to_bytes)
        for (uint32_t f = 0; f <= FIRST; f += from_bytes)
            for (uint32_t length = 1; length <= 7; length++) {
                memcpy(bytes, original, BUFFER_BYTES);
                memcpy(models[0], original, BUFFER_BYTES);
                OK(lm_view_copy(r, &to, t / to_bytes, &from, f / from_bytes, length));
                element_copy(to_kind, models[0] + t, from_kind, models[0] + f, length, old);
                assert_memory_equal(bytes, models[0], BUFFER_BYTES);
            }
    memcpy(bytes, original, BUFFER_BYTES);
    OK(lm_view_end(r, &to));
    OK(lm_view_end(r, &from));
}

TEST_BOTH(overlapping_copies_are_as_modelled) {
    begin_buffers();
    for (lm_kind to = 0; to < LM_KINDS; to++)
        for (lm_kind from = 0; from < LM_KINDS; from++)
            if (may_copy(from, to)) copy_every_overlap(to, from);
    end_buffers();
}

TEST_MAIN(NULL, NULL)
