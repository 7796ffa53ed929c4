# What fuzzing reaches of alloc/ at check level 0: inputs that were found from an empty corpus are
# played on what counts its branches.
#
#     ./linmem fuzz heap buffers --from-nothing --seconds 2250   # two cores: 5 minutes a strategy
#     cmake --preset coverage && cmake --build --preset coverage --target fuzz_coverage
if(NOT LINMEM_COVERAGE)
  return()
endif()

add_custom_target(fuzz_coverage)

# replays(name LIBRARIES…): plays what was kept for the program of that name.
function(replays name)
  target_link_libraries(replay-${name} ${ARGN})
  target_sources(replay-${name} PRIVATE ${CMAKE_SOURCE_DIR}/fuzz/targets/replay_target.c)
  target_compile_definitions(replay-${name} PRIVATE STORES_UNTOLD)
  add_custom_target(replayed-${name} COMMAND replay-${name} --level=0
    --play=${CMAKE_SOURCE_DIR}/build/fuzz-from-nothing/${name} VERBATIM)
  add_dependencies(fuzz_coverage replayed-${name})
endfunction()

foreach(strategy ${strategies})
  add_library(covered_${strategy} OBJECT EXCLUDE_FROM_ALL ${source_of_${strategy}})
  target_compile_definitions(covered_${strategy} PRIVATE LM_CHECK_LEVEL=0 ${sparse})
  target_compile_options(covered_${strategy} PRIVATE -ffreestanding --coverage)
  list(APPEND covered CMakeFiles/covered_${strategy}.dir)
  add_executable(replay-heap-${strategy} EXCLUDE_FROM_ALL fuzz/targets/heap_target.c)
  target_compile_definitions(replay-heap-${strategy} PRIVATE TARGET_STRATEGY=${strategy})
  target_link_options(replay-heap-${strategy} PRIVATE --coverage)
  add_dependencies(replay-heap-${strategy} fuzz corpus alloc cli)
  replays(heap-${strategy} covered_${strategy} linmem_level1 strategies_counted
    ${room_archives})
endforeach()

add_library(covered_counts_atomic OBJECT EXCLUDE_FROM_ALL alloc/buffers/counts.c)
target_compile_definitions(covered_counts_atomic PRIVATE LM_ATOMIC_COUNTS)
add_library(covered_buffers OBJECT EXCLUDE_FROM_ALL ${buffer_sources})
add_executable(replay-buffers EXCLUDE_FROM_ALL fuzz/targets/buffers_target.c)
foreach(part covered_counts_atomic covered_buffers replay-buffers)
  target_compile_definitions(${part} PRIVATE ${buffers_widths} LM_CHECK_LEVEL=0)
endforeach()
foreach(library covered_counts_atomic covered_buffers)
  target_compile_options(${library} PRIVATE --coverage)
endforeach()
target_link_options(replay-buffers PRIVATE --coverage)
add_dependencies(replay-buffers fuzz corpus alloc cli)
replays(buffers covered_buffers covered_counts_atomic fuzz_buffer_player
  linmem_level0 linmem_level1 linmem_level2 ${room_archives} Threads::Threads m)

add_custom_target(forget_coverage COMMAND find . -name "*.gcda" -delete)
get_target_property(runs fuzz_coverage MANUALLY_ADDED_DEPENDENCIES)
add_dependencies(fuzz_coverage forget_coverage)
foreach(run ${runs})
  add_dependencies(${run} forget_coverage)
endforeach()
add_custom_command(TARGET fuzz_coverage POST_BUILD
  COMMAND gcovr --root ${CMAKE_SOURCE_DIR} --filter ${CMAKE_SOURCE_DIR}/alloc/strategies/
    --branches --print-summary ${covered}
  COMMAND gcovr --root ${CMAKE_SOURCE_DIR} --filter ${CMAKE_SOURCE_DIR}/alloc/
    --branches --print-summary CMakeFiles/covered_buffers.dir # counts.c as it is, not as it is atomic
  VERBATIM)
