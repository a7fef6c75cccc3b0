// What a shell may offer for a word that is being typed. Pure: complete.cpp asks the cluster for names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codeexec/cli/arguments.hpp"

namespace codeexec::cli {

/// One thing to offer, and a few words about it that zsh and fish show.
struct candidate {
  std::string word;
  std::string help;

  friend bool operator==(candidate const&, candidate const&) = default;
};

enum class candidate_source {
  words,       ///< those of the question itself
  executions,  ///< names of CodeExecutions of the namespace
  unfinished,  ///< those that have not ended
  suspended,   ///< those that wait for `resume`
  namespaces,
  contexts,  ///< of the kubeconfig
  files,     ///< the shell knows them best
};

struct completion_question {
  candidate_source from = candidate_source::words;
  std::string before;  ///< of the word, and kept: "--output="
  std::string begun;   ///< the rest of it, as far as it is typed
  std::vector<candidate> words;
  std::vector<std::string> taken;  ///< names that stand there already
  cluster_options cluster;         ///< as far as the words say
};

/// `words` without the program's name; the last is the one to complete, perhaps empty.
completion_question ask_completion(std::vector<command_info> const& known, std::vector<std::string> const& words);

/// A line for each that begins as the question does: the word, and after a tab its help; then the line ":N" that
/// cobra's shells and kubectl read: 4, no file names; 0, file names; 2 added: no space after it.
std::string render_candidates(completion_question const& question, std::vector<candidate> const& found);

/// The script for "bash", "zsh" or "fish".
std::string_view completion_script(std::string_view shell);

}  // namespace codeexec::cli
