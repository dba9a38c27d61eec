#pragma once
// Between the two C libraries, for nobody else: libspikeloom_runtime does without HDF5, which graphs of NIR
// are stored in, and loads libspikeloom_events when it is asked for one.
#include "spikeloom/formats/nir/graph.h"
#include "spikeloom/runtime/spikeloom.h"

/// Calls take(to, graph) with the flat graph of a file, which `take` copies. version: kVersion of the caller,
/// which has to be this library's, as the graph is a C++ object. Fails as spikeloom_events_open().
extern "C" SPIKELOOM_API spikeloom_status
spikeloom_events_read_nir(const char* path, const char* version,
                          void (*take)(void* to, const spikeloom::formats::NirGraph* graph), void* to);
