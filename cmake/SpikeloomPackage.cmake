# Debian packages by CPack, one for each component of the installation: `./run package`, or `cpack` in a build of the preset
# package. Dependencies on libraries come from dpkg-shlibdeps, those between the packages are named here.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME spikeloom)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The Spikeloom developers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR}/lib)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# spikeloom_package(COMPONENT package section summary): a .deb and its copyright file.
set(CPACK_COMPONENTS_ALL)
macro(spikeloom_package component package section summary)
  list(APPEND CPACK_COMPONENTS_ALL ${component})
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${summary}")
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${package} RENAME copyright
          COMPONENT ${component})
endmacro()

spikeloom_package(runtime libspikeloom-runtime1 libs "Runs trained spiking neural networks (C interface)")
spikeloom_package(events libspikeloom-events1 libs "Reads recordings of event cameras (C interface)")
spikeloom_package(program spikeloom science "Runs spiking neural networks; event recordings and data sets")
spikeloom_package(training spikeloom-training science "Trains deep spiking neural networks directly")
spikeloom_package(development libspikeloom-dev libdevel "Spikeloom's headers, CMake package and pkg-config files")
spikeloom_package(python python3-spikeloom python "Spikeloom's trained networks, recordings and runs in Python")

set(same_version "(= ${PROJECT_VERSION})")
set(libraries "libspikeloom-runtime1 ${same_version}, libspikeloom-events1 ${same_version}")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_GENERATE_SHLIBS ON)
# Loaded for graphs of NIR only; where cameras are it would bring HDF5 along.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "libspikeloom-events1 ${same_version}")
set(CPACK_DEBIAN_EVENTS_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS "spikeloom-training ${same_version}")
set(CPACK_DEBIAN_TRAINING_PACKAGE_GENERATE_SHLIBS ON)
# LibTorch works without OpenBLAS, by the reference BLAS, many times slower.
set(CPACK_DEBIAN_TRAINING_PACKAGE_DEPENDS "spikeloom ${same_version}, libopenblas0-pthread")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "spikeloom-training ${same_version}, ${libraries}")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS libtorch-dev)
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "python3 (>= 3.11), python3-numpy, ${libraries}")
set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS "spikeloom-training ${same_version}, python3-torch")
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA
    "${PROJECT_SOURCE_DIR}/cmake/package/postinst;${PROJECT_SOURCE_DIR}/cmake/package/prerm")
include(CPack)
