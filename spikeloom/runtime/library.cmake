# libspikeloom_runtime: the C interface (spikeloom.h) and what it needs, and nothing else to be seen from outside.
add_library(spikeloom_runtime_library SHARED runtime/c_interface.cpp)
spikeloom_compile_options(spikeloom_runtime_library)
set_target_properties(spikeloom_runtime_library PROPERTIES
  OUTPUT_NAME spikeloom_runtime EXPORT_NAME runtime VERSION ${PROJECT_VERSION} SOVERSION 1
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib
  LINK_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/runtime/exports.map)
target_link_libraries(spikeloom_runtime_library PRIVATE $<BUILD_INTERFACE:spikeloom_runtime>)
target_link_options(spikeloom_runtime_library PRIVATE -Wl,--gc-sections -Wl,--as-needed -Wl,--no-undefined
  -Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/runtime/exports.map)
