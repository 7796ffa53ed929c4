#pragma once
#include <jansson.h>
#include <stdio.h>
void report_print(const json_t *results, FILE *stream);
