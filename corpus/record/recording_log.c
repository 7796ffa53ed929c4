// The log of a recording: its threads and processes.
#include "corpus/record/recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 16384 };

// Makes room for item `index`; new items are zero. Returns false if out of memory.
static bool recording_log_make_room(void **items, uint32_t *count, uint32_t index,
                                    size_t item_bytes) {
    if (index < *count) return true;
    size_t larger = 2 * (size_t)index + 16;
    char *moved = reallocarray(*items, larger, item_bytes);
    if (moved == NULL) return false;
    memset(moved + *count * item_bytes, 0, (larger - *count) * item_bytes);
    *items = moved;
    *count = (uint32_t)larger;
    return true;
}

// Returns the process of a number, or NULL if out of memory (`memory` is then false) or if the
// number is invalid: each process has a record, so there are no more processes than records.
static recording_process *recording_log_process_at(recording *recording, uint64_t number,
                                                   bool *memory) {
    if (number == 0 || number > recording->count + 1) return NULL;
    *memory = recording_log_make_room((void **)&recording->processes, &recording->processes_end,
                                      (uint32_t)number, sizeof *recording->processes);
    return *memory ? &recording->processes[number] : NULL;
}

static bool recording_log_see_thread(recording *recording, const recording_record *record) {
    bool memory = true;
    if (record->thread > recording->count ||
        recording_log_process_at(recording, record->address, &memory) == NULL)
        return memory;
    if (!recording_log_make_room((void **)&recording->process_of, &recording->threads,
                                 record->thread, sizeof *recording->process_of))
        return false;
    recording->process_of[record->thread] = (uint32_t)record->address;
    return true;
}

static bool recording_log_add_text(recording_process *process, const recording_record *record,
                                   size_t *length) {
    if (*length + RECORDING_TEXT_BYTES > TEXT_MAX) return true;
    char *text = realloc(process->text, *length + RECORDING_TEXT_BYTES + 2);
    if (text == NULL) return false;
    memcpy(text + *length, &record->address, RECORDING_TEXT_BYTES);
    *length += RECORDING_TEXT_BYTES;
    memset(text + *length, 0, 2); // ends two strings, wherever the text was cut
    process->text = text;
    return true;
}

static bool recording_log_see_process(recording *recording, const recording_record *record,
                                      recording_verb verb) {
    bool memory = true;
    recording_process *process = recording_log_process_at(recording, record->thread, &memory);
    if (process == NULL) return memory;
    switch (verb) {
    case RECORDING_IMAGE:
        process->known = true;
        process->pid = (pid_t)record->address;
        process->own_malloc = record->size & RECORDING_OWN_MALLOC;
        return true;
    case RECORDING_FORKED:
        process->known = true;
        process->pid = (pid_t)(record->address & UINT32_MAX);
        process->parent = (uint32_t)(record->address >> 32);
        process->fork_at = record->size;
        return true;
    default:
        return recording_log_add_text(process, record, &process->text_length);
    }
}

static bool recording_log_see(recording *recording, const recording_record *record) {
    recording_verb verb = recording_verb_of(record);
    switch (verb) {
    case RECORDING_ALLOCATE:
    case RECORDING_ZEROED:
    case RECORDING_FREE:
    case RECORDING_RESIZE_TO:
        if (record->thread < recording->threads)
            recording->processes[recording->process_of[record->thread]].calls++;
        return true;
    case RECORDING_THREAD:
        return recording_log_see_thread(recording, record);
    case RECORDING_IMAGE:
    case RECORDING_FORKED:
    case RECORDING_TEXT:
        return recording_log_see_process(recording, record, verb);
    default:
        return true;
    }
}

static void recording_log_name_processes(recording *recording) {
    for (uint32_t i = 0; i < recording->processes_end; i++) {
        recording_process *process = &recording->processes[i];
        process->name = process->file = "?";
        if (process->text != NULL) {
            process->name = process->text;
            process->file = process->text + strlen(process->text) + 1;
        } else if (process->parent != 0 && process->parent < i) {
            process->name = recording->processes[process->parent].name;
            process->file = recording->processes[process->parent].file;
        }
    }
}

bool recording_survey(recording *recording, trace_error *error) {
    bool memory = recording_log_make_room((void **)&recording->processes, &recording->processes_end,
                                          0, sizeof *recording->processes);
    for (uint64_t i = 0; memory && i < recording->count; i++)
        memory = recording_log_see(recording, &recording->records[i]);
    if (!memory) return trace_fail(error, "%s", strerror(ENOMEM));
    recording_log_name_processes(recording);
    return true;
}

bool recording_open(int log, recording *recording, trace_error *error) {
    *recording = (struct recording){0};
    struct stat status;
    void *start = NULL;
    if (fstat(log, &status) != 0) status.st_size = 0;
    recording->count = (uint64_t)status.st_size / sizeof *recording->records;
    recording->bytes = recording->count * sizeof *recording->records;
    if (recording->count != 0) start = mmap(NULL, recording->bytes, PROT_READ, MAP_PRIVATE, log, 0);
    int reason = errno;
    close(log);
    if (start == MAP_FAILED) {
        recording->count = recording->bytes = 0;
        return trace_fail(error, "%s", strerror(reason));
    }
    recording->records = start;
    return recording_survey(recording, error);
}

void recording_free_records(recording *recording) {
    if (recording->bytes != 0) munmap((void *)(uintptr_t)recording->records, recording->bytes);
    recording->records = NULL;
    recording->count = recording->bytes = 0;
}

void recording_close(recording *recording) {
    recording_free_records(recording);
    for (uint32_t i = 0; i < recording->processes_end; i++)
        free(recording->processes[i].text);
    free(recording->processes);
    free(recording->process_of);
    *recording = (struct recording){0};
}
