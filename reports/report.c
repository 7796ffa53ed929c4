#include "reports/report.h"
#include <string.h>
void report_print(const json_t *results, FILE *stream) {
    size_t i; json_t *c;
    json_array_foreach(json_object_get(results, "cells"), i, c)
        fprintf(stream, "%-12s %-20s %-5s %8.2f [%7.2f %7.2f] rss %8lld heap %8lld %s\n",
            json_string_value(json_object_get(c, "allocator")), json_string_value(json_object_get(c, "workload")), json_string_value(json_object_get(c, "pass")),
            json_number_value(json_object_get(json_object_get(c, "ns_per_op"), "median")),
            json_number_value(json_object_get(json_object_get(c, "ns_per_op"), "low")),
            json_number_value(json_object_get(json_object_get(c, "ns_per_op"), "high")),
            json_integer_value(json_object_get(c, "peak_rss_bytes"))/1024, json_integer_value(json_object_get(c, "peak_heap_bytes"))/1024,
            json_string_value(json_object_get(c, "status")));
    json_array_foreach(json_object_get(results, "comparisons"), i, c)
        if (!strcmp(json_string_value(json_object_get(c,"workload")),"geometric mean"))
        fprintf(stream, "%-10s vs %-10s %-5s %6.3f [%6.3f %6.3f] %s\n", json_string_value(json_object_get(c, "a")),json_string_value(json_object_get(c, "b")),json_string_value(json_object_get(c, "pass")),
        json_number_value(json_object_get(c,"ratio")), json_number_value(json_object_get(c,"low")), json_number_value(json_object_get(c,"high")), json_string_value(json_object_get(c,"verdict")));
}
