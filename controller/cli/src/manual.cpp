#include "codeexec/cli/manual.hpp"

#include <algorithm>
#include <string_view>

namespace codeexec::cli {

namespace {

/// Text that roff takes for text: no escapes, no requests, and a minus that can be copied into a shell.
std::string roff(std::string_view text) {
  std::string result;
  bool line_begins = true;
  for (auto const c : text) {
    if (line_begins && (c == '.' || c == '\'')) result += "\\&";
    line_begins = c == '\n';
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if (c == '~') {
      result += "\\(ti";
    } else if (c == '^') {
      result += "\\(ha";
    } else {
      result += c;
    }
  }
  return result;
}

void add_flag(std::string& page, flag_info const& flag) {
  page += ".TP\n";
  if (!flag.short_name.empty()) page += "\\fB" + roff(flag.short_name) + "\\fR, ";
  page += "\\fB" + roff(flag.long_name) + "\\fR";
  if (!flag.value.empty()) page += " \\fI" + roff(flag.value) + "\\fR";
  page += "\n" + roff(flag.help) + ".\n";
}

bool is_everywhere(flag_info const& flag) {
  return flag.group == "Cluster" || flag.group == "Display" || flag.long_name == "--help";
}

/// The help's last part: prose, and examples as they stand.
void add_footer(std::string& page, std::string_view footer) {
  bool preformatted = false;
  while (!footer.empty()) {
    auto const end = std::min(footer.find('\n'), footer.size());
    auto const line = footer.substr(0, end);
    footer.remove_prefix(std::min(end + 1, footer.size()));
    auto const indented = line.starts_with("  ");
    if (indented && !preformatted) page += ".RS 4\n.nf\n";
    if (!indented && preformatted && !line.empty()) page += ".fi\n.RE\n";
    if (line.empty()) {
      page += preformatted ? (footer.starts_with("  ") ? "\n" : "") : ".PP\n";
      continue;
    }
    preformatted = indented;
    page += roff(indented ? line.substr(2) : line) + "\n";
  }
  if (preformatted) page += ".fi\n.RE\n";
}

constexpr std::string_view environment = R"(.SH ENVIRONMENT
.TP
\fBKUBECONFIG\fR
Kubeconfig files, separated by colons; as for kubectl. Without it, \(ti/.kube/config, or in a pod its service account.
.TP
\fBNO_COLOR\fR
Set to anything: no colours, unless \fB\-\-color=always\fR.
.TP
\fBTERM\fR
\fIdumb\fR, or not set: no colours, no spinner, and \fBtop\fR prints one table.
.TP
\fBHTTPS_PROXY\fR, \fBHTTP_PROXY\fR, \fBNO_PROXY\fR
As for kubectl.
.TP
\fBCODEEXEC_LOG\fR
\fIdebug\fR shows each call to the API server on standard error.
.SH SEE ALSO
.BR kubectl (1),
.BR codeexec\-controller (1)
)";

}  // namespace

std::string render_manual(std::vector<command_info> const& known) {
  auto const& root = known.front();
  std::string page =
      ".\\\" Made by \"kubectl-codeexec __manual\"; a test holds it current.\n"
      ".TH KUBECTL\\-CODEEXEC 1 \"\" \"CodeExecution\" \"User Commands\"\n"
      ".SH NAME\nkubectl\\-codeexec, codeexec \\- run code in a sandboxed pod of a Kubernetes cluster\n"
      ".SH SYNOPSIS\n";
  for (std::size_t i = 1; i < known.size(); ++i)
    page += (i == 1 ? "" : ".br\n") + ("\\fB" + roff(known[i].usage)) + "\\fR\n";
  page += ".SH DESCRIPTION\n" + roff(root.summary) +
          "\n.PP\nIt is a plugin of kubectl where it is found in the PATH as \\fBkubectl\\-codeexec\\fR, and a program "
          "of its "
          "own under the name \\fBcodeexec\\fR.\n"
          ".SH COMMANDS\n";
  for (std::size_t i = 1; i < known.size(); ++i) {
    auto const& one = known[i];
    page += ".SS " + roff(one.name) + "\n\\fB" + roff(one.usage) + "\\fR\n.PP\n" + roff(one.summary) + ".\n";
    for (auto const& flag : one.flags) {
      if (!is_everywhere(flag)) add_flag(page, flag);
    }
    page += ".PP\n";
    add_footer(page, one.footer);
  }
  page += ".SH OPTIONS OF EVERY COMMAND\n";
  for (auto const& flag : root.flags) {
    if (is_everywhere(flag)) add_flag(page, flag);
  }
  page += environment;
  return page;
}

}  // namespace codeexec::cli
