# Sources of the kernels and the flags of each level; sets ENGINE_KERNEL_SOURCES.
set(dir ${CMAKE_CURRENT_LIST_DIR})
set(ENGINE_KERNEL_SOURCES ${dir}/kernels.c ${dir}/cpu.c ${dir}/pack.c ${dir}/igemm_scalar.c ${dir}/elementwise_scalar.c
    ${dir}/dots_s8_scalar.c ${dir}/pixels_scalar.c ${dir}/resample_scalar.c ${dir}/winograd_scalar.c)

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
  set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS "-fno-trapping-math;${ARGN}")
  string(TOUPPER ${level} name)
  set_property(SOURCE ${dir}/kernels.c APPEND PROPERTY COMPILE_DEFINITIONS KERNELS_HAVE_${name})
  set(ENGINE_KERNEL_SOURCES ${ENGINE_KERNEL_SOURCES} ${sources} PARENT_SCOPE)
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx512 -mavx2 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512)
  inferd_kernel_level(avx2 -mavx2 -mfma)
  inferd_kernel_level(avxvnni -mavx2 -mfma -mavxvnni)
  inferd_kernel_level(avx512 ${avx512})
  inferd_kernel_level(avx512vnni ${avx512} -mavx512vnni)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  inferd_kernel_level(neon)
  inferd_kernel_level(dotprod -march=armv8.2-a+dotprod)
endif()

# These are unrolled by hand.
set_property(SOURCE ${dir}/dwconv_f32_avx2.c ${dir}/dwconv_f32_avx512.c ${dir}/dwconv_f32_neon.c ${dir}/dwconv_s8_avx2.c
  APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-O2>)
