#include "spikeloom/data/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/data/search.h"
#include "spikeloom/data/splits.h"

namespace spikeloom::data {

std::int64_t SplitInfo::samples() const {
  if (per_class.empty()) return total;
  return std::accumulate(per_class.begin(), per_class.end(), std::int64_t{0});
}

const DatasetInfo& dataset_info(const std::string& name) { return find_source(name).info; }

bool VerifyReport::damaged() const {
  return std::any_of(checks.begin(), checks.end(),
                     [](const FileCheck& check) { return !check.ok && !check.missing; });
}

std::string VerifyReport::missing_text() const {
  std::string text;
  for (const SplitCount& count : counts) {
    if (count.found >= count.expected) continue;
    text += fmt::format("{}{} of {}{} samples missing", text.empty() ? "" : ", ",
                        with_separators(count.expected - count.found), with_separators(count.expected),
                        count.name == "all" ? "" : " " + count.name);
  }
  return text;
}

VerifyReport verify_dataset(const std::string& name, const std::string& data_dir, VerifyDepth depth) {
  VerifyRequest request;
  request.settings.dataset = name;
  request.data_dir = data_dir;
  request.depth = depth;
  return verify_dataset(request);
}

VerifyReport verify_dataset(const VerifyRequest& request) {
  const Source source = source_of(request.settings);
  VerifyReport report;
  report.depth = request.depth;
  report.class_names = source.info.class_names;
  for (const SplitInfo& split : source.info.splits) {
    report.counts.push_back(
        {split.name, 0, split.samples(), std::vector<std::int64_t>(source.info.class_names.size(), 0)});
  }
  const SearchResult search = search_root(source, request.data_dir);
  report.root = search.root;
  report.message = search.message;
  report.found = !search.root.empty();
  if (!report.found) return report;

  source.verify(source, request, search.root, report);

  report.complete = std::all_of(report.checks.begin(), report.checks.end(),
                                [](const FileCheck& check) { return check.ok; });
  for (std::size_t i = 0; i < report.counts.size(); ++i) {
    SplitCount& count = report.counts[i];
    count.found = std::accumulate(count.per_class.begin(), count.per_class.end(), std::int64_t{0});
    // Of the user's own set nothing is known beforehand: it is what is there.
    const std::vector<std::int64_t> expected =
        source.info.is_users_own ? std::vector<std::int64_t>{} : source.info.splits[i].per_class;
    if (count.found != count.expected || (!expected.empty() && count.per_class != expected)) {
      report.complete = false;
    }
  }
  return report;
}

}  // namespace spikeloom::data
