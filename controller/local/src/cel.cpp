#include "codeexec/local/cel.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <optional>
#include <vector>

#include "codeexec/api/quantity.hpp"
#include "codeexec/local/pattern.hpp"

namespace codeexec::local {

using nlohmann::json;

namespace cel {

enum class op {
  literal,
  variable,
  select,   // children[0].text
  has,      // has(children[0].text)
  index,    // children[0][children[1]]
  negate,   // !
  minus,    // unary -
  binary,   // text is the operator
  both,     // &&
  either,   // ||
  ternary,  // children[0] ? children[1] : children[2]
  call,     // text(children...)
  method,   // children[0].text(children[1...])
  macro,    // children[0].text(variable, children[1...])
  list,
  map,  // key, value, key, value
};

struct node {
  op what;
  std::string text;
  std::string variable;
  json value;
  std::vector<std::shared_ptr<node const>> children;
  std::optional<pattern> compiled;  ///< of matches() with a literal pattern
};

}  // namespace cel

namespace {

using cel::node;
using cel::op;
using node_ptr = std::shared_ptr<node const>;

constexpr int max_depth = 100;

// Parsing ---------------------------------------------------------------------------------------------------------

struct syntax_failure {
  std::size_t at;
  std::string what;
};

enum class token_kind { end, identifier, text, integer, real, symbol };

struct token {
  token_kind kind = token_kind::end;
  std::string text;
  json value;
  std::size_t at = 0;
};

bool starts_identifier(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}

void append_utf8(std::string& out, unsigned long code, std::size_t at) {
  if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
    throw syntax_failure{at, "not a Unicode scalar value"};
  }
  auto const push = [&out](unsigned long byte) { out.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (code < 0x80) {
    push(code);
  } else if (code < 0x800) {
    push(0xC0 | (code >> 6));
    push(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    push(0xE0 | (code >> 12));
    push(0x80 | ((code >> 6) & 0x3F));
    push(0x80 | (code & 0x3F));
  } else {
    push(0xF0 | (code >> 18));
    push(0x80 | ((code >> 12) & 0x3F));
    push(0x80 | ((code >> 6) & 0x3F));
    push(0x80 | (code & 0x3F));
  }
}

class lexer {
 public:
  explicit lexer(std::string_view source) : source_(source) {}

  token next() {
    while (at_ < source_.size() && std::string_view(" \t\r\n\f").find(source_[at_]) != std::string_view::npos) {
      ++at_;
    }
    token out;
    out.at = at_;
    if (at_ >= source_.size()) {
      return out;
    }
    char const c = source_[at_];
    if ((c == 'r' || c == 'R') && at_ + 1 < source_.size() && (source_[at_ + 1] == '"' || source_[at_ + 1] == '\'')) {
      ++at_;
      return text(true, out);
    }
    if (starts_identifier(c)) {
      while (at_ < source_.size() && (starts_identifier(source_[at_]) || digit(source_[at_]))) {
        out.text.push_back(source_[at_++]);
      }
      out.kind = token_kind::identifier;
      return out;
    }
    if (c == '"' || c == '\'') {
      return text(false, out);
    }
    if (digit(c)) {
      return number(out);
    }
    for (std::string_view symbol : {"&&", "||", "==", "!=", "<=", ">="}) {
      if (source_.substr(at_, 2) == symbol) {
        at_ += 2;
        out.kind = token_kind::symbol;
        out.text = symbol;
        return out;
      }
    }
    if (std::string_view("<>!?:()[]{},.+-*/%").find(c) == std::string_view::npos) {
      throw syntax_failure{at_, std::string("unexpected character '") + c + "'"};
    }
    ++at_;
    out.kind = token_kind::symbol;
    out.text = std::string(1, c);
    return out;
  }

 private:
  token number(token out) {
    std::size_t const from = at_;
    bool real = false;
    if (source_.substr(at_, 2) == "0x") {
      throw syntax_failure{at_, "hexadecimal numbers are not supported"};
    }
    while (at_ < source_.size() && digit(source_[at_])) {
      ++at_;
    }
    if (at_ + 1 < source_.size() && source_[at_] == '.' && digit(source_[at_ + 1])) {
      real = true;
      ++at_;
      while (at_ < source_.size() && digit(source_[at_])) {
        ++at_;
      }
    }
    if (at_ < source_.size() && (source_[at_] == 'e' || source_[at_] == 'E')) {
      real = true;
      ++at_;
      if (at_ < source_.size() && (source_[at_] == '+' || source_[at_] == '-')) {
        ++at_;
      }
      while (at_ < source_.size() && digit(source_[at_])) {
        ++at_;
      }
    }
    std::string_view const digits = source_.substr(from, at_ - from);
    if (at_ < source_.size() && (starts_identifier(source_[at_]))) {
      throw syntax_failure{at_, "unsupported number suffix"};
    }
    if (real) {
      out.kind = token_kind::real;
      double value = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), value);
      out.value = value;
    } else {
      out.kind = token_kind::integer;
      std::int64_t value = 0;
      auto const done = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (done.ec != std::errc()) {
        throw syntax_failure{from, "integer out of range"};
      }
      out.value = value;
    }
    return out;
  }

