# inferd_test(NAME SOURCES... LIBS targets... [LABELS label...]): one Criterion program, one CTest entry.
# The Criterion library is found in the distribution; its default runner forks for every test.  Cross builds and
# ThreadSanitizer, which leaves no room for Criterion's memory, use the stand-in of tests/support/shim.
add_library(inferd_criterion INTERFACE)
if(CMAKE_CROSSCOMPILING OR INFERD_SANITIZE MATCHES "thread")
  target_include_directories(inferd_criterion SYSTEM INTERFACE ${PROJECT_SOURCE_DIR}/tests/support/shim)
elseif(INFERD_TESTS)
  pkg_check_modules(CRITERION REQUIRED IMPORTED_TARGET criterion)
  target_link_libraries(inferd_criterion INTERFACE PkgConfig::CRITERION)
endif()

function(inferd_test name)
  cmake_parse_arguments(T "" "" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT INFERD_TESTS)
    return()
  endif()
  add_executable(test_${name} ${T_SOURCES} ${PROJECT_SOURCE_DIR}/tests/support/test.c)
  target_compile_definitions(test_${name} PRIVATE TEST_DATA_DEFAULT="${PROJECT_SOURCE_DIR}/../shared")
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(test_${name} PRIVATE ${T_LIBS} inferd_criterion Threads::Threads m)
  add_test(NAME ${name} COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:test_${name}> --jobs 2)
  set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}" TIMEOUT 900)
endfunction()

# inferd_fuzz(NAME SOURCES... LIBS targets...): a libFuzzer target, run over its corpus and a bounded number of
# executions as a test.  Corpus: tests/fuzz/corpus/NAME.
function(inferd_fuzz name)
  cmake_parse_arguments(T "" "" "SOURCES;LIBS" ${ARGN})
  if(NOT INFERD_FUZZ)
    return()
  endif()
  add_executable(fuzz_${name} ${T_SOURCES})
  target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(fuzz_${name} PRIVATE ${T_LIBS} m)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  add_test(NAME fuzz_${name} COMMAND fuzz_${name} -runs=${INFERD_FUZZ_RUNS} -max_len=16384 -timeout=10
    -rss_limit_mb=2048 -print_final_stats=1 ${CMAKE_CURRENT_BINARY_DIR}/found_${name}
    ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
  file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/found_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
  set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz TIMEOUT 600)
endfunction()
set(INFERD_FUZZ_RUNS 20000 CACHE STRING "executions of each fuzz target when run as a test")
