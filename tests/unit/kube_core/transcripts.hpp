// The recorded answers of a real API server (tests/data/transcripts).
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace codeexec::testing {

inline std::vector<std::string> transcript_lines(std::string const& file) {
  auto const path = std::string(CODEEXEC_SOURCE_DIR) + "/tests/data/transcripts/" + file;
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  if (lines.empty()) throw std::runtime_error("no transcript at " + path);
  return lines;
}

inline std::vector<nlohmann::json> transcript(std::string const& file) {
  std::vector<nlohmann::json> documents;
  for (auto const& line : transcript_lines(file))
    documents.push_back(nlohmann::json::parse(line));
  return documents;
}

}  // namespace codeexec::testing
