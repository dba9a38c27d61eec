#pragma once
// What a run writes for TensorBoard: event files in its folder (docs/run-folder.md).
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/formats/images/image_file.h"
#include "spikeloom/formats/tensorboard/event_file.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::train {

class TensorBoardLog {
 public:
  /// Makes the event file `name` in `folder` for what follows iteration `iteration`, and writes the recipe
  /// into it as hyper-parameters. It begins with a SessionLog START of iteration + 1: readers that have seen
  /// later steps of the session before drop them. Throws DataError.
  TensorBoardLog(const std::string& folder, const std::string& name, const Recipe& recipe,
                 std::int64_t iteration);

  std::string file_name() const;
  std::int64_t size() const { return file_->size(); }

  using Histograms = std::vector<std::pair<std::string, formats::Histogram>>;
  /// `step` is the iteration. These throw DataError (a full disk).
  void scalars(std::int64_t step, const formats::EventFile::Scalars& values) { file_->scalars(step, values); }
  void histograms(std::int64_t step, const Histograms& values) { file_->histograms(step, values); }
  void picture(std::int64_t step, const std::string& tag, const formats::Image& picture);
  /// The run is over, and well or not.
  void ended(bool well) { file_->ended(well); }

 private:
  std::unique_ptr<formats::EventFile> file_;
};

}  // namespace spikeloom::train
