#include "cli/file.h"
#include "cli/test.h"
#include "corpus/trace/generator.h"
#include "corpus/trace/trace_stat.h"

#include <glob.h>

static json_t *read_file(const char *path) {
    char error[200];
    json_t *json = file_read_json(path, error);
    if (!json) fail_msg("%s: %s", path, error);
    return json;
}

static json_t *read_description(const char *name) {
    char path[80];
    snprintf(path, sizeof path, "corpus/synthetic/%s.json", name);
    return read_file(path);
}

static trace run(json_t *json) {
    trace trace;
    trace_error error;
    if (!generator_run(json, &trace, &error)) fail_msg("%s", error.text);
    return trace;
}

TEST(shipped_descriptions_are_valid) {
    glob_t paths;
    assert_int_equal(glob("corpus/synthetic/*.json", 0, NULL, &paths), 0);
    for (size_t i = 0; i < paths.gl_pathc; i++) {
        json_t *json = read_file(paths.gl_pathv[i]);
        json_object_set_new(json, "operations", json_integer(50000));
        trace trace = run(json);
        size_t calls = 0;
        for (size_t at = 0; trace.operations[at].verb != TRACE_EXIT; at++)
            calls += trace.operations[at].verb != TRACE_LANE;
        assert_int_equal(calls, 50000);
        trace_stat stat;
        assert_true(trace_stat_take(&trace, &stat));
        assert_int_equal(stat.verbs[TRACE_FREE], stat.blocks);
        json_t *live = json_object_get(json, "live_blocks");
        if (live) assert_true(stat.peak_live_blocks <= (uint64_t)json_integer_value(live));
        trace_free(&trace);
        json_decref(json);
    }
    globfree(&paths);
}