  token text(bool raw, token out) {
    std::size_t const from = at_;
    char const quote = source_[at_];
    bool const triple = source_.substr(at_, 3) == std::string(3, quote);
    at_ += triple ? 3 : 1;
    std::string value;
    while (true) {
      if (at_ >= source_.size()) {
        throw syntax_failure{from, "string without end"};
      }
      char const c = source_[at_];
      if (triple ? source_.substr(at_, 3) == std::string(3, quote) : c == quote) {
        at_ += triple ? 3 : 1;
        break;
      }
      if (c == '\\' && !raw) {
        escape(value);
        continue;
      }
      if (c == '\n' && !triple) {
        throw syntax_failure{at_, "newline in a string"};
      }
      value.push_back(c);
      ++at_;
    }
    out.kind = token_kind::text;
    out.value = std::move(value);
    return out;
  }

  void escape(std::string& value) {
    std::size_t const from = at_;
    ++at_;
    if (at_ >= source_.size()) {
      throw syntax_failure{from, "escape without end"};
    }
    char const c = source_[at_++];
    constexpr std::string_view names = "abfnrtv\\?\"'`";
    constexpr std::string_view values = "\a\b\f\n\r\t\v\\?\"'`";
    if (auto const which = names.find(c); which != std::string_view::npos) {
      value.push_back(values[which]);
      return;
    }
    std::size_t digits = 0;
    int base = 16;
    if (c == 'x' || c == 'X') {
      digits = 2;
    } else if (c == 'u') {
      digits = 4;
    } else if (c == 'U') {
      digits = 8;
    } else if (c >= '0' && c <= '3') {
      digits = 3;
      base = 8;
      --at_;
    } else {
      throw syntax_failure{from, std::string("unknown escape \\") + c};
    }
    std::string_view const code = source_.substr(at_, digits);
    unsigned long number = 0;
    auto const done = std::from_chars(code.data(), code.data() + code.size(), number, base);
    if (code.size() != digits || done.ec != std::errc() || done.ptr != code.data() + code.size()) {
      throw syntax_failure{from, "malformed escape"};
    }
    at_ += digits;
    append_utf8(value, number, from);
  }

  std::string_view source_;
  std::size_t at_ = 0;
};

struct signature {
  std::string_view name;
  std::size_t arguments;
};
constexpr signature functions[] = {{"size", 1}, {"string", 1}, {"int", 1},     {"double", 1},
                                   {"bool", 1}, {"dyn", 1},    {"quantity", 1}};
constexpr signature methods[] = {{"size", 0},      {"startsWith", 1}, {"endsWith", 1},     {"contains", 1},
                                 {"matches", 1},   {"lowerAscii", 0}, {"upperAscii", 0},   {"trim", 0},
                                 {"compareTo", 1}, {"isLessThan", 1}, {"isGreaterThan", 1}};
constexpr std::string_view macros[] = {"all", "exists", "exists_one", "existsOne", "map", "filter"};

/// Recursive descent over CEL's grammar, one function a precedence level.
class parser {
 public:
  parser(std::string_view source, std::vector<std::string> variables) : lexer_(source), scope_(std::move(variables)) {
    advance();
  }

  node_ptr parse() {
    node_ptr root = expression();
    if (now_.kind != token_kind::end) {
      throw syntax_failure{now_.at, "unexpected '" + now_.text + "'"};
    }
    return root;
  }
  bool uses_old_self() const { return uses_old_self_; }

