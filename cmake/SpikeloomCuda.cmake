# SPIKELOOM_CUDA = AUTO | ON | OFF: whether the kernels of spikeloom/kernels/cuda get device code. Without it the same
# files are compiled as C++ and run on host queues only. Sets SPIKELOOM_HAS_CUDA and SPIKELOOM_CUDART, the runtime to link.
set(SPIKELOOM_CUDA AUTO CACHE STRING "Build the kernels for CUDA devices: AUTO (where nvcc is), ON, OFF")
set_property(CACHE SPIKELOOM_CUDA PROPERTY STRINGS AUTO ON OFF)
set(SPIKELOOM_HAS_CUDA OFF)
if(SPIKELOOM_CUDA STREQUAL "OFF")
  message(STATUS "CUDA: off (SPIKELOOM_CUDA=OFF); the kernels for devices run on the host only")
  return()
endif()

# Ampere and Hopper as machine code, and the last as PTX too, from which drivers compile for what comes later.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
  set(CMAKE_CUDA_ARCHITECTURES "80-real;90" CACHE STRING "GPU architectures that the kernels are compiled for")
endif()
# nvcc is often installed without being in PATH.
if(NOT DEFINED CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(SPIKELOOM_NVCC nvcc HINTS ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  mark_as_advanced(SPIKELOOM_NVCC)
  if(SPIKELOOM_NVCC)
    set(CMAKE_CUDA_COMPILER ${SPIKELOOM_NVCC})
  endif()
endif()
if(CMAKE_CXX_COMPILER_LAUNCHER AND NOT DEFINED CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(SPIKELOOM_CUDA STREQUAL "ON")
    message(FATAL_ERROR "SPIKELOOM_CUDA=ON, but there is no nvcc that works: install the CUDA toolkit, name nvcc in "
                        "CMAKE_CUDA_COMPILER, or set SPIKELOOM_CUDA=OFF")
  endif()
  message(STATUS "CUDA: skipped, no nvcc found; the kernels for devices run on the host only")
  return()
endif()

# One runtime a process: the shared one where LibTorch brings it along, else ours, inside the library.
find_library(SPIKELOOM_TORCH_CUDA torch_cuda HINTS ${SPIKELOOM_TORCH_ROOT}/lib ${Torch_DIR}/../../../lib
             PATH_SUFFIXES torch/lib libtorch/lib ../../lib)  # the last: from a wheel's torch/share/cmake
mark_as_advanced(SPIKELOOM_TORCH_CUDA)
if(SPIKELOOM_WITH_TORCH AND SPIKELOOM_TORCH_CUDA)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
  set(SPIKELOOM_CUDART CUDA::cudart)
else()
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  set(SPIKELOOM_CUDART CUDA::cudart_static)
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
set(SPIKELOOM_HAS_CUDA ON)
message(STATUS "CUDA: ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}, ${SPIKELOOM_CUDART}")
