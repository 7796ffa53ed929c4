#include "cli/json.h"
#include "cli/test.h"

#include <math.h>

// jansson's own constructors drop these.
TEST(nothing_that_is_put_in_is_lost) {
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

TEST_MAIN(NULL, NULL)