 private:
  struct nesting {
    explicit nesting(parser& p) : owner(p) {
      if (++owner.depth_ > max_depth) {
        throw syntax_failure{owner.now_.at, "nested too deeply"};
      }
    }
    ~nesting() { --owner.depth_; }
    nesting(nesting const&) = delete;
    nesting& operator=(nesting const&) = delete;
    parser& owner;
  };

  void advance() { now_ = lexer_.next(); }
  bool at(std::string_view symbol) const { return now_.kind == token_kind::symbol && now_.text == symbol; }
  bool at_word(std::string_view word) const { return now_.kind == token_kind::identifier && now_.text == word; }
  bool accept(std::string_view symbol) {
    if (!at(symbol)) {
      return false;
    }
    advance();
    return true;
  }
  void expect(std::string_view symbol) {
    if (!accept(symbol)) {
      throw syntax_failure{now_.at, "expected '" + std::string(symbol) + "'"};
    }
  }

  static node_ptr make(op what, std::string text, std::vector<node_ptr> children) {
    node n{what, std::move(text), {}, nullptr, std::move(children), std::nullopt};
    return std::make_shared<node const>(std::move(n));
  }
  static node_ptr literal(json value) {
    return std::make_shared<node const>(node{op::literal, {}, {}, std::move(value), {}, std::nullopt});
  }

  node_ptr expression() {
    nesting const deeper(*this);
    node_ptr condition = disjunction();
    if (!accept("?")) {
      return condition;
    }
    node_ptr yes = disjunction();
    expect(":");
    node_ptr no = expression();
    return make(op::ternary, {}, {condition, yes, no});
  }
  node_ptr disjunction() {
    node_ptr left = conjunction();
    while (accept("||")) {
      left = make(op::either, {}, {left, conjunction()});
    }
    return left;
  }
  node_ptr conjunction() {
    node_ptr left = relation();
    while (accept("&&")) {
      left = make(op::both, {}, {left, relation()});
    }
    return left;
  }
  node_ptr relation() {
    node_ptr left = sum();
    while (at("==") || at("!=") || at("<") || at("<=") || at(">") || at(">=") || at_word("in")) {
      std::string const symbol = now_.text;
      advance();
      left = make(op::binary, symbol, {left, sum()});
    }
    return left;
  }
  node_ptr sum() {
    node_ptr left = product();
    while (at("+") || at("-")) {
      std::string const symbol = now_.text;
      advance();
      left = make(op::binary, symbol, {left, product()});
    }
    return left;
  }
  node_ptr product() {
    node_ptr left = unary();
    while (at("*") || at("/") || at("%")) {
      std::string const symbol = now_.text;
      advance();
      left = make(op::binary, symbol, {left, unary()});
    }
    return left;
  }
  node_ptr unary() {
    nesting const deeper(*this);
    if (accept("!")) {
      return make(op::negate, {}, {unary()});
    }
    if (accept("-")) {
      return make(op::minus, {}, {unary()});
    }
    return member();
  }

  node_ptr member() {
    node_ptr base = primary();
    while (true) {
      if (accept(".")) {
        if (now_.kind != token_kind::identifier) {
          throw syntax_failure{now_.at, "expected a field name"};
        }
        std::string const name = now_.text;
        std::size_t const where = now_.at;
        advance();
        base = accept("(") ? call_on(base, name, where) : make(op::select, unescape(name), {base});
      } else if (accept("[")) {
        node_ptr key = expression();
        expect("]");
        base = make(op::index, {}, {base, key});
      } else {
        return base;
      }
    }
  }

  node_ptr call_on(node_ptr base, std::string const& name, std::size_t where) {
    if (std::find(std::begin(macros), std::end(macros), name) != std::end(macros)) {
      return macro(base, name);
    }
    auto const known =
        std::find_if(std::begin(methods), std::end(methods), [&](auto const& m) { return m.name == name; });
    if (known == std::end(methods)) {
      throw syntax_failure{where, "unknown function '" + name + "'"};
    }
    std::vector<node_ptr> children = arguments();
    if (children.size() != known->arguments) {
      throw syntax_failure{where, "wrong number of arguments to '" + name + "'"};
    }
    children.insert(children.begin(), base);
    node n{op::method, name, {}, nullptr, std::move(children), std::nullopt};
    if (name == "matches" && n.children[1]->what == op::literal && n.children[1]->value.is_string()) {
      auto compiled = pattern::compile(n.children[1]->value.get_ref<std::string const&>());
      if (!compiled) {
        throw syntax_failure{where, compiled.error().message};
      }
      n.compiled = *compiled;
    }
    return std::make_shared<node const>(std::move(n));
  }

