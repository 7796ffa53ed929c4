// Included before the buffer player's sources (fuzz/CMakeLists.txt): redirects its API calls to the
// recorder, which makes them and, if it is on, records them.
#pragma once

#include "alloc/buffers/finalizer.h"
#include "alloc/buffers/view.h"

#define RECORDED(name) __typeof__(lm_##name) recorded_##name;
RECORDED(buffer_create)
RECORDED(buffer_adopt)
RECORDED(buffer_retain)
RECORDED(buffer_release)
RECORDED(buffer_share)
RECORDED(buffer_transfer)
RECORDED(buffer_resize)
RECORDED(buffer_describe)
RECORDED(buffer_table_set_budget)
RECORDED(buffer_table_live_of)
RECORDED(buffer_table_release_all)
RECORDED(buffer_table_end)
RECORDED(view_make)
RECORDED(view_sub)
RECORDED(view_end)
RECORDED(view_load)
RECORDED(view_store)
RECORDED(view_get_integer)
RECORDED(view_set_integer)
RECORDED(view_get_number)
RECORDED(view_set_number)
RECORDED(view_copy)
RECORDED(view_point)
RECORDED(pointer_check)
RECORDED(finalizer_attach)
RECORDED(finalizer_detach)
RECORDED(finalizer_detach_all)
RECORDED(finalizer_replace)
RECORDED(finalizer_close)
RECORDED(finalizer_enqueue)
RECORDED(finalizers_drain)
RECORDED(finalizers_end)
RECORDED(finalizers_start)
#undef RECORDED

#ifndef RECORDER // defined in the recorder, which calls the real functions
#define lm_buffer_create            recorded_buffer_create
#define lm_buffer_adopt             recorded_buffer_adopt
#define lm_buffer_retain            recorded_buffer_retain
#define lm_buffer_release           recorded_buffer_release
#define lm_buffer_share             recorded_buffer_share
#define lm_buffer_transfer          recorded_buffer_transfer
#define lm_buffer_resize            recorded_buffer_resize
#define lm_buffer_describe          recorded_buffer_describe
#define lm_buffer_table_set_budget  recorded_buffer_table_set_budget
#define lm_buffer_table_live_of     recorded_buffer_table_live_of
#define lm_buffer_table_release_all recorded_buffer_table_release_all
#define lm_buffer_table_end         recorded_buffer_table_end
#define lm_view_make                recorded_view_make
#define lm_view_sub                 recorded_view_sub
#define lm_view_end                 recorded_view_end
#define lm_view_load                recorded_view_load
#define lm_view_store               recorded_view_store
#define lm_view_get_integer         recorded_view_get_integer
#define lm_view_set_integer         recorded_view_set_integer
#define lm_view_get_number          recorded_view_get_number
#define lm_view_set_number          recorded_view_set_number
#define lm_view_copy                recorded_view_copy
#define lm_view_point               recorded_view_point
#define lm_pointer_check            recorded_pointer_check
#define lm_finalizer_attach         recorded_finalizer_attach
#define lm_finalizer_detach         recorded_finalizer_detach
#define lm_finalizer_detach_all     recorded_finalizer_detach_all
#define lm_finalizer_replace        recorded_finalizer_replace
#define lm_finalizer_close          recorded_finalizer_close
#define lm_finalizer_enqueue        recorded_finalizer_enqueue
#define lm_finalizers_drain         recorded_finalizers_drain
#define lm_finalizers_end           recorded_finalizers_end
#define lm_finalizers_start         recorded_finalizers_start
#endif
