# spikeloom_module(NAME SOURCES... [LINK libraries...])
# One folder of spikeloom/ = one OBJECT library spikeloom_NAME: objects, not an archive, because operators that
# register themselves get dropped from static archives. The objects go into the two shared libraries.
function(spikeloom_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(spikeloom_${name} OBJECT ${ARG_SOURCES})
  spikeloom_compile_options(spikeloom_${name})
  target_link_libraries(spikeloom_${name} PUBLIC ${ARG_LINK})
endfunction()

# Warnings and the standard belong to our targets only: no global flags.
function(spikeloom_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_${SPIKELOOM_CXX_STANDARD})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                              $<INSTALL_INTERFACE:include>)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror)
  if(SPIKELOOM_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=address,undefined -fno-sanitize-recover=all
                                            -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
endfunction()
