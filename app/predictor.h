#pragma once
// Whoever says what an input of `predict` is: a trained model, or a graph of NIR.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/event_file_options.h"
#include "app/nir_options.h"
#include "app/votes.h"

namespace spikeloom::app {

struct PredictOptions {
  std::string model, dataset, split = "test", data_dir, resize;
  std::vector<std::string> inputs;
  std::vector<std::int64_t> indices;
  EventFileOptions recording;
  bool json = false, csv = false;
  int steps = 0;  ///< of a graph; 0: not given
  NirStepOptions nir;
  std::vector<const CLI::Option*> of_nir, of_models;  ///< what does not apply to the other kind
  std::vector<const CLI::Option*> of_recordings, of_files, of_sets;  ///< likewise
};

struct Prediction {
  std::string input;
  std::string label;  ///< of an element of a data set
  RankedVotes ranked;
};

/// The order of columns that the values of files show, printed for the first and where it changes.
class ColumnsOfFiles {
 public:
  void print(const std::string& file, const std::string& columns) {
    if (columns == last_) return;
    print_columns(file, columns);
    last_ = columns;
  }

 private:
  std::string last_;
};

class Predictor {
 public:
  virtual ~Predictor() = default;
  virtual const std::vector<std::string>& classes() const = 0;
  virtual const std::string& path() const = 0;
  /// Throws DataError, FormatError or ShapeError, naming the file, for one that cannot be read or does not
  /// fit; NumericsError.
  virtual Prediction of_file(const std::string& path) = 0;
  virtual Prediction of_element(std::int64_t index) = 0;
};

/// Of a graph of NIR: recordings of events, images, and .npy arrays of what it takes, [T, input] or one step;
/// a vote of a class is its output's mean over the steps. Throws what formats::read_nir and NirSimulator
/// throw, and what NirStepOptions::settled does.
std::unique_ptr<Predictor> make_graph_predictor(const PredictOptions& options);

}  // namespace spikeloom::app
