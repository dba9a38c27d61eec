#include "spikeloom/model/structure.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace spikeloom::model {
namespace structure_test {
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

TEST(Structure, ReadsPoolsRecurrentLayersAndReadout) {
  const Structure structure = parse_structure("8C3-MP2-8C3-GAP-128RFC-64FC-Readout");
  ASSERT_EQ(structure.layers.size(), 7u);
  EXPECT_EQ(structure.layers[1].kind, LayerKind::kMaxPool);
  EXPECT_EQ(structure.layers[1].kernel, 2);
  EXPECT_EQ(structure.layers[1].stride, 2);
  EXPECT_EQ(structure.layers[3].kind, LayerKind::kGlobalAveragePool);
  EXPECT_EQ(structure.layers[4].kind, LayerKind::kRecurrent);
  EXPECT_EQ(structure.layers[4].features, 128);
  EXPECT_EQ(structure.layers[5].kind, LayerKind::kFullyConnected);
  EXPECT_EQ(structure.layers[6].kind, LayerKind::kReadout);
  EXPECT_TRUE(structure.layers[6].is_last());
  EXPECT_TRUE(structure.layers[1].is_pool() && structure.layers[3].is_pool());
  EXPECT_TRUE(structure.layers[4].has_weights() && structure.layers[6].has_weights());
  EXPECT_TRUE(structure.blocks.empty());
}

TEST(Structure, ReadsBlocksAndRepetitions) {
  const Structure structure = parse_structure("8C3-{8C3-8C3}*2-[4C3S2-AP2-4C3]-Voting");
  ASSERT_EQ(structure.layers.size(), 9u);
  const std::vector<BlockSpec> expected = {
      {BlockKind::kSpikes, 1, 2, 0}, {BlockKind::kSpikes, 3, 4, 0}, {BlockKind::kCurrent, 5, 7, 0}};
  EXPECT_EQ(structure.blocks, expected);
  EXPECT_EQ(structure.blocks[0].position, 4u);
  EXPECT_EQ(structure.blocks[1].position, 4u);
  EXPECT_EQ(structure.blocks[2].position, 16u);
  EXPECT_EQ(structure.layers[2].position, 9u);
  EXPECT_EQ(structure.layers[4].position, 9u) << "a repetition stands where it was written";
  EXPECT_EQ(structure, parse_structure("8C3-{8C3-8C3}-{8C3-8C3}*1-[4C3S2-AP2-4C3]-Voting"));
  EXPECT_NE(structure, parse_structure("8C3-8C3-8C3-8C3-8C3-[4C3S2-AP2-4C3]-Voting"));
  EXPECT_NE(structure, parse_structure("8C3-[8C3-8C3]*2-[4C3S2-AP2-4C3]-Voting"));
}

TEST(Structure, PartsAreJoined) {
  EXPECT_EQ(join_parts({"8C3(Encoding)", "{8C3-8C3}*2", "AP2-Voting"}),
            "8C3(Encoding)-{8C3-8C3}*2-AP2-Voting");
  EXPECT_EQ(join_parts({}), "");
  EXPECT_EQ(join_parts({"8C3", "", "Voting"}), "8C3--Voting");
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
                            {"8C3-AP2-AP3-Voting", "8C3-AP2-AP3-Voting"},
                            {"8C3-MP3-MP2-Readout", "8C3-MP3-MP2-Readout"},
                            {"8C3-AP2-GAP-Voting", "8C3-AP2-GAP-Voting"},
                            {"128RFC-64RFC-Readout", "128RFC-64RFC-Readout"},
                            {"8C3-{8C3P1}-{8C3}-{8C3}*3-Voting", "8C3-{8C3}*5-Voting"},
                            {"8C3-{8C3}*1-Voting", "8C3-{8C3}-Voting"},
                            {"8C3-{8C3}-[8C3]-[8C3]-8C3-Voting", "8C3-{8C3}-[8C3]*2-8C3-Voting"},
                            {"8C3-{8C3-8C3}-{8C3}-{8C3-8C3}-Voting", "8C3-{8C3-8C3}-{8C3}-{8C3-8C3}-Voting"},
                            {"8C3-{8C3}-{8C3S2}-Voting", "8C3-{8C3}-{8C3S2}-Voting"},
                            {"8C3-{8C3}-AP2-{8C3}-Voting", "8C3-{8C3}-AP2-{8C3}-Voting"}};
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
        Refused{"8C3-AP0-Voting", 6, "from 1 to 65536"}, Refused{"8c3-Voting", 1, "'C', 'FC' or 'RFC'"},
        Refused{"8C3-voting", 4, "expected a layer"}, Refused{"8C3-ap2-Voting", 4, "expected a layer"},
        Refused{"8C3-512F-Voting", 7, "'C', 'FC' or 'RFC'"}, Refused{"8C3-512", 7, "found the end"},
        Refused{" 8C3-Voting", 0, "found ' '"}, Refused{"8C3 -Voting", 3, "found ' '"},
        Refused{"8C3-Voting ", 10, "expected '-' or the end"}, Refused{"8C3\n-Voting", 3, "found '?'"},
        Refused{"-8C3-Voting", 0, "found '-'"}));

