#include "codeexec/cli/completion.hpp"

#include <algorithm>
#include <utility>

#include "codeexec/cli/render.hpp"

namespace codeexec::cli {

namespace {

flag_info const* find_flag(command_info const& in, std::string const& name) {
  for (auto const& flag : in.flags) {
    if (name == flag.long_name || (!flag.short_name.empty() && name == flag.short_name)) return &flag;
  }
  return nullptr;
}

void remember_cluster(cluster_options& into, std::string const& flag, std::string const& value) {
  if (flag == "--namespace") into.namespace_ = value;
  if (flag == "--kubeconfig") into.kubeconfig = value;
  if (flag == "--context") into.context = value;
  if (flag == "--server") into.server = value;
}

void offer_values(completion_question& into, flag_info const& flag) {
  if (flag.long_name == "--namespace") {
    into.from = candidate_source::namespaces;
  } else if (flag.long_name == "--context") {
    into.from = candidate_source::contexts;
  } else if (flag.value == "FILE" || flag.value.starts_with("PATH")) {
    into.from = candidate_source::files;
  } else if (flag.long_name == "--language") {
    // Those that file names are known for; a cluster may have others.
    for (auto const* language : {"bash", "node", "perl", "python", "ruby"})
      into.words.push_back({language, ""});
  } else if (flag.value.find('|') != std::string::npos) {
    std::string_view rest = flag.value;
    while (!rest.empty()) {
      auto const bar = std::min(rest.find('|'), rest.size());
      auto word = rest.substr(0, bar);
      if (auto const equals = word.find('='); equals != std::string_view::npos) word = word.substr(0, equals + 1);
      into.words.push_back({std::string(word), ""});
      rest.remove_prefix(std::min(bar + 1, rest.size()));
    }
  }
}

void offer_arguments(completion_question& into, std::string const& verb, std::size_t already) {
  if (verb == "run") {
    into.from = candidate_source::files;
  } else if (verb == "get" || verb == "describe" || verb == "delete") {
    into.from = candidate_source::executions;
  } else if (verb == "logs" && already == 0) {
    into.from = candidate_source::executions;
  } else if (verb == "cancel") {
    into.from = candidate_source::unfinished;
  } else if (verb == "resume") {
    into.from = candidate_source::suspended;
  } else if (verb == "completion" && already == 0) {
    for (auto const* shell : {"bash", "fish", "zsh"})
      into.words.push_back({shell, ""});
  }
}

constexpr std::string_view bash_script = R"script(# bash completion for codeexec (and kubectl-codeexec)
# source <(codeexec completion bash), or as a file in ~/.local/share/bash-completion/completions/codeexec

__codeexec_complete() {
  # bash parts words at "=" and ":"; what stands together in the line belongs together.
  local line=$COMP_LINE word i
  local -a typed=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((i > 0)) && [[ -n $line && $line != [[:space:]]* ]]; then
      typed[${#typed[@]}-1]+=$word
    else
      typed+=("$word")
    fi
    line=${line#"${line%%[![:space:]]*}"}
    line=${line#"$word"}
  done
  local current=${typed[${#typed[@]}-1]}
  local answer directive
  answer=$(command "${typed[0]}" __complete "${typed[@]:1}" 2>/dev/null) || return
  directive=${answer##*:}
  answer=${answer%:*}
  # readline replaces only what follows the last "=" or ":".
  local kept=
  if [[ $current == *[=:]* ]]; then kept=${current%"${current##*[=:]}"}; fi
  COMPREPLY=()
  while IFS= read -r word; do
    word=${word%%$'\t'*}
    [[ -n $word ]] && COMPREPLY+=("${word#"$kept"}")
  done <<<"$answer"
  if ((directive & 2)); then compopt -o nospace 2>/dev/null; fi
  if ((!(directive & 4))); then
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "${current#"$kept"}")
  fi
}

complete -F __codeexec_complete codeexec kubectl-codeexec
)script";

constexpr std::string_view zsh_script = R"script(#compdef codeexec kubectl-codeexec
# zsh completion for codeexec: as the file _codeexec in a folder of $fpath, or source <(codeexec completion zsh)

_codeexec() {
  local answer directive line
  local -a offered
  answer=$(command ${words[1]} __complete "${(@)words[2,$CURRENT]}" 2>/dev/null) || return 1
  directive=${answer##*:}
  for line in ${(f)${answer%:*}}; do
    if [[ $line == *$'\t'* ]]; then
      offered+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    else
      offered+=("${line//:/\\:}")
    fi
  done
  local -a ending
  (( directive & 2 )) && ending=(-S '')
  if (( ! (directive & 4) )); then
    # After "--file=" the name of the file begins.
    compset -P '--*='
    _files
  elif (( ${#offered} )); then
    _describe -V codeexec offered $ending
  fi
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _codeexec "$@"
else
  compdef _codeexec codeexec kubectl-codeexec
fi
)script";

constexpr std::string_view fish_script =
    R"script(# fish completion for codeexec: as ~/.config/fish/completions/codeexec.fish

function __codeexec_complete
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l answer (command $typed[1] __complete $typed[2..-1] "$current" 2>/dev/null)
    or return
    set -l directive (string sub -s 2 -- $answer[-1])
    for line in $answer[1..-2]
        printf '%s\n' $line
    end
    if test $directive = 0
        __fish_complete_path "$current"
    end
end

for program in codeexec kubectl-codeexec
    complete -c $program -f -a '(__codeexec_complete)'
end
)script";

}  // namespace

completion_question ask_completion(std::vector<command_info> const& known, std::vector<std::string> const& words) {
  completion_question question;
  question.begun = words.empty() ? std::string() : words.back();
  auto const* typed = &known.front();
  flag_info const* wants_value = nullptr;
  bool no_more_flags = false;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    auto const& word = words[i];
    if (wants_value != nullptr) {
      remember_cluster(question.cluster, wants_value->long_name, word);
      wants_value = nullptr;
    } else if (no_more_flags) {
      question.taken.push_back(plain_name(word));
    } else if (word == "--") {
      no_more_flags = true;
    } else if (word.starts_with("--") && word.find('=') != std::string::npos) {
      remember_cluster(question.cluster, word.substr(0, word.find('=')), word.substr(word.find('=') + 1));
    } else if (word.size() > 1 && word.front() == '-') {
      auto const* const flag = find_flag(*typed, word);
      if (flag != nullptr && !flag->value.empty()) {
        wants_value = flag;
      } else if (flag == nullptr && word[1] != '-') {
        // "-nagents"
        auto const* const joined = find_flag(*typed, word.substr(0, 2));
        if (joined != nullptr && !joined->value.empty())
          remember_cluster(question.cluster, joined->long_name, word.substr(2));
      }
    } else if (typed->name.empty()) {
      auto const found = std::find_if(known.begin(), known.end(), [&](auto const& one) { return one.name == word; });
      if (found == known.end()) return question;  // no command of ours: nothing to say
      typed = &*found;
    } else {
      question.taken.push_back(plain_name(word));
    }
  }
  if (wants_value != nullptr) {
    offer_values(question, *wants_value);
    return question;
  }
  auto const equals = question.begun.find('=');
  if (!no_more_flags && question.begun.starts_with("--") && equals != std::string::npos) {
    auto const* const flag = find_flag(*typed, question.begun.substr(0, equals));
    question.before = question.begun.substr(0, equals + 1);
    question.begun.erase(0, equals + 1);
    if (flag != nullptr) offer_values(question, *flag);
    return question;
  }
  if (!no_more_flags && question.begun.starts_with("-")) {
    for (auto const& flag : typed->flags)
      question.words.push_back({flag.long_name, flag.help});
    return question;
  }
  if (typed->name.empty()) {
    for (auto const& one : known) {
      if (!one.name.empty()) question.words.push_back({one.name, one.summary});
    }
    return question;
  }
  offer_arguments(question, typed->name, question.taken.size());
  return question;
}

std::string render_candidates(completion_question const& question, std::vector<candidate> const& found) {
  std::string text;
  bool goes_on = false;
  // "cex/hel" completes as what `get -o name` prints would.
  auto const slash = question.begun.find('/');
  auto const typed_kind = slash != std::string::npos && plain_name(question.begun) != question.begun;
  auto const kind = typed_kind ? question.begun.substr(0, slash + 1) : std::string();
  auto const begun = question.begun.substr(kind.size());
  for (auto const& one : found) {
    if (!one.word.starts_with(begun)) continue;
    if (std::find(question.taken.begin(), question.taken.end(), one.word) != question.taken.end()) continue;
    text += question.before + kind + printable(one.word);
    if (!one.help.empty()) text += "\t" + printable(one.help);
    text += "\n";
    goes_on = goes_on || one.word.ends_with('=');
  }
  auto const directive = question.from == candidate_source::files ? 0 : goes_on ? 6 : 4;
  return text + ":" + std::to_string(directive) + "\n";
}

std::string_view completion_script(std::string_view shell) {
  if (shell == "bash") return bash_script;
  if (shell == "zsh") return zsh_script;
  if (shell == "fish") return fish_script;
  return {};
}

}  // namespace codeexec::cli