  node_ptr macro(node_ptr base, std::string const& name) {
    if (now_.kind != token_kind::identifier) {
      throw syntax_failure{now_.at, "expected a variable"};
    }
    std::string const variable = now_.text;
    advance();
    expect(",");
    scope_.push_back(variable);
    std::vector<node_ptr> children{base, expression()};
    if (name == "map" && accept(",")) {
      children.push_back(expression());
    }
    scope_.pop_back();
    expect(")");
    return std::make_shared<node const>(node{op::macro, name, variable, nullptr, std::move(children), std::nullopt});
  }

  std::vector<node_ptr> arguments() {
    std::vector<node_ptr> out;
    if (accept(")")) {
      return out;
    }
    do {
      out.push_back(expression());
    } while (accept(","));
    expect(")");
    return out;
  }

  node_ptr primary() {
    token const here = now_;
    if (here.kind == token_kind::text || here.kind == token_kind::integer || here.kind == token_kind::real) {
      advance();
      return literal(here.value);
    }
    if (accept("(")) {
      node_ptr inner = expression();
      expect(")");
      return inner;
    }
    if (accept("[")) {
      std::vector<node_ptr> items;
      while (!at("]")) {
        items.push_back(expression());
        if (!accept(",")) {
          break;
        }
      }
      expect("]");
      return make(op::list, {}, std::move(items));
    }
    if (accept("{")) {
      std::vector<node_ptr> entries;
      while (!at("}")) {
        entries.push_back(expression());
        expect(":");
        entries.push_back(expression());
        if (!accept(",")) {
          break;
        }
      }
      expect("}");
      return make(op::map, {}, std::move(entries));
    }
    if (here.kind != token_kind::identifier) {
      throw syntax_failure{here.at, here.kind == token_kind::end ? "unexpected end" : "unexpected '" + here.text + "'"};
    }
    advance();
    if (here.text == "true" || here.text == "false") {
      return literal(here.text == "true");
    }
    if (here.text == "null") {
      return literal(nullptr);
    }
    if (accept("(")) {
      return function(here);
    }
    if (std::find(scope_.begin(), scope_.end(), here.text) == scope_.end()) {
      throw syntax_failure{here.at, "undeclared reference to '" + here.text + "'"};
    }
    uses_old_self_ = uses_old_self_ || here.text == "oldSelf";
    return make(op::variable, here.text, {});
  }

  node_ptr function(token const& name) {
    std::vector<node_ptr> given = arguments();
    if (name.text == "has") {
      if (given.size() != 1 || given[0]->what != op::select) {
        throw syntax_failure{name.at, "has() takes one field selection"};
      }
      return make(op::has, given[0]->text, given[0]->children);
    }
    for (signature const& known : functions) {
      if (known.name == name.text) {
        if (given.size() != known.arguments) {
          throw syntax_failure{name.at, "wrong number of arguments to '" + name.text + "'"};
        }
        return make(op::call, name.text, std::move(given));
      }
    }
    throw syntax_failure{name.at, "unknown function '" + name.text + "'"};
  }

  /// Property names that are no identifiers are written escaped (Kubernetes documentation, "Escaping").
  static std::string unescape(std::string const& name) {
    constexpr std::pair<std::string_view, std::string_view> escapes[] = {
        {"__underscores__", "__"}, {"__dot__", "."}, {"__dash__", "-"}, {"__slash__", "/"}};
    std::string out = name;
    for (auto const& [from, to] : escapes) {
      for (auto at = out.find(from); at != std::string::npos; at = out.find(from, at + to.size())) {
        out.replace(at, from.size(), to);
      }
    }
    if (out.size() > 4 && out.substr(0, 2) == "__" && out.substr(out.size() - 2) == "__") {
      return out.substr(2, out.size() - 4);  // a CEL keyword: __namespace__
    }
    return out;
  }

