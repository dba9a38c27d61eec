# SPIKELOOM_PYTHON_DIR: where the Python package is installed, below the prefix. Python looks for packages there with its own
# prefix; Debian's with /usr/local too, in a folder of another name than everybody else's.
find_package(Python3 QUIET COMPONENTS Interpreter)
set(python_dir lib/python3/dist-packages)
if(Python3_Interpreter_FOUND)
  execute_process(COMMAND ${Python3_EXECUTABLE} -c "import sysconfig; print('deb_system' in sysconfig.get_scheme_names())"
                  OUTPUT_VARIABLE is_debian OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(is_debian STREQUAL "True")
    set(python_dir lib/python${Python3_VERSION_MAJOR}.${Python3_VERSION_MINOR}/dist-packages)
  else()
    set(python_dir lib/python${Python3_VERSION_MAJOR}.${Python3_VERSION_MINOR}/site-packages)
  endif()
endif()
set(SPIKELOOM_PYTHON_DIR ${python_dir} CACHE STRING "Where the Python package is installed, below the prefix")