// Each lane has its share of calls, and frees other lanes' blocks as often as described.
TEST(lanes_exchange_blocks) {
    json_t *json = read_description("exchange");
    json_object_set_new(json, "operations", json_integer(100000));
    json_object_set_new(json, "lanes", json_integer(3));
    trace trace = run(json);
    uint8_t *owners = calloc(trace.blocks, 1);
    size_t lane = 0, calls[3] = {0}, frees = 0, remote = 0;
    for (size_t i = 0; trace.operations[i].verb != TRACE_EXIT; i++) {
        const trace_operation *operation = &trace.operations[i];
        if (operation->verb == TRACE_LANE) {
            lane = operation->argument[0];
            continue;
        }
        calls[lane]++;
        if (operation->verb == TRACE_ALLOCATE) owners[operation->argument[0]] = (uint8_t)lane;
        if (operation->verb != TRACE_FREE) continue;
        frees++;
        remote += owners[operation->argument[0]] != lane;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(calls[i], 30000, 36000);
    assert_in_range(1000 * remote / frees, 480, 520);
    free(owners);
    trace_free(&trace);
    json_decref(json);
}

// FNV-1a of the operations: a change of the generator changes every published synthetic trace.
static uint64_t hash(const trace *trace) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const unsigned char *bytes = (const unsigned char *)trace->operations;
    for (size_t i = 0; i < trace->count * sizeof *trace->operations; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_of(json_t *json) {
    trace trace = run(json);
    uint64_t result = hash(&trace);
    trace_free(&trace);
    return result;
}

TEST(the_seed_determines_the_trace) {
    json_t *json = read_description("power_law");
    json_object_set_new(json, "operations", json_integer(20000));
    uint64_t first = hash_of(json);
    assert_int_equal(first, hash_of(json));
    assert_int_equal(first, UINT64_C(0x80a35ff1049f46c4)); // on every machine
    json_object_set_new(json, "seed", json_integer(99));
    assert_int_not_equal(first, hash_of(json));
    json_decref(json);
}

static json_t *small(const char *sizes, const char *lifetimes, const char *more) {
    char text[600];
    snprintf(text, sizeof text,
             "{\"about\":\"a\",\"source\":\"b\",\"seed\":7,\"operations\":40000,"
             "\"sizes\":[%s],\"lifetimes\":[%s]%s}",
             sizes, lifetimes, more);
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (!json) fail_msg("%s: %s", text, error.text);
    return json;
}

static trace_stat stat_of(json_t *json) {
    trace trace = run(json);
    trace_stat stat;
    assert_true(trace_stat_take(&trace, &stat));
    trace_free(&trace);
    json_decref(json);
    return stat;
}

TEST(distributions_are_as_described) {
    const char *one = "{\"weight\":1,\"bytes\":24}";
    trace_stat stat = stat_of(small(one, "{\"weight\":1,\"fixed\":20}", ""));
    assert_in_range(stat.lifetime_median_operations, 20, 21);
    assert_int_equal(stat.sizes[5], stat.blocks);

    // The median of a geometric lifetime is its mean times ln 2, apart from the interpolation.
    stat = stat_of(small(one, "{\"weight\":1,\"geometric\":1000}", ""));
    assert_in_range(stat.lifetime_median_operations, 600, 760);
    assert_in_range(stat.lifetime_90th_operations, 2000, 2500);

    stat = stat_of(small("{\"weight\":1,\"from\":1,\"to\":1023}", "{\"weight\":1,\"forever\":true}",
                         ",\"live_blocks\":100"));
    assert_int_equal(stat.peak_live_blocks, 100);
    for (int i = 1; i <= 10; i++)
        assert_in_range(stat.sizes[i], stat.blocks / 10 - 250, stat.blocks / 10 + 250);

    stat = stat_of(small(one, "{\"weight\":3,\"batch\":1000},{\"weight\":1,\"forever\":true}",
                         ",\"resize\":0.5,\"zeroed\":1,\"aligned\":1"));
    assert_in_range(stat.verbs[TRACE_RESIZE], 11000, 18000);
    assert_int_equal(stat.verbs[TRACE_ALLOCATE], 0);
    assert_int_equal(stat.alignments[4], 0);
    for (int i = 5; i < 32; i++)
        assert_int_equal(stat.alignments[i] > 0, i <= 12); // 32 to 4096
    assert_in_range(stat.blocks_to_end, stat.blocks / 5, stat.blocks / 3);
    stat = stat_of(small(one, "{\"weight\":1,\"geometric\":10}",
                         ",\"aligned\":0.5,\"alignment_max\":2147483648"));
    for (int i = 5; i < 32; i++)
        assert_true(stat.alignments[i] > 0);
    stat = stat_of(small(one, "{\"weight\":1,\"forever\":true}", ",\"live_bytes\":240"));
    assert_int_equal(stat.peak_live_bytes, 240);
}

TEST(bad_descriptions_are_named) {
    const char *size = "{\"weight\":1,\"bytes\":8}", *life = "{\"weight\":1,\"fixed\":8}";
    const struct {
        const char *sizes, *lifetimes, *more, *message;
    } cases[] = {
        {"", life, "", "sizes must be an array of 1 to 64"},
        {size, "", "", "lifetimes must be an array of 1 to 64"},
        {life, life, "", "sizes[0] is not one of the sizes"},
        {size, size, "", "lifetimes[0] is not one of the lifetimes"},
        {"7", life, "", "sizes[0]: a weight must be above 0 and below 10^9"},
        {"{\"weight\":-1,\"bytes\":8}", life, "", "sizes[0]: a weight must be above 0"},
        {"{\"weight\":1,\"bytes\":\"8\"}", life, "", "sizes[0]: \"bytes\" has the wrong type"},
        {"{\"weight\":1,\"bytes\":4294967296}", life, "", "sizes[0]: \"bytes\" is out of range"},
        {"{\"weight\":1,\"from\":9,\"to\":8}", life, "", "sizes[0]: \"from\" is out of range"},
        {"{\"weight\":1,\"from\":9}", life, "", "sizes[0]: \"from\" has a key beside it"},
        {"{\"weight\":1,\"bytes\":9,\"to\":10}", life, "",
         "sizes[0]: \"bytes\" has a key beside it"},
        {"{\"weight\":1}", life, "", "sizes[0]: a size has bytes, or from and to"},
        {size, "{\"weight\":1,\"batch\":0}", "", "lifetimes[0]: \"batch\" is out of range"},
        {size, life, ",\"resize\":2", "resize, zeroed, aligned and remote are shares"},
        {size, life, ",\"alignment_max\":48",
         "alignment_max must be a power of two in 32 ... 2^31"},
        {size, life, ",\"alignment_max\":16", "alignment_max must be a power of two"},
        {size, life, ",\"alignment_max\":4294967296", "alignment_max must be a power of two"},
        {size, life, ",\"live_blocks\":0", "live_blocks and live_bytes must be at least 1"},
        {size, life, ",\"operations\":0", "operations must be in 1 ... 16777216"},
        {size, life, ",\"sise\":1", "1 object item(s) left unpacked: sise"},
    };
    for (size_t i = 0; i < ITEMS(cases); i++) {
        json_t *json = small(cases[i].sizes, cases[i].lifetimes, cases[i].more);
        trace trace;
        trace_error error;
        assert_false(generator_run(json, &trace, &error));
        if (strncmp(error.text, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("'%s' instead of '%s'", error.text, cases[i].message);
        json_decref(json);
    }
}

TEST_MAIN(NULL, NULL)