  lexer lexer_;
  token now_;
  std::vector<std::string> scope_;
  int depth_ = 0;
  bool uses_old_self_ = false;
};

// Evaluation ------------------------------------------------------------------------------------------------------

/// A value borrowed from the object under test where possible, made where not; or CEL's error.
class value {
 public:
  static value borrowed(json const& v) {
    value out;
    out.borrowed_ = &v;
    return out;
  }
  static value made(json v) {
    value out;
    out.made_ = std::move(v);
    return out;
  }
  static value failed(std::string why) {
    value out;
    out.error_ = std::move(why);
    return out;
  }

  bool failed() const { return error_.has_value(); }
  std::string const& why() const { return *error_; }
  json const& get() const { return borrowed_ != nullptr ? *borrowed_ : made_; }
  bool is_bool(bool which) const { return !failed() && get().is_boolean() && get().get<bool>() == which; }

 private:
  json const* borrowed_ = nullptr;
  json made_;
  std::optional<std::string> error_;
};

std::size_t code_points(std::string const& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
}

value no_overload() {
  return value::failed("no such overload");
}

/// A quantity among JSON values: an object with one key that no object of the API has.
constexpr char const* quantity_key = "";

value quantity_of(json const& v) {
  if (!v.is_string()) {
    return no_overload();
  }
  auto const& text = v.get_ref<std::string const&>();
  return api::quantity::parse(text) ? value::made(json{{quantity_key, text}})
                                    : value::failed("quantities must match the regular expression");
}

value compare_quantities(std::string_view how, json const& a, json const& b) {
  if (!a.is_object() || !b.is_object() || !a.contains(quantity_key) || !b.contains(quantity_key)) {
    return no_overload();
  }
  auto const left = api::quantity::parse(a[quantity_key].get_ref<std::string const&>());
  auto const right = api::quantity::parse(b[quantity_key].get_ref<std::string const&>());
  int const order = *left < *right ? -1 : *right < *left ? 1 : 0;
  return value::made(how == "compareTo" ? json(order) : json(how == "isLessThan" ? order < 0 : order > 0));
}

class evaluator {
 public:
  explicit evaluator(std::map<std::string, json> const& variables) {
    for (auto const& [name, what] : variables) {
      variables_.emplace_back(name, &what);
    }
  }
  evaluator(json const& self, json const* old_self) {
    variables_.emplace_back("self", &self);
    if (old_self != nullptr) {
      variables_.emplace_back("oldSelf", old_self);
    }
  }

  value run(node const& n) {
    switch (n.what) {
      case op::literal:
        return value::borrowed(n.value);
      case op::variable:
        return variable(n.text);
      case op::select:
        return select(n);
      case op::has:
        return has(n);
      case op::index:
        return index(n);
      case op::negate: {
        value v = run(*n.children[0]);
        if (v.failed()) {
          return v;
        }
        return v.get().is_boolean() ? value::made(!v.get().get<bool>()) : no_overload();
      }
      case op::minus: {
        value v = run(*n.children[0]);
        if (v.failed()) {
          return v;
        }
        return arithmetic("-", json(0), v.get());
      }
      case op::binary:
        return binary(n);
      case op::both:
        return logical(n, false);
      case op::either:
        return logical(n, true);
      case op::ternary: {
        value v = run(*n.children[0]);
        if (v.failed()) {
          return v;
        }
        if (!v.get().is_boolean()) {
          return no_overload();
        }
        return run(*n.children[v.get().get<bool>() ? 1 : 2]);
      }
      case op::call:
        return call(n);
      case op::method:
        return method(n);
      case op::macro:
        return macro(n);
      case op::list: {
        json out = json::array();
        for (auto const& child : n.children) {
          value v = run(*child);
          if (v.failed()) {
            return v;
          }
          out.push_back(v.get());
        }
        return value::made(std::move(out));
      }
      case op::map: {
        json out = json::object();
        for (std::size_t i = 0; i + 1 < n.children.size(); i += 2) {
          value key = run(*n.children[i]);
          value entry = run(*n.children[i + 1]);
          if (key.failed()) {
            return key;
          }
          if (entry.failed()) {
            return entry;
          }
          if (!key.get().is_string()) {
            return no_overload();
          }
          out[key.get().get_ref<std::string const&>()] = entry.get();
        }
        return value::made(std::move(out));
      }
    }
    return no_overload();
  }

