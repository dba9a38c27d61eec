#pragma once
#include <string>

#include "spikeloom/train/evaluation/evaluate.h"

namespace spikeloom::app {

/// A field of a comma-separated file (RFC 4180): in quotation marks where it holds a comma, a quotation mark
/// or a line end. A text field that a spreadsheet would run as a formula (=, +, -, @ first) gets an
/// apostrophe before it.
std::string csv_field(const std::string& text);

/// One line a sample: sample, name, label, prediction, correct (1 or 0), and a column "vote CLASS" for each
/// class. Whole or not at all. Throws DataError.
void write_predictions(const std::string& path, const train::ModelEvaluation& evaluation);

/// A row a label, a column a prediction, with the classes' names. Throws DataError.
void write_confusion(const std::string& path, const train::ModelEvaluation& evaluation);

/// A row a label, a column a class: the mean share of the votes that the class gets
/// (EvaluationResult::vote_shares). Throws DataError; ConfigError if the network's votes are not spikes.
void write_vote_shares(const std::string& path, const train::ModelEvaluation& evaluation);

}  // namespace spikeloom::app
