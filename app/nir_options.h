#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/exchange/nir_simulator.h"
#include "spikeloom/formats/nir/shapes.h"

namespace spikeloom::app {

/// Shapes of each node; as formats::nir_shapes, but FormatError, naming the file, where they contradict.
std::vector<formats::NirNodeShapes> shapes_of_file(const formats::NirGraph& graph, const std::string& path);

/// By its suffix .nir.
bool is_nir_file(const std::string& path);

/// What the file of a graph of NIR does not store: --bin-us, --time-origin, --dt, --reset, --method,
/// --several-spikes, --v-min.
struct NirStepOptions {
  double dt = 0.0;    ///< seconds; 0: as long as a bin
  std::string reset;  ///< "": not given
  std::string method = "euler", time_origin = "first-event";
  std::int64_t bin_us = 0;  ///< 0: not given
  std::optional<double> v_min;
  bool several_spikes = false;

  bool from_metadata = false;  ///< of settled options: the graph says dt and reset
  /// Of settled options: steps of a sample, as the graph's metadata says; 0: it does not.
  int trained_steps = 0;
  std::vector<std::string> passed_over;  ///< of settled options: what the metadata says that is not taken

  /// With what was not given: dt and reset of the graph's metadata, which `export` writes, else the defaults.
  /// The functions below are for settled options. Throws DataError, naming `path`, where the metadata says
  /// something of dt or reset that has no meaning and the option that says it otherwise was not given.
  NirStepOptions settled(const formats::NirGraph& graph, const std::string& path) const;
  exchange::NirOptions simulator_options() const;
  /// Of the graph in the file `path`. Throws what NirSimulator does, but FormatError, naming the file, where
  /// the graph cannot be run.
  exchange::NirSimulator simulator(const formats::NirGraph& graph, const std::string& path) const;
  /// "bins of 1000 us, a spike sets v to v_reset, ... (--bin-us, ...)": what was taken for this graph.
  std::string assumed(const formats::NirGraph& graph) const;
  /// The same as a line for the user, with the options that say otherwise.
  std::string warning(const formats::NirGraph& graph) const;
};

/// Declares the options; gives them back, for who has to refuse them with another kind of file.
std::vector<const CLI::Option*> add_nir_options(CLI::App& command, NirStepOptions& options);

/// Whether a graph's input, [channels, height, width] or [channels, width], is of events: of two channels, or
/// its metadata says "input": "events"; not where they say "image".
bool takes_events(const formats::NirGraph& graph, const formats::NirShape& input);

/// Throws ShapeError, with what would fit, for a graph whose input is not of events.
void check_takes_events(const std::string& path, const formats::NirGraph& graph,
                        const formats::NirShape& input);

/// Throws ConfigError for the first option that was given although it does not apply to `what`.
void refuse_given(const std::vector<const CLI::Option*>& options, const std::string& what);

}  // namespace spikeloom::app