 private:
  value variable(std::string const& name) {
    for (auto at = variables_.rbegin(); at != variables_.rend(); ++at) {
      if (at->first == name) {
        return value::borrowed(*at->second);
      }
    }
    return value::failed("no such attribute: " + name);
  }

  /// What was found inside a value; a temporary dies with this step, so it is copied out of.
  static value child_of(json const& found, bool temporary) {
    return temporary ? value::made(found) : value::borrowed(found);
  }

  static bool lives(node const& n) {
    // Selections and variables borrow from the object; everything else may be a temporary.
    return n.what == op::variable || n.what == op::literal ||
           ((n.what == op::select || n.what == op::index) && lives(*n.children[0]));
  }

  value select(node const& n) {
    value base = run(*n.children[0]);
    if (base.failed()) {
      return base;
    }
    if (!base.get().is_object()) {
      return no_overload();
    }
    auto const found = base.get().find(n.text);
    if (found == base.get().end()) {
      return value::failed("no such key: " + n.text);
    }
    return child_of(*found, !lives(*n.children[0]));
  }

  value has(node const& n) {
    value base = run(*n.children[0]);
    if (base.failed()) {
      return base;
    }
    if (!base.get().is_object()) {
      return no_overload();
    }
    return value::made(base.get().contains(n.text));
  }

  value index(node const& n) {
    value base = run(*n.children[0]);
    if (base.failed()) {
      return base;
    }
    value key = run(*n.children[1]);
    if (key.failed()) {
      return key;
    }
    bool const temporary = !lives(*n.children[0]);
    if (base.get().is_object() && key.get().is_string()) {
      auto const found = base.get().find(key.get().get_ref<std::string const&>());
      if (found == base.get().end()) {
        return value::failed("no such key: " + key.get().get<std::string>());
      }
      return child_of(*found, temporary);
    }
    if (base.get().is_array() && key.get().is_number_integer()) {
      auto const at = key.get().get<std::int64_t>();
      if (at < 0 || static_cast<std::size_t>(at) >= base.get().size()) {
        return value::failed("index out of bounds: " + std::to_string(at));
      }
      return child_of(base.get()[static_cast<std::size_t>(at)], temporary);
    }
    return no_overload();
  }

  /// && and || are commutative: an error on one side does not matter where the other side decides.
  value logical(node const& n, bool deciding) {
    value left = run(*n.children[0]);
    if (left.is_bool(deciding)) {
      return left;
    }
    value right = run(*n.children[1]);
    if (right.is_bool(deciding)) {
      return right;
    }
    if (left.failed()) {
      return left;
    }
    if (right.failed()) {
      return right;
    }
    if (!left.get().is_boolean() || !right.get().is_boolean()) {
      return no_overload();
    }
    return value::made(!deciding);
  }

  static value arithmetic(std::string_view symbol, json const& a, json const& b) {
    if (a.is_string() && b.is_string() && symbol == "+") {
      return value::made(a.get_ref<std::string const&>() + b.get_ref<std::string const&>());
    }
    if (a.is_array() && b.is_array() && symbol == "+") {
      json out = a;
      out.insert(out.end(), b.begin(), b.end());
      return value::made(std::move(out));
    }
    if (a.is_number_integer() && b.is_number_integer()) {
      return integers(symbol, a.get<std::int64_t>(), b.get<std::int64_t>());
    }
    if (a.is_number() && b.is_number()) {
      double const x = a.get<double>();
      double const y = b.get<double>();
      switch (symbol[0]) {
        case '+':
          return value::made(x + y);
        case '-':
          return value::made(x - y);
        case '*':
          return value::made(x * y);
        case '/':
          return value::made(x / y);
        default:
          return no_overload();
      }
    }
    return no_overload();
  }

  static value integers(std::string_view symbol, std::int64_t x, std::int64_t y) {
    std::int64_t out = 0;
    bool overflow = false;
    switch (symbol[0]) {
      case '+':
        overflow = __builtin_add_overflow(x, y, &out);
        break;
      case '-':
        overflow = __builtin_sub_overflow(x, y, &out);
        break;
      case '*':
        overflow = __builtin_mul_overflow(x, y, &out);
        break;
      default:
        if (y == 0) {
          return value::failed(symbol[0] == '/' ? "division by zero" : "modulus by zero");
        }
        if (y == -1) {
          overflow = symbol[0] == '/' && __builtin_sub_overflow(std::int64_t{0}, x, &out);
        } else {
          out = symbol[0] == '/' ? x / y : x % y;
        }
    }
    return overflow ? value::failed("integer overflow") : value::made(out);
  }

