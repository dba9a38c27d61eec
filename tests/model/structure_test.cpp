#include "spikeloom/model/structure.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace spikeloom::model {
namespace {

TEST(Structure, ReadsEveryKindOfLayer) {
  const Structure structure = parse_structure("128C3(Encoding)-64C5S2P1-AP2-512FC-Voting");
  ASSERT_EQ(structure.layers.size(), 5u);
  const LayerSpec& first = structure.layers[0];
  EXPECT_EQ(first.kind, LayerKind::kConvolution);
  EXPECT_EQ(first.features, 128);
  EXPECT_EQ(first.kernel, 3);
  EXPECT_EQ(first.stride, 1);
  EXPECT_EQ(first.padding, 1);
  EXPECT_TRUE(first.encoding);
  EXPECT_EQ(first.position, 0u);
  const LayerSpec& second = structure.layers[1];
  EXPECT_EQ(second.kernel, 5);
  EXPECT_EQ(second.stride, 2);
  EXPECT_EQ(second.padding, 1);
  EXPECT_FALSE(second.encoding);
  EXPECT_EQ(second.position, 16u);
  EXPECT_EQ(structure.layers[2].kind, LayerKind::kAveragePool);
  EXPECT_EQ(structure.layers[2].kernel, 2);
  EXPECT_EQ(structure.layers[2].stride, 2);
  EXPECT_EQ(structure.layers[3].kind, LayerKind::kFullyConnected);
  EXPECT_EQ(structure.layers[3].features, 512);
  EXPECT_EQ(structure.layers[4].kind, LayerKind::kVoting);
  EXPECT_EQ(structure.layers[4].position, 35u);
}

TEST(Structure, PaddingKeepsTheSizeUnlessItIsGiven) {
  EXPECT_EQ(parse_structure("1C1-Voting").layers[0].padding, 0);
  EXPECT_EQ(parse_structure("1C7-Voting").layers[0].padding, 3);
  EXPECT_EQ(parse_structure("1C3P0-Voting").layers[0].padding, 0);
  EXPECT_EQ(parse_structure("1C4P2-Voting").layers[0].padding, 2);
}

struct Accepted {
  const char* text;
  const char* canonical;
};

TEST(Structure, WritesTheShortestText) {
  const Accepted cases[] = {{"Voting", "Voting"},
                            {"512FC-Voting", "512FC-Voting"},
                            {"65536C3-Voting", "65536C3-Voting"},
                            {"8C3S1P1-Voting", "8C3-Voting"},
                            {"8C3S2P1(Encoding)-Voting", "8C3S2(Encoding)-Voting"},
                            {"8C3P0-Voting", "8C3P0-Voting"},
                            {"8C2P1-AP65536-Voting", "8C2P1-AP65536-Voting"},
                            {"8C3-AP2-AP3-Voting", "8C3-AP2-AP3-Voting"}};
  for (const Accepted& one : cases) EXPECT_EQ(to_string(parse_structure(one.text)), one.canonical);
}

struct Refused {
  const char* text;
  std::size_t position;
  const char* expected;  // part of what()
};

class RefusedStructure : public testing::TestWithParam<Refused> {};

TEST_P(RefusedStructure, NamesColumnAndExpectation) {
  const Refused& one = GetParam();
  try {
    parse_structure(one.text);
    FAIL() << "accepted: " << one.text;
  } catch (const StructureError& error) {
    const std::string what = error.what();
    EXPECT_EQ(error.position, one.position) << what;
    EXPECT_EQ(error.text, one.text);
    EXPECT_NE(what.find(one.expected), std::string::npos) << what;
    EXPECT_NE(what.find("column " + std::to_string(one.position + 1) + ":"), std::string::npos) << what;
    EXPECT_NE(what.find("expected"), std::string::npos) << what;
    EXPECT_EQ(what.find('\n'), std::string::npos) << what;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedStructure,
    testing::Values(
        Refused{"", 0, "expected a layer"}, Refused{"128C3-", 6, "found the end"},
        Refused{"-Voting", 0, "found '-'"}, Refused{"128C3--Voting", 6, "found '-'"},
        Refused{"128C3", 5, "last layer must be Voting"},
        Refused{"Voting-128C3", 6, "Voting must be the last layer"},
        Refused{"8C3-Voting-Voting", 10, "Voting must be the last layer"},
        Refused{"8C3-Voting-", 10, "Voting must be the last layer"},
        Refused{"8C3-64FC-8C3-Voting", 9, "convolution cannot follow"},
        Refused{"8C3-64FC-AP2-Voting", 9, "pool cannot follow"},
        Refused{"AP2-8C3-Voting", 0, "cannot be the first layer"},
        Refused{"8C3-8C3(Encoding)-Voting", 7, "only the first layer"},
        Refused{"8C3(encoding)-Voting", 3, "'(Encoding)'"}, Refused{"8C3(Encoding-Voting", 3, "'(Encoding)'"},
        Refused{"8C4-Voting", 3, "'P' and a padding"}, Refused{"8C3P3-Voting", 3, "less than the kernel, 3"},
        Refused{"8C3P1S2-Voting", 5, "expected '-' or the end"}, Refused{"0C3-Voting", 0, "from 1 to 65536"},
        Refused{"08C3-Voting", 0, "leading zeros"}, Refused{"65537C3-Voting", 0, "from 1 to 65536"},
        Refused{"99999999999999999999999C3-Voting", 0, "from 1 to 65536"},
        Refused{"8C0-Voting", 2, "from 1 to 65536"}, Refused{"8C-Voting", 2, "side of the kernel"},
        Refused{"8C3S0-Voting", 4, "from 1 to 65536"}, Refused{"8C3S-Voting", 4, "the stride"},
        Refused{"8C3P-Voting", 4, "the padding"}, Refused{"8C3-AP-Voting", 6, "side of the pool"},
        Refused{"8C3-AP0-Voting", 6, "from 1 to 65536"}, Refused{"8c3-Voting", 1, "'C' or 'FC'"},
        Refused{"8C3-voting", 4, "expected a layer"}, Refused{"8C3-ap2-Voting", 4, "expected a layer"},
        Refused{"8C3-512F-Voting", 7, "'C' or 'FC'"}, Refused{"8C3-512", 7, "found the end"},
        Refused{" 8C3-Voting", 0, "found ' '"}, Refused{"8C3 -Voting", 3, "found ' '"},
        Refused{"8C3-Voting ", 10, "expected '-' or the end"}, Refused{"8C3\n-Voting", 3, "found '?'"},
        Refused{"-8C3-Voting", 0, "found '-'"}));

TEST(Structure, RefusesMoreLayersThanAnyNetworkHas) {
  std::string text = "1C1";
  for (int i = 0; i < 4096; ++i) text += "-1C1";
  EXPECT_THROW(parse_structure(text + "-Voting"), StructureError);
}

TEST(StructureError, CaretStandsUnderTheColumn) {
  try {
    parse_structure("8C3-8\xC3\xA4-Voting");
    FAIL();
  } catch (const StructureError& error) {
    EXPECT_EQ(error.caret(),
              "8C3-8?"
              "?-Voting\n     ^");
  }
}

TEST(StructureError, ShowsThePartOfALongTextThatMatters) {
  std::string start;
  for (int i = 0; i < 100; ++i) start += "4C3-";
  for (const std::string& text : {start + "XX-" + start + "Voting", start + "X", "X-" + start + "Voting"}) {
    try {
      parse_structure(text);
      FAIL() << text;
    } catch (const StructureError& error) {
      const std::string caret = error.caret();
      const std::size_t end = caret.find('\n');
      ASSERT_LE(end, 79u) << caret;
      const std::size_t column = caret.size() - end - 2;
      EXPECT_EQ(caret.substr(column, 1), "X") << caret;
    }
  }
  try {
    parse_structure(start);
    FAIL();
  } catch (const StructureError& error) {
    EXPECT_EQ(error.caret().substr(0, 3), "...") << error.caret();
    EXPECT_EQ(error.caret().substr(error.caret().size() - 3), "  ^") << "after the end";
  }
}

TEST(StructureError, SaysWhereTheTextWasFound) {
  try {
    parse_structure("8C4-Voting");
    FAIL();
  } catch (const StructureError& error) {
    const StructureError placed = error.at("a.toml", 7, "network.structure");
    EXPECT_EQ(placed.file(), "a.toml");
    EXPECT_EQ(placed.line(), 7);
    EXPECT_EQ(placed.position, 3u);
    EXPECT_EQ(std::string(placed.what()).find("a.toml:7: key 'network.structure': column 4: "), 0u)
        << placed.what();
  }
}

rc::Gen<LayerSpec> any_convolution() {
  return rc::gen::exec([] {
    LayerSpec layer;
    layer.kind = LayerKind::kConvolution;
    layer.features = *rc::gen::inRange(1, 65537);
    layer.kernel = *rc::gen::inRange(1, 12);
    layer.stride = *rc::gen::inRange(1, 4);
    layer.padding = *rc::gen::inRange(0, layer.kernel);
    return layer;
  });
}

rc::Gen<Structure> any_structure() {
  return rc::gen::exec([] {
    Structure structure;
    const int convolutions = *rc::gen::inRange(0, 6);
    for (int i = 0; i < convolutions; ++i) {
      structure.layers.push_back(*any_convolution());
      if (*rc::gen::arbitrary<bool>()) {
        LayerSpec pool;
        pool.kind = LayerKind::kAveragePool;
        pool.kernel = pool.stride = *rc::gen::inRange(1, 65537);
        structure.layers.push_back(pool);
      }
    }
    if (convolutions > 0) structure.layers[0].encoding = *rc::gen::arbitrary<bool>();
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
      LayerSpec connected;
      connected.kind = LayerKind::kFullyConnected;
      connected.features = *rc::gen::inRange(1, 65537);
      structure.layers.push_back(connected);
    }
    LayerSpec voting;
    voting.kind = LayerKind::kVoting;
    structure.layers.push_back(voting);
    return structure;
  });
}

RC_GTEST_PROP(StructureProperty, ParsingUndoesWriting, ()) {
  const Structure structure = *any_structure();
  const std::string text = to_string(structure);
  RC_ASSERT(parse_structure(text) == structure);
  RC_ASSERT(to_string(parse_structure(text)) == text);
}

RC_GTEST_PROP(StructureProperty, AnyTextIsParsedOrRefusedAtAColumnInsideIt, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::element('0', '1', '9', 'C', 'F', 'A', 'P', 'S', '-', '(', 'V', '\n', '\xFF'));
  try {
    parse_structure(text);
  } catch (const StructureError& error) {
    RC_ASSERT(error.position <= text.size());
    RC_ASSERT(std::string(error.what()).find('\n') == std::string::npos);
  }
}

}  // namespace
}  // namespace spikeloom::model