INSTANTIATE_TEST_SUITE_P(Pools, RefusedStructure,
                         testing::Values(Refused{"8C3-MP-Voting", 6, "side of the pool"},
                                         Refused{"8C3-MP0-Voting", 6, "from 1 to 65536"},
                                         Refused{"8C3-mp2-Voting", 4, "expected a layer"},
                                         Refused{"8C3-GAP2-Voting", 7, "expected '-' or the end"},
                                         Refused{"8C3-GA-Voting", 4, "expected a layer"},
                                         Refused{"MP2-8C3-Voting", 0, "cannot be the first layer"},
                                         Refused{"GAP-Voting", 0, "cannot be the first layer"},
                                         Refused{"8C3-16RFC-MP2-Voting", 10, "pool cannot follow"},
                                         Refused{"8C3-16FC-GAP-Voting", 9, "pool cannot follow"},
                                         Refused{"8C3-AP2-MP2-Voting", 8, "different kinds in a row"},
                                         Refused{"8C3-MP2-GAP-Voting", 8, "different kinds in a row"},
                                         Refused{"8C3-MP2-{AP2-8C3}-Voting", 9, "different kinds in a row"},
                                         Refused{"8C3-{8C3-AP2}-MP2-Voting", 14,
                                                 "different kinds in a row"}));

INSTANTIATE_TEST_SUITE_P(LastLayers, RefusedStructure,
                         testing::Values(Refused{"8C3-16RFC-8C3-Voting", 10, "convolution cannot follow"},
                                         Refused{"8C3-16RF-Voting", 6, "'C', 'FC' or 'RFC'"},
                                         Refused{"8C3-16R-Voting", 6, "'C', 'FC' or 'RFC'"},
                                         Refused{"8C3-16RFC", 9, "must be Voting or Readout"},
                                         Refused{"8C3-Readout-Voting", 11, "Readout must be the last layer"},
                                         Refused{"8C3-Voting-Readout", 10, "Voting must be the last layer"},
                                         Refused{"8C3-Readout-", 11, "Readout must be the last layer"},
                                         Refused{"8C3-16Readout", 6, "'C', 'FC' or 'RFC'"},
                                         Refused{"8C3-readout", 4, "expected a layer"}));

