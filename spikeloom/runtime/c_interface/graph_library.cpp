#include "spikeloom/runtime/c_interface/graph_library.h"

#include <dlfcn.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/version.h"
#include "spikeloom/runtime/events/graph_reader.h"

namespace spikeloom::runtime {
namespace {

constexpr const char* kLibrary = "libspikeloom_events.so.1";

void* open_library() {
  Dl_info own{};
  void* library = nullptr;
  if (::dladdr(reinterpret_cast<const void*>(&spikeloom_version), &own) != 0 && own.dli_fname != nullptr) {
    const std::string path = own.dli_fname;
    library = ::dlopen((path.substr(0, path.rfind('/') + 1) + kLibrary).c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  return library != nullptr ? library : ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
}

/// A function of the library, which is loaded once; one that could not be loaded is looked for again.
template <class Function>
Function* function_of(const char* name) {
  static void* const library = [] {
    void* const opened = open_library();
    if (opened == nullptr) {
      const char* const why = ::dlerror();
      throw DataError(std::string("graphs of NIR are read by ") + kLibrary + ", which cannot be loaded (" +
                      (why != nullptr ? why : "no reason given") +
                      "): install it beside libspikeloom_runtime");
    }
    return opened;
  }();
  void* const function = ::dlsym(library, name);
  if (function == nullptr) {
    throw DataError(std::string(kLibrary) + " has no " + name + ": install the library of version " +
                    kVersion);
  }
  return reinterpret_cast<Function*>(function);
}

}  // namespace

formats::NirGraph read_graph_by_library(const std::string& path) {
  const auto read = function_of<decltype(spikeloom_events_read_nir)>("spikeloom_events_read_nir");
  const auto last_error = function_of<const char*()>("spikeloom_events_last_error");
  formats::NirGraph graph;
  const auto take = [](void* to, const formats::NirGraph* from) {
    *static_cast<formats::NirGraph*>(to) = *from;
  };
  if (read(path.c_str(), kVersion, take, &graph) != SPIKELOOM_OK) throw DataError(last_error());
  return graph;
}

}  // namespace spikeloom::runtime
