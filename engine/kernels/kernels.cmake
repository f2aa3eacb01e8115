# Sources of the kernels and the flags of each level; sets ENGINE_KERNEL_SOURCES.
set(dir ${CMAKE_CURRENT_LIST_DIR})
set(ENGINE_KERNEL_SOURCES ${dir}/kernels.c ${dir}/cpu.c ${dir}/pack.c ${dir}/pack_f16.c ${dir}/igemm_scalar.c ${dir}/elementwise_scalar.c
    ${dir}/dots_s8_scalar.c ${dir}/pixels_scalar.c ${dir}/resample_scalar.c ${dir}/winograd_scalar.c)

# For loops that compilers vectorise: GCC's -O3 without what it unrolls and peels beside that, which takes half as much
# room again and no time.  (Clang does so at -O2 anyway.)
set(gcc_vectorises -ftree-vectorize -fvect-cost-model=dynamic -funswitch-loops -floop-unroll-and-jam)
set(ENGINE_VECTORISED "$<$<CONFIG:Release>:-O2;$<$<C_COMPILER_ID:GNU>:${gcc_vectorises}>>")
file(GLOB vectorised CONFIGURE_DEPENDS ${dir}/elementwise_*.c ${dir}/pixels_*.c)
set_property(SOURCE ${vectorised} ${dir}/igemm_scalar.c ${dir}/resample_scalar.c APPEND PROPERTY COMPILE_OPTIONS
    ${ENGINE_VECTORISED})
# Processors of x86-64 that have none of the levels are old; on others these files serve beside the levels.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set_property(SOURCE ${dir}/elementwise_scalar.c ${dir}/pixels_scalar.c APPEND PROPERTY COMPILE_OPTIONS
      $<$<CONFIG:Release>:-Os>)
endif()

# Beside levels that were chosen portable C is for a machine that lacks them, which runs all the same.
if(INFERD_CPU_LEVELS)
  set(portable ${ENGINE_KERNEL_SOURCES})
  set_property(SOURCE ${portable} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-Os>)
endif()

# Adds the sources *_<level>.c, compiled with the flags given, and tells kernels.c.  Nobody looks at the floating-point
# exceptions of kernels: compilers may compute both sides of a choice, without which they vectorise few.
# INFERD_CPU_LEVELS leaves levels out.
function(inferd_kernel_level level)
  if(INFERD_CPU_LEVELS AND NOT level IN_LIST INFERD_CPU_LEVELS)
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*_${level}.c)
  set_property(SOURCE ${sources} APPEND PROPERTY COMPILE_OPTIONS -fno-trapping-math ${ARGN})
  # Unrolled by hand.
  set_property(SOURCE ${dir}/dwconv_f32_${level}.c APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-O2>)
  string(TOUPPER ${level} name)
  set_property(SOURCE ${dir}/kernels.c APPEND PROPERTY COMPILE_DEFINITIONS KERNELS_HAVE_${name})
  set(ENGINE_KERNEL_SOURCES ${ENGINE_KERNEL_SOURCES} ${sources} PARENT_SCOPE)
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx512 -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512)
  inferd_kernel_level(avx2 -mavx2 -mfma -mf16c)
  inferd_kernel_level(avxvnni -mavx2 -mfma -mavxvnni)
  inferd_kernel_level(avx512 ${avx512})
  inferd_kernel_level(avx512vnni ${avx512} -mavx512vnni)
  inferd_kernel_level(amx ${avx512} -mavx512vnni -mamx-tile -mamx-int8 -O2)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  inferd_kernel_level(neon)
  inferd_kernel_level(fp16 -march=armv8.2-a+fp16)
  inferd_kernel_level(dotprod -march=armv8.2-a+dotprod)
  inferd_kernel_level(i8mm -march=armv8.2-a+dotprod+i8mm)
  # Their loads are where a core that keeps the order of instructions wants them.  GCC would gather them in pairs, and
  # move multiplications about until it lacks registers.
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    set(placed ${ENGINE_KERNEL_SOURCES})
    list(FILTER placed INCLUDE REGEX "/(igemm|dots)_[a-z0-9_]*_(neon|fp16|dotprod|i8mm)\\.c$")
    set_property(SOURCE ${placed} APPEND PROPERTY COMPILE_OPTIONS -fno-schedule-insns -fno-schedule-fusion)
  endif()
endif()

# These are unrolled by hand.
set_property(SOURCE ${dir}/dwconv_f32_avx2.c ${dir}/dwconv_f32_avx512.c ${dir}/dwconv_f32_neon.c ${dir}/dwconv_s8_avx2.c
  APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-O2>)
