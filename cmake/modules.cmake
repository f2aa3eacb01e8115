# Libraries of the distribution, found once; each becomes an imported target.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
if(NOT INFERD_ENGINE_ONLY)
  pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
  pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
  pkg_check_modules(MSGPACK REQUIRED IMPORTED_TARGET msgpack)
  pkg_check_modules(TURBOJPEG REQUIRED IMPORTED_TARGET libturbojpeg)
  pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
  pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
endif()

# inferd_module(NAME SOURCES...): one static library for one folder; outsiders see only its own header.
function(inferd_module name)
  add_library(inferd_${name} STATIC ${ARGN})
  target_include_directories(inferd_${name} PUBLIC ${PROJECT_SOURCE_DIR})
endfunction()
