#include "app/training/csv_files.h"

#include <fmt/format.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"

namespace spikeloom::app {

std::string csv_field(const std::string& text) {
  std::string field = text;
  const bool formula = !text.empty() && std::string("=+-@\t\r").find(text.front()) != std::string::npos;
  if (formula) field.insert(field.begin(), '\'');
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

void write_predictions(const std::string& path, const train::ModelEvaluation& evaluation) {
  AtomicFile file(path);
  std::string text = "sample,name,label,prediction,correct";
  for (const std::string& name : evaluation.class_names) text += "," + csv_field("vote " + name);
  text += "\n";
  for (std::size_t i = 0; i < evaluation.result.predictions.size(); ++i) {
    const train::Prediction& prediction = evaluation.result.predictions[i];
    const auto name_of = [&](std::int64_t index) {
      return csv_field(evaluation.class_names[static_cast<std::size_t>(index)]);
    };
    text += fmt::format("{},{},{},{},{}", i, csv_field(evaluation.sample_names[i]), name_of(prediction.label),
                        name_of(prediction.guess), prediction.label == prediction.guess ? 1 : 0);
    for (const float vote : prediction.votes) text += fmt::format(",{}", vote);
    text += "\n";
    if (text.size() < (std::size_t{1} << 20)) continue;
    file.write(text.data(), text.size());
    text.clear();
  }
  file.write(text.data(), text.size());
  file.commit();
}

namespace {

/// A row a label, a column a class, with the classes' names.
template <class Value>
void write_matrix(const std::string& path, const std::vector<std::string>& class_names,
                  const std::vector<std::vector<Value>>& matrix) {
  std::string text = "label";
  for (const std::string& name : class_names) text += "," + csv_field(name);
  text += "\n";
  for (std::size_t label = 0; label < class_names.size(); ++label) {
    text += csv_field(class_names[label]);
    for (const Value value : matrix[label]) text += fmt::format(",{}", value);
    text += "\n";
  }
  write_text_file(path, text);
}

}  // namespace

void write_confusion(const std::string& path, const train::ModelEvaluation& evaluation) {
  write_matrix(path, evaluation.class_names, evaluation.result.confusion);
}

void write_vote_shares(const std::string& path, const train::ModelEvaluation& evaluation) {
  if (evaluation.result.vote_shares.empty()) {
    throw ConfigError(
        evaluation.model + ": its last layer does not spike, so there are no votes to share out",
        "--vote-shares");
  }
  write_matrix(path, evaluation.class_names, evaluation.result.vote_shares);
}

}  // namespace spikeloom::app
