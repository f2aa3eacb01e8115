# Toolchain for 64-bit Arm Linux from a Debian machine; programs run under qemu-user.
#
#   cmake -S . -B build/aarch64 -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake [-DINFERD_SYSROOT=FOLDER]
#
# The compiler brings libc; the other libraries come from INFERD_SYSROOT, a folder of unpacked arm64 packages
# (tools/test.sh makes one), or from the machine where the arm64 packages are installed.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64;-cpu;max;-L;/usr/aarch64-linux-gnu")
# A compiler check of CMake sees only what is listed here.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES INFERD_SYSROOT)

set(ENV{PKG_CONFIG_PATH} "")
set(ENV{PKG_CONFIG_LIBDIR} "${INFERD_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${INFERD_SYSROOT}/usr/share/pkgconfig")
if(INFERD_SYSROOT)
  set(libraries ${INFERD_SYSROOT}/usr/lib/aarch64-linux-gnu:${INFERD_SYSROOT}/lib/aarch64-linux-gnu)
  set(ENV{PKG_CONFIG_SYSROOT_DIR} "${INFERD_SYSROOT}")
  list(APPEND CMAKE_FIND_ROOT_PATH ${INFERD_SYSROOT})
  # Libraries of libraries, for the linker and for the loader under qemu.
  set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${libraries}")
  set(CMAKE_SHARED_LINKER_FLAGS_INIT "-Wl,-rpath-link,${libraries}")
  list(APPEND CMAKE_CROSSCOMPILING_EMULATOR -E LD_LIBRARY_PATH=${libraries})
endif()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
