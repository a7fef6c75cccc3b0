#include "codeexec/cli/explain.hpp"

#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/render.hpp"

namespace codeexec::cli {

namespace {

std::string at_server(attempt const& what) {
  auto text = what.server.empty() ? std::string("the API server") : "the API server at " + printable(what.server);
  if (!what.context.empty()) text += " (context " + in_quotes(what.context) + ")";
  return text;
}

/// "create CodeExecution "x" in namespace "n""
std::string deed(attempt const& what) {
  auto text = what.verb + (what.name.empty() ? " CodeExecutions" : " CodeExecution " + in_quotes(what.name));
  if (!what.namespace_.empty()) text += " in namespace " + in_quotes(what.namespace_);
  return text;
}

/// One line per cause: "  spec.timeoutSeconds: Invalid value ...".
std::string causes_of(kube::error const& e) {
  std::string lines;
  for (auto const& cause : e.causes()) {
    // The server adds this one to every other: it names no field and helps nobody.
    if (cause.field == "<nil>" || cause.field.empty()) continue;
    lines += "\n  " + printable(cause.field) + ": " + printable(cause.message);
  }
  return lines;
}

bool speaks_of_namespace(kube::error const& e) {
  return e.message().starts_with("namespaces \"");
}

}  // namespace

explanation explain(kube::error const& e, attempt const& what) {
  using namespace exit_codes;
  auto const said = printable(e.message());
  auto const which = std::string(
      "\nCheck that it runs, and that this is the cluster you mean: --context, --kubeconfig and $KUBECONFIG choose "
      "it.");
  constexpr std::string_view no_credentials = "getting credentials: ";
  if (e.message().starts_with(no_credentials)) {
    auto const why = printable(std::string_view(e.message()).substr(no_credentials.size()));
    return {"cannot get credentials for " + at_server(what) + ": " + why, infrastructure};
  }
  switch (e.kind()) {
    case kube::error_kind::connect:
      return {"cannot reach " + at_server(what) + ": " + said + which, infrastructure};
    case kube::error_kind::tls:
      return {"no trusted connection to " + at_server(what) + ": " + said +
                  "\nThe kubeconfig's certificate-authority must be the one that signed the server's certificate.",
              infrastructure};
    case kube::error_kind::timeout:
      return {at_server(what) + " did not answer in time to: " + deed(what) + which, infrastructure};
    case kube::error_kind::connection:
      return {"the connection to " + at_server(what) + " broke (" + said +
                  "); it is not known whether it could still " + deed(what) + "\nSee what is there: " + what.program +
                  " get",
              infrastructure};
    case kube::error_kind::config:
      return {said, infrastructure};
    case kube::error_kind::cancelled:
      return {"stopped", interrupted};
    case kube::error_kind::protocol:
    case kube::error_kind::decode:
      return {at_server(what) + " gave an answer that is not Kubernetes': " + said +
                  "\nIs the server's URL right, or is a proxy in between?",
              infrastructure};
    case kube::error_kind::api:
      break;
  }
  if (e.is_unauthorized()) {
    return {at_server(what) + " does not accept your credentials (401 Unauthorized)." +
                "\nLog in again, or choose another user with --context; \"kubectl auth whoami\" shows who you are.",
            refused};
  }
  if (e.is_namespace_terminating()) {
    return {"cannot " + deed(what) + ": the namespace is being deleted.\nChoose another one with -n.", refused};
  }
  if (e.is_forbidden()) {
    return {"you may not " + deed(what) + ": " + said +
                "\nAsk for the right; \"kubectl auth can-i --list\" shows the ones you have.",
            refused};
  }
  if (e.is_not_found()) {
    if (speaks_of_namespace(e)) {
      return {"there is no namespace " + in_quotes(what.namespace_) + " on " + at_server(what) +
                  ".\nCreate it (kubectl create namespace " + printable(what.namespace_) +
                  ") or choose another with -n.",
              refused};
    }
    // For an object that is missing the Status names it; for a resource that is not served there is no name to give.
    auto const object_missing = !what.name.empty() && e.message().find("\"" + what.name + "\"") != std::string::npos;
    if (object_missing) {
      return {"there is no CodeExecution " + in_quotes(what.name) + " in namespace " + in_quotes(what.namespace_) +
                  ".\n" + what.program + " get" + (what.namespace_.empty() ? "" : " -n " + printable(what.namespace_)) +
                  " lists those there are.",
              refused};
    }
    return {at_server(what) + " does not know CodeExecutions: the operator is not installed there." +
                "\nInstall its CustomResourceDefinition (kubectl apply -f crds/), or choose another cluster with "
                "--context.",
            refused};
  }
  if (e.is_already_exists()) {
    return {"there is a CodeExecution " + in_quotes(what.name) + " in namespace " + in_quotes(what.namespace_) +
                " already." + "\nChoose another --name, or delete it: " + what.program + " delete " +
                (what.namespace_.empty() ? "" : "-n " + printable(what.namespace_) + " ") + printable(what.name),
            refused};
  }
  if (e.is_invalid()) {
    auto const causes = causes_of(e);
    return {"the server refused to " + deed(what) + ":" + (causes.empty() ? " " + said : causes), refused};
  }
  auto const status = std::to_string(e.http_status());
  if (e.http_status() == 429 || e.http_status() >= 500) {
    return {at_server(what) + " could not " + deed(what) + " (" + status + "): " + said + "\nTry again in a while.",
            infrastructure};
  }
  return {"the server refused to " + deed(what) + " (" + status + "): " + said + causes_of(e), refused};
}

}  // namespace codeexec::cli
