# spikeloom_c_library(NAME SOVERSION sources module): a C interface, spikeloom_NAME_library, and what it needs of a module,
# and nothing else to be seen from outside.
function(spikeloom_c_library name soversion sources module)
  set(target spikeloom_${name}_library)
  add_library(${target} SHARED ${sources})
  spikeloom_compile_options(${target})
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME spikeloom_${name} EXPORT_NAME ${name} VERSION ${PROJECT_VERSION} SOVERSION ${soversion}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib
    LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/runtime/exports.map)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${module}>)
  target_link_options(${target} PRIVATE -Wl,--gc-sections -Wl,--as-needed -Wl,--no-undefined
    -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/runtime/exports.map)
endfunction()

# runtime/spikeloom.h
spikeloom_c_library(runtime 1 "runtime/c_interface/interface.cpp;runtime/c_interface/runner.cpp;runtime/c_interface/graph_library.cpp" spikeloom_runtime)
target_link_libraries(spikeloom_runtime_library PRIVATE ${CMAKE_DL_LIBS})
# runtime/events/spikeloom_events.h
spikeloom_c_library(events 1 runtime/events/c_interface.cpp spikeloom_formats)
