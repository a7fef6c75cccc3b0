// Every reason has its row in controller/docs/reasons.md, and every row its reason.
#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "codeexec/api/names.hpp"

namespace codeexec::execution {
namespace {

/// The rows of all tables that begin with a name in backticks: name to the other cells.
std::map<std::string, std::vector<std::string>> rows_of_the_document() {
  std::ifstream in(CODEEXEC_SOURCE_DIR "/controller/docs/reasons.md");
  std::map<std::string, std::vector<std::string>> rows;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    std::istringstream parts(line.substr(1));
    for (std::string cell; std::getline(parts, cell, '|');)
      cells.push_back(cell);
    auto const end = cells.front().find('`', 2);
    auto const name = cells.front().substr(2, end - 2);
    EXPECT_FALSE(rows.count(name)) << name << " has two rows";
    cells.erase(cells.begin());
    rows[name] = cells;
  }
  return rows;
}

TEST(ReasonsDocument, SaysOfEveryReasonWhatItMeansAndWhatToDo) {
  auto rows = rows_of_the_document();
  std::vector<std::string_view> all(api::reasons::final_ones.begin(), api::reasons::final_ones.end());
  all.insert(all.end(), api::reasons::passing_ones.begin(), api::reasons::passing_ones.end());
  for (auto const reason : all) {
    auto const found = rows.find(std::string(reason));
    ASSERT_NE(found, rows.end()) << reason << " has no row";
    ASSERT_EQ(found->second.size(), 2u) << reason;
    for (auto const& cell : found->second)
      EXPECT_GT(cell.size(), 8u) << reason << " says nothing";
    rows.erase(found);
  }
  EXPECT_TRUE(rows.empty()) << rows.begin()->first << " is no reason";
}

}  // namespace
}  // namespace codeexec::execution
