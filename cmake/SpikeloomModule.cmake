option(SPIKELOOM_TOGETHER "Compile several files at a time: a whole build takes less, a change takes more" OFF)

# spikeloom_compile_together(TARGET): with SPIKELOOM_TOGETHER, files of the target are compiled several at a time (CMake's
# unity build), which parses their headers and instantiates their templates once for all. So names in their anonymous
# namespaces must differ. Not for files with SIMD (Highway compiles each several times).
function(spikeloom_compile_together target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${SPIKELOOM_TOGETHER} UNITY_BUILD_BATCH_SIZE 8)
endfunction()

# spikeloom_module(NAME SOURCES files... [LINK targets...] [LIGHT] [TOGETHER])
# One folder of spikeloom/ = one library target spikeloom_NAME. Static, so that a test links only what it tests;
# the two libraries that are installed are shared and made of the same objects, so that nothing that registers
# itself (the LibTorch operators) can be dropped by the linker. LIGHT: a folder that computes nothing itself, compiled
# with -O1, in a third less time, and under the sanitizers, but for fuzzing, with -O0, in half of it.
# TOGETHER: spikeloom_compile_together.
function(spikeloom_module name)
  cmake_parse_arguments(ARG "LIGHT;TOGETHER" "" "SOURCES;LINK" ${ARGN})
  add_library(spikeloom_${name} STATIC ${ARG_SOURCES})
  spikeloom_compile_options(spikeloom_${name})
  if(ARG_TOGETHER)
    spikeloom_compile_together(spikeloom_${name})
  endif()
  if(ARG_LIGHT)
    target_compile_options(spikeloom_${name} PRIVATE $<$<CONFIG:Release>:-O1>)
    if(SPIKELOOM_SANITIZE AND NOT SPIKELOOM_BUILD_FUZZERS)
      target_compile_options(spikeloom_${name} PRIVATE -O0)
    endif()
  endif()
  target_link_libraries(spikeloom_${name} PUBLIC ${ARG_LINK})
endfunction()

# On arm64 SIMD files are compiled for NEON alone: vectors of SVE have no size that is known to the compiler, so that they
# cannot be kept in arrays, as these files do.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(SPIKELOOM_SIMD_DEFINITIONS "HWY_BROKEN_TARGETS=(HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128)")
endif()

# spikeloom_cuda_sources(TARGET files...): .cu files of a target, whose host and device code give the same bits; compiled
# as C++, for the host alone, in a build without CUDA. Call it where the target is made.
function(spikeloom_cuda_sources target)
  target_sources(${target} PRIVATE ${ARGN})
  if(NOT SPIKELOOM_HAS_CUDA)
    set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)
    return()
  endif()
  set_target_properties(${target} PROPERTIES CUDA_STANDARD ${SPIKELOOM_CXX_STANDARD} CUDA_STANDARD_REQUIRED ON
                                             CUDA_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>
    $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false;--expt-relaxed-constexpr;-Xcompiler=-ffp-contract=off,-fopenmp>)
  target_link_libraries(${target} PRIVATE ${SPIKELOOM_CUDART})
endfunction()

# Warnings and the standard belong to our targets only: no global flags.
function(spikeloom_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_${SPIKELOOM_CXX_STANDARD})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF
    COMPILE_WARNING_AS_ERROR ON)  # cmake --compile-no-warning-as-error: for a compiler newer than CI's
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                              $<INSTALL_INTERFACE:include>)
  # What nvcc generates is not pedantic. For clang an enumerator of a class shadows a constant of its namespace; g++ sees
  # the shadows that matter.
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wnon-virtual-dtor>
    $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-shadow>
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wshadow,-Wnon-virtual-dtor>)
  if(SPIKELOOM_BUILD_FUZZERS)
    target_compile_options(${target} PUBLIC -fsanitize=fuzzer-no-link)
  endif()
  if(SPIKELOOM_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=address,undefined -fno-sanitize-recover=all
      -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
endfunction()

# spikeloom_precompile(TARGET headers...): what most files of a target include anyway is parsed once. A compiler that does not
# find what it has made is an error, as every warning is.
function(spikeloom_precompile target)
  target_precompile_headers(${target} PRIVATE ${ARGN})
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)  # for ccache
endfunction()

# spikeloom_test(NAME SOURCES files... LINK targets... [PARTS count] [OPTIMISED] [TOGETHER] [PRECOMPILE headers...]): one GoogleTest
# program test_NAME, each test known to ctest by its own name; with PARTS so many processes run the tests in turn instead (a
# program that links LibTorch takes most of a second to start, many times what one of its tests takes). What is tested is
# built as ever; the tests' own code takes longer to optimise than to run, unless it computes a lot itself (OPTIMISED).
function(spikeloom_test name)
  cmake_parse_arguments(ARG "OPTIMISED;TOGETHER" "PARTS" "SOURCES;LINK;PRECOMPILE" ${ARGN})
  add_executable(test_${name} ${ARG_SOURCES})
  spikeloom_compile_options(test_${name})
  if(ARG_TOGETHER)
    spikeloom_compile_together(test_${name})
  endif()
  if(ARG_OPTIMISED)
    target_compile_options(test_${name} PRIVATE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>>:-O1>)
  else()
    target_compile_options(test_${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O0>)
  endif()
  list(LENGTH ARG_SOURCES sources)
  # What is compiled as one file parses its headers once anyway.
  if((ARG_PRECOMPILE OR sources GREATER 6) AND NOT (ARG_TOGETHER AND SPIKELOOM_TOGETHER AND sources LESS 9))
    spikeloom_precompile(test_${name} <gtest/gtest.h> <algorithm> <map> <memory> <string> <vector> ${ARG_PRECOMPILE})
  endif()
  target_compile_definitions(test_${name} PRIVATE SPIKELOOM_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(test_${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main)
  # Tests share the machine: threads that spin while they wait (OpenMP's default) make small ones ten times
  # slower.
  set(no_spinning "GOMP_SPINCOUNT=1000")
  if(NOT ARG_PARTS)
    # A LibTorch with CUDA, read from a cold disk, takes longer to start than the default of 5 s.
    gtest_discover_tests(test_${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
                         PROPERTIES TIMEOUT 300 ENVIRONMENT ${no_spinning})
    return()
  endif()
  foreach(part RANGE 1 ${ARG_PARTS})
    math(EXPR index "${part} - 1")
    add_test(NAME ${name}.part_${part}_of_${ARG_PARTS} COMMAND test_${name})
    set_tests_properties(${name}.part_${part}_of_${ARG_PARTS} PROPERTIES TIMEOUT 300
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${ARG_PARTS};GTEST_SHARD_INDEX=${index};${no_spinning}")
  endforeach()
endfunction()
