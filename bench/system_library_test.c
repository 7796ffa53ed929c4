#include "bench/system_library.h"
#include "cli/test.h"

TEST(the_first_library_that_is_there_is_found) {
    static const lm_system_malloc first = {"first", "libm.so.6|libc.so.6", ""},
                                  second = {"second", "libnone.so.3|libm.so.6", ""},
                                  none = {"none", "libnone.so.3|libnone.so.2", ""},
                                  own = {"own", "", ""};
    for (int asked = 0; asked < 2; asked++) {
        assert_string_equal(system_library(&first), "libm.so.6");
        assert_string_equal(system_library(&second), "libm.so.6");
        assert_null(system_library(&none));
        assert_string_equal(system_library(&own), "");
    }
}

// More system mallocs than are remembered.
TEST(many_system_mallocs_are_told_apart) {
    static lm_system_malloc system_mallocs[40];
    for (size_t i = 0; i < 40; i++)
        system_mallocs[i] = (lm_system_malloc){"x",
                                               i % 3 == 0   ? "libnone.so"
                                               : i % 3 == 1 ? "libm.so.6"
                                                            : "",
                                               ""};
    for (size_t i = 0; i < 40; i++) {
        const char *found = system_library(&system_mallocs[i]);
        if (i % 3 == 0)
            assert_null(found);
        else
            assert_string_equal(found, system_mallocs[i].libraries);
    }
}

TEST_MAIN(NULL, NULL)
