# spikeloom_torch: LibTorch, any version from 1.13 on, as one interface target.
# Either its own CMake package (Debian's; a pip PyTorch by CMAKE_PREFIX_PATH=.../site-packages/torch/share/cmake), or,
# with SPIKELOOM_TORCH_ROOT=.../site-packages/torch, headers and libraries as they lie there: the package of a PyTorch
# with CUDA wants a complete CUDA toolkit and a CMake that fits it, of which nothing is needed here.
set(SPIKELOOM_TORCH_ROOT "" CACHE PATH "A PyTorch's folder (include/, lib/) to use without its CMake package")
add_library(spikeloom_torch INTERFACE)
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # app/ and tests/ link them through ours

if(SPIKELOOM_TORCH_ROOT)
  file(STRINGS ${SPIKELOOM_TORCH_ROOT}/version.py python_version REGEX "^__version__")
  string(REGEX REPLACE ".*'([0-9.]+).*" "\\1" Torch_VERSION "${python_version}")
  set(TORCH_INCLUDE_DIRS ${SPIKELOOM_TORCH_ROOT}/include ${SPIKELOOM_TORCH_ROOT}/include/torch/csrc/api/include)
  set(TORCH_LIBRARIES)
  foreach(name torch torch_cpu c10 torch_cuda c10_cuda)
    find_library(SPIKELOOM_TORCH_${name} ${name} PATHS ${SPIKELOOM_TORCH_ROOT}/lib NO_DEFAULT_PATH)
    mark_as_advanced(SPIKELOOM_TORCH_${name})
    if(SPIKELOOM_TORCH_${name})
      list(APPEND TORCH_LIBRARIES ${SPIKELOOM_TORCH_${name}})
    elseif(NOT name MATCHES cuda)
      message(FATAL_ERROR "lib${name}.so was not found in ${SPIKELOOM_TORCH_ROOT}/lib (SPIKELOOM_TORCH_ROOT)")
    endif()
  endforeach()
  # Nothing of ours names a symbol of these two directly, and without them LibTorch knows no CUDA device.
  set(TORCH_LIBRARIES -Wl,--push-state,--no-as-needed ${TORCH_LIBRARIES} -Wl,--pop-state)
  set(TORCH_CXX_FLAGS)
  if(SPIKELOOM_TORCH_c10_cuda)
    find_package(CUDAToolkit REQUIRED)  # its headers include cuda_runtime_api.h
    list(APPEND TORCH_LIBRARIES CUDA::cudart)
  endif()
else()
  # Packages of PyTorch 2.5 to 2.12 with CUDA name this target, which CUDA 13 no longer has: headers replaced it.
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_FOUND AND NOT TARGET CUDA::nvToolsExt)
    add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
  endif()
  find_package(Torch REQUIRED)
endif()
unset(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL)

target_include_directories(spikeloom_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(spikeloom_torch INTERFACE ${TORCH_LIBRARIES} OpenMP::OpenMP_CXX)
separate_arguments(torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")
target_compile_options(spikeloom_torch INTERFACE ${torch_flags})
if(Torch_VERSION VERSION_GREATER_EQUAL 2.13)
  target_compile_features(spikeloom_torch INTERFACE cxx_std_20)  # its headers do not compile below
endif()
if(TARGET torch_cuda OR SPIKELOOM_TORCH_c10_cuda)
  # PyTorch finds the CUDA libraries by its own run path, which the linker does not follow everywhere.
  target_link_options(spikeloom_torch INTERFACE -Wl,--allow-shlib-undefined)
  # LibTorch's CUDA headers want the toolkit's.
  find_package(CUDAToolkit REQUIRED)
  target_include_directories(spikeloom_torch SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(spikeloom_torch INTERFACE CUDA::cudart)
  target_compile_definitions(spikeloom_torch INTERFACE SPIKELOOM_WITH_CUDA)
endif()
message(STATUS "LibTorch ${Torch_VERSION}: ${TORCH_INCLUDE_DIRS}")
