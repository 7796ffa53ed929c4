// The README's example of buffers, which CMake extracts: it compiles, every call succeeds on every
// strategy, the heap is empty at the end, and no expected call is missing.
#include "alloc/buffers/finalizer.h"
#include "alloc/registry.h"
#include "cli/test.h"

#include <string.h>

enum { DART, SCRIPT };

static char called[1000]; // the calls' names

static void note(const char *call) {
    strncat(called, call, sizeof called - strlen(called) - 1);
}
static void is_true(const char *call, bool returned) {
    note(call);
    if (!returned) fail_msg("%s fails", call);
}
static void succeeds(const char *call, lm_status status) {
    note(call);
    if (lm_failed(status)) fail_msg("%s returns %s", call, lm_status_name(status));
}
static void is_empty(const lm_allocator *allocator, lm_memory *memory) {
    lm_census census;
    const char *broken = allocator->validate(memory, &census);
    if (broken) fail_msg("%s: %s", allocator->name, broken);
    if (allocator->capabilities & LM_FREES_BLOCKS) assert_int_equal(census.live_blocks, 0);
}

static void run(const lm_allocator *allocator){
#define lm_memory_create(...)      is_true("memory ", lm_memory_create(__VA_ARGS__))
#define start(...)                 start(__VA_ARGS__) ? note("heap ") : fail()
#define lm_buffer_table_start(...) is_true("table ", lm_buffer_table_start(__VA_ARGS__))
#define lm_finalizers_start(...)   is_true("finalizers ", lm_finalizers_start(__VA_ARGS__))
#define lm_buffer_create(...)      succeeds("create ", lm_buffer_create(__VA_ARGS__))
#define lm_buffer_share(...)       succeeds("share ", lm_buffer_share(__VA_ARGS__))
#define lm_finalizer_attach(...)   succeeds("attach ", lm_finalizer_attach(__VA_ARGS__))
#define lm_finalizer_enqueue(...)  succeeds("enqueue ", lm_finalizer_enqueue(__VA_ARGS__))
#define lm_finalizers_drain(...)   is_true("drain ", lm_finalizers_drain(__VA_ARGS__).released == 1)
#define lm_buffer_release(...)     is_true("release ", lm_buffer_release(__VA_ARGS__) == LM_FREED)
#define lm_memory_destroy(m)       is_empty(allocator, m), note("destroy"), lm_memory_destroy(m)
#include README_BUFFERS
}

TEST(each_call_succeeds_on_every_strategy) {
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        called[0] = '\0';
        run(lm_strategy_at(i, 2));
        assert_string_equal(called, "memory heap table finalizers create share attach enqueue "
                                    "drain release destroy");
    }
}

TEST_MAIN(NULL, NULL)
