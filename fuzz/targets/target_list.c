#include "fuzz/targets/target_list.h"

#include "cli/json.h"
#include "fuzz/targets/targets.h"

#include <stdio.h>

json_t *list_targets(void) {
    json_t *list = json_array();
    for (size_t i = 0; i < fuzz_target_count; i++) {
        const fuzz_target *target = &fuzz_targets[i];
        json_add(list,
                 json_fields("name", json_text(target->name), "about", json_text(target->summary),
                             "per_strategy", json_boolean(target->per_strategy), NULL));
    }
    return list;
}

void print_targets(const json_t *list) {
    puts("fuzz targets");
    size_t index;
    json_t *entry;
    json_array_foreach(list, index, entry) {
        printf("  %-12s %.64s\n", json_string_value(json_object_get(entry, "name")),
               json_string_value(json_object_get(entry, "about")));
    }
}
