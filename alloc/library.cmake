# The library: the strategies at every check level, the registry, linear memory and buffers. Included
# by CMakeLists.txt here, and by the one of the whole; paths of sources are relative to the including
# one.
set(alloc ${CMAKE_CURRENT_LIST_DIR})
cmake_path(RELATIVE_PATH alloc BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} OUTPUT_VARIABLE from_here)
string(APPEND from_here /)
file(STRINGS ${alloc}/version.h version REGEX "^#define LM_VERSION_")
list(TRANSFORM version REPLACE "[^0-9]+" "")
list(JOIN version . version)

# The headers for users. They include each other as "alloc/…" here, and as "linmem/…" in
# include/linmem of the build folder, from where they are installed.
set(headers allocator.h capabilities.def check.h linear_memory.h registry.h strategies.def version.h
  buffers/buffer.h buffers/finalizer.h buffers/memories.h buffers/view.h)
foreach(header ${headers})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${alloc}/${header})
  file(READ ${alloc}/${header} text)
  string(REPLACE "#include \"alloc/" "#include \"linmem/" text "${text}")
  file(CONFIGURE OUTPUT include/linmem/${header} CONTENT "${text}" @ONLY)
endforeach()

# The strategies, from the registry.
file(STRINGS ${alloc}/strategies.def strategies REGEX "^STRATEGY\\(")
list(TRANSFORM strategies REPLACE "^STRATEGY\\(([a-z0-9_]+).*" "\\1")
set(strategy_sources)
foreach(strategy ${strategies}) # in strategies/ or in the folder of its family
  file(GLOB source_of_${strategy} RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS
    ${alloc}/strategies/${strategy}.c ${alloc}/strategies/*/${strategy}.c)
  list(LENGTH source_of_${strategy} found)
  if(NOT found EQUAL 1)
    message(FATAL_ERROR "alloc/strategies.def: ${strategy}: one ${strategy}.c is needed in "
      "alloc/strategies/ or a folder of it, and there are ${found}")
  endif()
  list(APPEND strategy_sources ${source_of_${strategy}})
endforeach()
set(counts_source buffers/counts.c)
set(buffer_sources buffers/buffer_table.c ${counts_source} buffers/finalizer.c buffers/view.c)
set(memory_sources linear_memory.c registry.c)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "wasm32") # the memory is the module's own; there is no C library
  set(memory_sources wasm/memory.c)
endif()
foreach(list counts_source buffer_sources memory_sources)
  list(TRANSFORM ${list} PREPEND ${from_here})
endforeach()

# Compiled several times: the strategies at each check level, and reference counts once more, atomic.
foreach(level 0 1 2)
  add_library(linmem_level${level} OBJECT ${strategy_sources})
  target_compile_definitions(linmem_level${level} PRIVATE LM_CHECK_LEVEL=${level})
  target_compile_options(linmem_level${level} PRIVATE -ffreestanding)
endforeach()
add_library(linmem_atomic OBJECT ${counts_source})
target_compile_definitions(linmem_atomic PRIVATE LM_ATOMIC_COUNTS)

set(objects linmem_level0 linmem_level1 linmem_level2 linmem_atomic)
list(TRANSFORM objects REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE compiled)
add_library(liblinmem STATIC ${memory_sources} ${buffer_sources} ${compiled})
add_library(linmem::linmem ALIAS liblinmem)
target_compile_definitions(liblinmem PRIVATE _GNU_SOURCE) # linear_memory.c: madvise
target_include_directories(liblinmem INTERFACE
  $<BUILD_INTERFACE:${CMAKE_CURRENT_BINARY_DIR}/include> $<INSTALL_INTERFACE:include>)
set_target_properties(liblinmem PROPERTIES OUTPUT_NAME linmem EXPORT_NAME linmem)
cmake_path(GET alloc PARENT_PATH root) # of "alloc/…"
foreach(target liblinmem ${objects})
  target_include_directories(${target} PRIVATE ${root})
  set_target_properties(${target} PROPERTIES C_STANDARD 17 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
endforeach()
