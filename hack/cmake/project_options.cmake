# What every target of ours is compiled with. PRIVATE to each target, so that nothing leaks into headers of others.
add_library(codeexec_project_options INTERFACE)
target_compile_features(codeexec_project_options INTERFACE cxx_std_20)
target_compile_options(codeexec_project_options INTERFACE
  -Wall -Wextra -Wpedantic -Werror
  -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-align -Woverloaded-virtual
  -Wconversion -Wsign-conversion -Wnull-dereference -Wdouble-promotion -Wformat=2
  -fstack-protector-strong -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # -Wnull-dereference and -Wmaybe-uninitialized see ghosts in coroutine frames and in Boost once the optimiser runs.
  target_compile_options(codeexec_project_options INTERFACE
    -fcoroutines -Wduplicated-cond -Wlogical-op -Wno-null-dereference -Wno-maybe-uninitialized)
  if(CODEEXEC_SANITIZE OR NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    # So do these: Asio allocates and frees coroutine frames by a pair of functions that inlining takes apart, and g++ 12
    # misjudges the bounds of inlined strings (GCC bugs 105329 and 105651). The dev build keeps them.
    target_compile_options(codeexec_project_options INTERFACE
      -Wno-mismatched-new-delete -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
  endif()
endif()
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Within a unity build every source is an included file, and a coroutine's frame holds what its anonymous namespace names.
  target_compile_options(codeexec_project_options INTERFACE -Wno-subobject-linkage)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(codeexec_project_options INTERFACE _FORTIFY_SOURCE=2)
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  # Some forty programs are linked for the tests, each from all layers below it: with mold a third of the time.
  find_program(CODEEXEC_MOLD mold)
  mark_as_advanced(CODEEXEC_MOLD)
  if(CODEEXEC_MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
endif()

if(CODEEXEC_SANITIZE)
  add_compile_options(-fsanitize=${CODEEXEC_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CODEEXEC_SANITIZE})
  if(CODEEXEC_SANITIZE MATCHES "undefined" AND NOT CODEEXEC_SANITIZE MATCHES "fuzzer")
    # A check before each access through a pointer is two fifths of what such a build takes to compile. AddressSanitizer
    # reports the null ones as well, x86 and arm64 take the unaligned ones, and the fuzz build keeps both checks.
    add_compile_options(-fno-sanitize=null,alignment)
  endif()
  if(CODEEXEC_SANITIZE MATCHES "thread")
    # ThreadSanitizer knows locks and atomics, not fences. Asio has one around each handler, beside its locks.
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
