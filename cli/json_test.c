#include "cli/cmocka.h"
#include "cli/json.h"

#include <math.h>
#include <stdlib.h>

// jansson's own constructors drop these.
static void nothing_that_is_put_in_is_lost(void **state) {
    json_t *list = json_array();
    json_add(list, json_text("\xd0\x96\xd0"));
    json_t *object = json_fields("bytes", json_text("caf\xe9"), "none", json_text(NULL), "nan",
                                 json_number(NAN), "infinite", json_number(-INFINITY), "half",
                                 json_number(0.5), "list", list, NULL);
    json_set(object, "last", json_integer(1));
    char *text = json_dumps(object, JSON_COMPACT);
    assert_string_equal(text, "{\"bytes\":\"caf\\\\xe9\",\"none\":null,\"nan\":null,"
                              "\"infinite\":null,\"half\":0.5,\"list\":[\"Ж\\\\xd0\"],\"last\":1}");
    free(text);
    json_decref(object);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_that_is_put_in_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
