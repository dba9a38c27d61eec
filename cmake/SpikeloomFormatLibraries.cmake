# What the readers of event recordings and images decompress and read with, as imported targets. Debian's packages of most of
# them bring neither CMake files nor (all of them) pkg-config, so they are looked for by header and library.
function(spikeloom_find_library target package header names)
  cmake_parse_arguments(ARG "" "" "SUFFIXES" ${ARGN})
  find_path(SPIKELOOM_${target}_INCLUDE ${header} PATH_SUFFIXES ${ARG_SUFFIXES})
  find_library(SPIKELOOM_${target}_LIBRARY NAMES ${names} PATH_SUFFIXES ${ARG_SUFFIXES})
  mark_as_advanced(SPIKELOOM_${target}_INCLUDE SPIKELOOM_${target}_LIBRARY)
  if(NOT SPIKELOOM_${target}_INCLUDE OR NOT SPIKELOOM_${target}_LIBRARY)
    message(FATAL_ERROR "${header} or its library was not found: install ${package}")
  endif()
  add_library(Spikeloom${target} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(Spikeloom${target} PROPERTIES
    IMPORTED_LOCATION ${SPIKELOOM_${target}_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${SPIKELOOM_${target}_INCLUDE})
endfunction()

spikeloom_find_library(Lz4 liblz4-dev lz4frame.h lz4)
spikeloom_find_library(Zstd libzstd-dev zstd.h zstd)
spikeloom_find_library(LibArchive libarchive-dev archive.h archive)
spikeloom_find_library(Hdf5 libhdf5-dev hdf5.h "hdf5_serial;hdf5" SUFFIXES hdf5/serial)
spikeloom_find_library(Png libpng-dev png.h "png16;png")
spikeloom_find_library(Jpeg libjpeg-dev jpeglib.h jpeg)
spikeloom_find_library(Gif libgif-dev gif_lib.h gif)
# Not its "lite" library: LibTorch loads the whole one, and two copies in one process share their state.
find_package(Protobuf REQUIRED)
set(SPIKELOOM_FORMAT_LIBRARIES SpikeloomLz4 SpikeloomZstd SpikeloomLibArchive SpikeloomHdf5 SpikeloomPng SpikeloomJpeg
                               SpikeloomGif protobuf::libprotobuf)
