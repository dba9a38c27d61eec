#pragma once
// Classes of one data set as those of another: by their names, never by their places.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/data/dataset.h"

namespace spikeloom::data {

/// Pairs (class of the data, class of the model).
using ClassMap = std::vector<std::pair<std::string, std::string>>;

/// "klm=class a,other=klasse b", or, if it names a file, a line "klm=class a" each; empty lines and those
/// that begin with '#' are passed over, spaces around names too. Throws ConfigError if a pair has no '=' or
/// an empty side, or a class of the data is mapped twice; DataError if the file cannot be read.
ClassMap parse_class_map(const std::string& text_or_path);

/// `dataset` with the labels of `classes`: a class of the data is the one that `map` names for it, or the one
/// of the same name. Classes that no sample has may be missing in the data. `dataset` itself if the two lists
/// are the same and there is no map. Throws ConfigError, showing both lists, if a class of the data has no
/// counterpart, or `map` names a class that is not there.
std::shared_ptr<const Dataset> with_classes(std::shared_ptr<const Dataset> dataset,
                                            const std::vector<std::string>& classes, const ClassMap& map);

/// "'a', 'b', 'c' (3)"; the middle of a long list is left out.
std::string class_list(const std::vector<std::string>& names);

}  // namespace spikeloom::data