  value binary(node const& n) {
    value left = run(*n.children[0]);
    if (left.failed()) {
      return left;
    }
    value right = run(*n.children[1]);
    if (right.failed()) {
      return right;
    }
    json const& a = left.get();
    json const& b = right.get();
    if (n.text == "==" || n.text == "!=") {
      return value::made((a == b) == (n.text == "=="));
    }
    if (n.text == "in") {
      if (b.is_array()) {
        return value::made(std::find(b.begin(), b.end(), a) != b.end());
      }
      if (b.is_object() && a.is_string()) {
        return value::made(b.contains(a.get_ref<std::string const&>()));
      }
      return no_overload();
    }
    if (n.text == "<" || n.text == "<=" || n.text == ">" || n.text == ">=") {
      bool const comparable =
          (a.is_number() && b.is_number()) || (a.is_string() && b.is_string()) || (a.is_boolean() && b.is_boolean());
      if (!comparable) {
        return no_overload();
      }
      if (n.text == "<") {
        return value::made(a < b);
      }
      if (n.text == "<=") {
        return value::made(a <= b);
      }
      return value::made(n.text == ">" ? a > b : a >= b);
    }
    return arithmetic(n.text, a, b);
  }

  static value size_of(json const& v) {
    if (v.is_string()) {
      return value::made(static_cast<std::int64_t>(code_points(v.get_ref<std::string const&>())));
    }
    if (v.is_array() || v.is_object()) {
      return value::made(static_cast<std::int64_t>(v.size()));
    }
    return no_overload();
  }

  value call(node const& n) {
    value argument = run(*n.children[0]);
    if (argument.failed() || n.text == "dyn") {
      return argument;
    }
    json const& v = argument.get();
    if (n.text == "size") {
      return size_of(v);
    }
    if (n.text == "quantity") {
      return quantity_of(v);
    }
    if (n.text == "string") {
      if (v.is_string()) {
        return argument;
      }
      return v.is_number() || v.is_boolean() ? value::made(v.dump()) : no_overload();
    }
    if (n.text == "int") {
      if (v.is_number_integer()) {
        return argument;
      }
      if (v.is_number_float()) {
        double const number = std::trunc(v.get<double>());
        if (!(number > -9.2e18 && number < 9.2e18)) {
          return value::failed("integer overflow");
        }
        return value::made(static_cast<std::int64_t>(number));
      }
      if (v.is_string()) {
        std::string const& text = v.get_ref<std::string const&>();
        std::int64_t out = 0;
        auto const done = std::from_chars(text.data(), text.data() + text.size(), out);
        if (done.ec != std::errc() || done.ptr != text.data() + text.size()) {
          return value::failed("cannot convert to int: " + text);
        }
        return value::made(out);
      }
      return no_overload();
    }
    if (n.text == "double") {
      return v.is_number() ? value::made(v.get<double>()) : no_overload();
    }
    return v.is_boolean() ? argument : no_overload();  // bool()
  }

  value method(node const& n) {
    value base = run(*n.children[0]);
    if (base.failed()) {
      return base;
    }
    if (n.text == "size") {
      return size_of(base.get());
    }
    if (n.text == "compareTo" || n.text == "isLessThan" || n.text == "isGreaterThan") {
      value const other = run(*n.children[1]);
      return other.failed() ? other : compare_quantities(n.text, base.get(), other.get());
    }
    if (!base.get().is_string()) {
      return no_overload();
    }
    std::string const& text = base.get().get_ref<std::string const&>();
    if (n.children.size() == 1) {
      return transformed(n.text, text);
    }
    value argument = run(*n.children[1]);
    if (argument.failed()) {
      return argument;
    }
    if (!argument.get().is_string()) {
      return no_overload();
    }
    std::string const& other = argument.get().get_ref<std::string const&>();
    if (n.text == "startsWith") {
      return value::made(text.compare(0, other.size(), other) == 0);
    }
    if (n.text == "endsWith") {
      return value::made(text.size() >= other.size() &&
                         text.compare(text.size() - other.size(), other.size(), other) == 0);
    }
    if (n.text == "contains") {
      return value::made(text.find(other) != std::string::npos);
    }
    if (n.compiled) {
      return value::made(n.compiled->found_in(text));
    }
    auto const made = pattern::compile(other);
    return made ? value::made(made->found_in(text)) : value::failed(made.error().message);
  }