INSTANTIATE_TEST_SUITE_P(
    Blocks, RefusedStructure,
    testing::Values(Refused{"{8C3}-Voting", 0, "cannot be first"},
                    Refused{"[8C3]-Voting", 0, "cannot be first"},
                    Refused{"8C3-{8C3-{8C3}}-Voting", 9, "do not nest"},
                    Refused{"8C3-{[8C3]}-Voting", 5, "do not nest"}, Refused{"8C3-[8C3-{", 9, "do not nest"},
                    Refused{"8C3-{}-Voting", 5, "found '}'"}, Refused{"8C3-{", 5, "found the end"},
                    Refused{"8C3-{8C3-}-Voting", 9, "found '}'"},
                    Refused{"8C3-{-8C3}-Voting", 5, "found '-'"},
                    Refused{"8C3-{8C3]-Voting", 8, "expected '-' or '}', found ']'"},
                    Refused{"8C3-[8C3}-Voting", 8, "expected '-' or ']', found '}'"},
                    Refused{"8C3-{8C3", 8, "expected '-' or '}', found the end"},
                    Refused{"8C3-{8C3-Voting", 9, "Voting cannot be inside"},
                    Refused{"8C3-{8C3-Readout}", 9, "Readout cannot be inside"},
                    Refused{"8C3-{8C3-16FC}-Voting", 9, "16FC cannot be inside"},
                    Refused{"8C3-{16RFC}-Voting", 5, "16RFC cannot be inside"},
                    Refused{"8C3-16FC-{8C3}-Voting", 10, "convolution cannot follow"},
                    Refused{"8C3-{8C3(Encoding)}-Voting", 8, "only the first layer"},
                    Refused{"8C3-8C3}-Voting", 7, "expected '-' or the end, found '}'"},
                    Refused{"8C3-}-Voting", 4, "found '}'"}, Refused{"8C3{8C3}-Voting", 3, "found '{'"},
                    Refused{"8C3-{8C3}8C3-Voting", 9, "expected '-' or the end, found '8'"},
                    Refused{"8C3-{8C3}", 9, "must be Voting or Readout"},
                    Refused{"8C3-{AP2}-Voting", 4, "without weights"},
                    Refused{"8C3-[8C3-AP2]-Voting", 9, "expected the pool after ']'"},
                    Refused{"8C3-{8C3-AP2-8C3-MP2}-Voting", 17, "one kind of pool"},
                    Refused{"8C3-{8C3}*-Voting", 10, "number of repetitions"},
                    Refused{"8C3-{8C3}*0-Voting", 10, "from 1 to 65536"},
                    Refused{"8C3-{8C3}*02-Voting", 10, "leading zeros"},
                    Refused{"8C3-{8C3}*-1-Voting", 10, "number of repetitions"},
                    Refused{"8C3-{8C3}2-Voting", 9, "expected '-' or the end, found '2'"},
                    Refused{"8C3-{8C3}*2*2-Voting", 11, "expected '-' or the end, found '*'"},
                    Refused{"8C3*2-Voting", 3, "expected '-' or the end, found '*'"},
                    Refused{"8C3-{8C3}*4096-Voting", 10, "at most 4096 layers"},
                    Refused{"8C3-{8C3-8C3}*2048-Voting", 14, "at most 4096 layers"},
                    Refused{"8C3-{8C3-8C3}*65536-Voting", 14, "at most 4096 layers"},
                    Refused{"8C3-{8C3-8C3}*99999999999999999999-Voting", 14, "from 1 to 65536"},
                    Refused{"8C3-{8C3}*4095-Voting", 15, "at most 4096 layers"}));

TEST(Structure, RefusesMoreLayersThanAnyNetworkHas) {
  std::string text = "1C1";
  for (int i = 0; i < 4096; ++i) text += "-1C1";
  EXPECT_THROW(parse_structure(text + "-Voting"), StructureError);
}

TEST(Structure, TakesAsManyLayersAsItSays) {
  EXPECT_EQ(parse_structure("8C3-{8C3}*4094-Voting").layers.size(), 4096u);
  EXPECT_EQ(to_string(parse_structure("8C3-{8C3}*4094-Voting")), "8C3-{8C3}*4094-Voting");
}

// Whatever its length, a text costs one pass over it and no more layers than any network has.
TEST(Structure, HostileTextsAreRefusedAtOnce) {
  constexpr std::size_t kLong = 1000000;
  const auto repeated = [](const std::string& part) {
    std::string text;
    while (text.size() < kLong) text += part;
    return text;
  };
  for (const std::string& text :
       {repeated("{"), repeated("["), repeated("8C3-{"), repeated("}"), "8C3-{" + repeated("8C3-"),
        repeated("8C3-"), repeated("8C3-{8C3}*4000-"), "8C3-{8C3}*" + repeated("9"), repeated("9"),
        "8C3" + repeated("-{8C3}"), repeated("-"), std::string(kLong, '\0'),
        "8C3-{8C3-8C3}*" + repeated("*2")}) {
    try {
      parse_structure(text);
      ADD_FAILURE() << "accepted: " << text.substr(0, 40);
    } catch (const StructureError& error) {
      EXPECT_LE(error.position, text.size());
      EXPECT_LT(std::string(error.what()).size(), 300u);
      EXPECT_LT(error.caret().size(), 170u);
    }
  }
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

rc::Gen<LayerSpec> any_pool(LayerKind kind) {
  return rc::gen::exec([kind] {
    LayerSpec pool;
    pool.kind = kind;
    if (kind != LayerKind::kGlobalAveragePool) pool.kernel = pool.stride = *rc::gen::inRange(1, 65537);
    return pool;
  });
}

rc::Gen<LayerKind> any_pool_kind() {
  return rc::gen::element(LayerKind::kAveragePool, LayerKind::kMaxPool, LayerKind::kGlobalAveragePool);
}

/// Convolutions and pools of one kind, so that pools in a row never differ; no pool at the end.
void add_block(Structure& structure) {
  BlockSpec block;
  block.kind = *rc::gen::element(BlockKind::kSpikes, BlockKind::kCurrent);
  block.first = structure.layers.size();
  const LayerKind pools = *any_pool_kind();
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
    structure.layers.push_back(*any_convolution());
    if (i > 1 && *rc::gen::arbitrary<bool>()) structure.layers.push_back(*any_pool(pools));
  }
  block.last = structure.layers.size() - 1;
  structure.blocks.push_back(block);
}

void repeat_last_block(Structure& structure) {
  BlockSpec block = structure.blocks.back();
  const std::size_t size = block.last - block.first + 1;
  for (std::size_t i = 0; i < size; ++i) structure.layers.push_back(structure.layers[block.first + i]);
  block.first += size;
  block.last += size;
  structure.blocks.push_back(block);
}

rc::Gen<Structure> any_structure() {
  return rc::gen::exec([] {
    Structure structure;
    const int convolutions = *rc::gen::inRange(0, 6);
    for (int i = 0; i < convolutions; ++i) {
      structure.layers.push_back(*any_convolution());
      if (*rc::gen::arbitrary<bool>()) structure.layers.push_back(*any_pool(*any_pool_kind()));
      if (*rc::gen::arbitrary<bool>()) {
        add_block(structure);
        for (int times = *rc::gen::inRange(0, 3); times > 0; --times) repeat_last_block(structure);
      }
    }
    if (convolutions > 0) structure.layers[0].encoding = *rc::gen::arbitrary<bool>();
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
      LayerSpec connected;
      connected.kind = *rc::gen::element(LayerKind::kFullyConnected, LayerKind::kRecurrent);
      connected.features = *rc::gen::inRange(1, 65537);
      structure.layers.push_back(connected);
    }
    LayerSpec last;
    last.kind = *rc::gen::element(LayerKind::kVoting, LayerKind::kReadout);
    structure.layers.push_back(last);
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
  const auto text = *rc::gen::container<std::string>(rc::gen::element('0', '1', '9', 'C', 'F', 'A', 'P', 'S',
                                                                      '-', '(', 'V', '\n', '\xFF', 'M', 'G',
                                                                      'R', '{', '}', '[', ']', '*'));
  try {
    parse_structure(text);
  } catch (const StructureError& error) {
    RC_ASSERT(error.position <= text.size());
    RC_ASSERT(std::string(error.what()).find('\n') == std::string::npos);
  }
}

// Mostly valid parts, so that what is accepted is looked at too: its text parses to the same.
RC_GTEST_PROP(StructureProperty, PartsJoinedAtRandomAreRefusedOrReadBack, ()) {
  const auto parts = *rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("8C3", "{8C3", "8C3}", "[8C3", "8C3]", "{8C3-4C1}*2", "[8C3]*3", "AP2",
                                    "MP2", "GAP", "16FC", "16RFC", "8C3(Encoding)"));
  const std::string text = join_parts(parts) + (parts.empty() ? "Voting" : "-Voting");
  try {
    const Structure structure = parse_structure(text);
    RC_ASSERT(parse_structure(to_string(structure)) == structure);
    RC_ASSERT(to_string(structure).size() <= text.size());
  } catch (const StructureError& error) {
    RC_ASSERT(error.position <= text.size());
  }
}

}  // namespace
}  // namespace structure_test
}  // namespace spikeloom::model