  static value transformed(std::string_view name, std::string text) {
    if (name == "trim") {
      auto const from = text.find_first_not_of(" \t\r\n\f\v");
      auto const to = text.find_last_not_of(" \t\r\n\f\v");
      return value::made(from == std::string::npos ? std::string() : text.substr(from, to - from + 1));
    }
    bool const lower = name == "lowerAscii";
    for (char& c : text) {
      if (lower && c >= 'A' && c <= 'Z') {
        c = static_cast<char>(c - 'A' + 'a');
      } else if (!lower && c >= 'a' && c <= 'z') {
        c = static_cast<char>(c - 'a' + 'A');
      }
    }
    return value::made(std::move(text));
  }

  value macro(node const& n) {
    value base = run(*n.children[0]);
    if (base.failed()) {
      return base;
    }
    // Over a map, the variable is the key.
    json keys = json::array();
    if (base.get().is_object()) {
      for (auto const& [key, unused] : base.get().items()) {
        keys.push_back(key);
      }
    } else if (!base.get().is_array()) {
      return no_overload();
    }
    json const& over = base.get().is_object() ? keys : base.get();
    json collected = json::array();
    std::size_t yes = 0;
    std::optional<value> first_error;
    for (json const& item : over) {
      variables_.emplace_back(n.variable, &item);
      value v = run(*n.children[1]);
      std::optional<value> mapped;
      if (n.children.size() == 3 && v.is_bool(true)) {
        mapped = run(*n.children[2]);
      }
      variables_.pop_back();
      if (n.text == "all" || n.text == "exists") {
        bool const deciding = n.text == "exists";
        if (v.is_bool(deciding)) {
          return value::made(deciding);
        }
        if (!first_error && (v.failed() || !v.get().is_boolean())) {
          first_error = v.failed() ? v : no_overload();
        }
        continue;
      }
      if (v.failed()) {
        return v;
      }
      if (n.text == "map" && n.children.size() == 2) {
        collected.push_back(v.get());
        continue;
      }
      if (!v.get().is_boolean()) {
        return no_overload();
      }
      if (!v.get().get<bool>()) {
        continue;
      }
      ++yes;
      if (mapped) {
        if (mapped->failed()) {
          return *mapped;
        }
        collected.push_back(mapped->get());
      } else {
        collected.push_back(item);
      }
    }
    if (n.text == "all" || n.text == "exists") {
      return first_error ? *first_error : value::made(n.text == "all");
    }
    if (n.text == "exists_one" || n.text == "existsOne") {
      return value::made(yes == 1);
    }
    return value::made(std::move(collected));
  }

  std::vector<std::pair<std::string, json const*>> variables_;
};

}  // namespace

base::result<cel_program> cel_program::compile(std::string_view source) {
  return compile(source, {"self", "oldSelf"});
}

base::result<cel_program> cel_program::compile(std::string_view source, std::vector<std::string> variables) {
  try {
    parser p(source, std::move(variables));
    cel_program out;
    out.root_ = p.parse();
    out.uses_old_self_ = p.uses_old_self();
    return out;
  } catch (syntax_failure const& failure) {
    return base::error(failure.what + " at byte " + std::to_string(failure.at));
  }
}

base::result<json> cel_program::compute(json const& self, json const* old_self) const {
  evaluator run(self, old_self);
  value const v = run.run(*root_);
  if (v.failed()) {
    return base::error(v.why());
  }
  return base::result<json>(boost::system::in_place_value, v.get());
}

base::result<json> cel_program::compute(std::map<std::string, json> const& variables) const {
  evaluator run(variables);
  value const v = run.run(*root_);
  if (v.failed()) {
    return base::error(v.why());
  }
  return base::result<json>(boost::system::in_place_value, v.get());
}

base::result<bool> cel_program::evaluate(json const& self, json const* old_self) const {
  evaluator run(self, old_self);
  value const v = run.run(*root_);
  if (v.failed()) {
    return base::error(v.why());
  }
  if (!v.get().is_boolean()) {
    return base::error("the rule is not a truth value");
  }
  return v.get().get<bool>();
}

}  // namespace codeexec::local
