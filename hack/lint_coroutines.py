#!/usr/bin/env python3
"""Refuses the coroutine forms that g++ 12.2 compiles into wrong code, most of them without a warning, and some that are
wrong with any compiler.

  hack/lint_coroutines.py FILE... | --self-test

The house rule: a co_await expression contains only names, calls and trivially destructible temporaries, and stands in a
statement of its own. CONTRIBUTING.md says why; this script finds

  condition   if/while/for/switch (... co_await ...)
  ternary     a co_await in a statement with ?:
  lambda      a lambda with captures inside a co_await expression (its captures are destroyed twice)
  braces      an aggregate or a braced list inside a co_await expression (double free, or does not compile)
  several     two co_await in one statement
  detached    asio::detached, which swallows exceptions
  race        awaitable_operators or a parallel_group: || returns once all branches have ended, so that one which takes
              no notice of being cancelled holds up the others for as long as it likes
  closure     co_spawn or spawn of what a capturing lambda has returned: its captures go with the closure, at the end of
              the statement, and the coroutine goes on without them
"""
import re
import sys


def blank_literals(text):
    """Comments, strings and characters become spaces, so that offsets and lines stay."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\s\\]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
        re.S)
    return pattern.sub(lambda m: re.sub(r'[^\n]', ' ', m.group(0)), text)


def opens_initialiser(text, at):
    """Whether the brace at offset `at` opens a braced list (after a type, a name, = , ( or return), and no block."""
    before = text[max(0, at - 400):at].rstrip()
    if before.endswith('{'):
        return opens_initialiser(text, text.rindex('{', 0, at))
    if re.search(r'[=,(>\w]$', before) is None:
        return False
    block = (r'\b(else|do|try|const|noexcept|override|final|mutable|extern)$',
             r'\b(struct|class|union|enum|namespace)\b[^;{}()=]*$',
             r'->[^;{}()=]*$')  # a lambda's return type
    return not any(re.search(pattern, before) for pattern in block)


def statement_start(text, at):
    """Where the statement that holds offset `at` begins: after the nearest ; { } that is in no bracket. Of braces those
    of a braced list are brackets, whether it ended before `at` or is around it."""
    depth = 0
    start = at
    while start > 0:
        c = text[start - 1]
        if c in ')]':
            depth += 1
        elif c in '([':
            depth -= 1
        elif c == '}' and depth <= 0:
            nested = 1
            opening = start - 1
            while opening > 0 and nested > 0:
                opening -= 1
                nested += {'}': 1, '{': -1}.get(text[opening], 0)
            if not opens_initialiser(text, opening):
                break
            start = opening + 1
        elif depth <= 0 and (c == ';' or c == '{' and not opens_initialiser(text, start - 1)):
            break
        start -= 1
    return start


def statement_around(text, at):
    """(start, end) of the statement that holds offset `at`."""
    start = statement_start(text, at)
    depth = 0
    end = at
    while end < len(text):
        c = text[end]
        if c in '([{':
            depth += 1
        elif c in ')]}':
            depth -= 1
            if depth < 0 and c == '}':
                break
        elif c == ';' and depth <= 0:
            break
        end += 1
    return start, end


def condition_ranges(text):
    """(start, end) of the parentheses after if, while, for and switch."""
    for match in re.finditer(r'\b(if|while|for|switch)\s*(constexpr\s*)?\(', text):
        depth = 0
        for end in range(match.end() - 1, len(text)):
            depth += {'(': 1, ')': -1}.get(text[end], 0)
            if depth == 0:
                yield match.end(), end
                break


def bracket_end(text, at):
    """Behind the bracket that closes the one at offset `at`; the end of the text where none does."""
    depth = 0
    for end in range(at, len(text)):
        depth += (text[end] in '([{') - (text[end] in ')]}')
        if depth == 0:
            return end + 1
    return len(text)


def called_closures(text, first, last):
    """Offsets between the two of lambdas with captures that are called where they stand."""
    for match in re.finditer(r'[(,]\s*(\(\s*)*(\[)\s*[^\]\s]', text[first:last]):
        lambda_at = first + match.start(2)
        body = text.find('{', bracket_end(text, lambda_at))
        if body < 0:
            continue
        if re.match(r'[\s)]*\(', text[bracket_end(text, body):last]):
            yield lambda_at


def check(text):
    text = blank_literals(text)
    conditions = list(condition_ranges(text)) if 'co_await' in text else []
    findings = []

    def report(at, rule, message):
        findings.append((text.count('\n', 0, at) + 1, rule, message))

    for match in re.finditer(r'\bdetached\b', text):
        report(match.start(), 'detached', 'swallows exceptions: spawn through async::task_group')
    for match in re.finditer(r'\bawaitable_operators\b|\b\w*parallel_group\b', text):
        report(match.start(), 'race', 'spawn each through async::task_group, and await an async::event with a deadline')
    for match in re.finditer(r'\b(co_)?spawn\s*\(', text):
        for at in called_closures(text, match.end() - 1, bracket_end(text, match.end() - 1)):
            report(at, 'closure', 'spawn a function with parameters by value, or the lambda itself, uncalled')
    last_statement = None
    for match in re.finditer(r'\bco_await\b', text):
        at = match.start()
        start, end = statement_around(text, at)
        before, inside = text[start:at], text[at:end]
        whole = text[start:end]
        if any(first <= at < last for first, last in conditions):
            report(at, 'condition', 'await into a named local first, then test it')
            continue
        if re.search(r'\?(?!\?)', whole) and ':' in whole:
            report(at, 'ternary', 'use if and else, one co_await in each')
        if re.search(r'\[[^\]\[]+\]\s*(\([^()]*\))?\s*(mutable\s*)?(->\s*[\w:<>]+\s*)?\{', inside):
            report(at, 'lambda', 'name the lambda first and std::move it in')
        elif '{' in inside:
            report(at, 'braces', 'build the value in a named local first')
        elif '{' in before and not re.search(r'\)\s*(const\s*)?(->[^{]*)?\{', before):
            report(at, 'braces', 'build the value in a named local first')
        if (start, end) == last_statement:
            report(at, 'several', 'one co_await in a statement')
        last_statement = (start, end)
    return findings


GOOD = [
    'auto const ok = co_await f(a, std::move(b));',
    'auto [ec, n] = co_await s.async_read_some(asio::buffer(x), asio::as_tuple(asio::use_awaitable));',
    'if (ok) { co_await f(); } else { co_await g(); }',
    'for (auto& x : xs) { co_await x.stop(); }',
    'auto r = co_await c.send(std::move(req), base::deadline::after(std::chrono::seconds(5)));',
    '// if (co_await x)\nconst char* s = "while (co_await y)";',
    'co_return co_await f();',
    'case 1: co_await f(); break;',
    'tasks.spawn("x", f(std::move(a)));',
    'tasks.spawn("x", [](int a) -> task<void> { co_await g(a); }(1));',
    'asio::co_spawn(ex, [s]() -> task<void> { co_await g(s); }, [](std::exception_ptr e) { done(e); });',
    'asio::co_spawn(ex, f(xs[0], (y)), token);',
    '// a || b of awaitable_operators',
    'struct waiting : base<int> { static task<void> f() { for (;;) { co_await g(); } } };',
    'auto const f = [&]() -> task<void> { for (;;) { co_await g(); } };',
    'auto const limits = Agg{1, s}; co_await f(limits); std::vector<int> v = {1}; co_await g();',
    'else { co_await f(); } do { co_await g(); } while (x); try { co_await h(); } catch (...) {}',
]
BAD = [
    ('condition', 'if (co_await f()) {}'),
    ('condition', 'while ((co_await f()) > 1) {}'),
    ('condition', '} else if (!co_await f()) {}'),
    ('condition', 'for (; co_await f();) {}'),
    ('ternary', 'auto x = c ? (co_await f()).m : y;'),
    ('lambda', 'co_await co_spawn(ex, [s]() -> asio::awaitable<void> { co_return; }, asio::use_awaitable);'),
    ('braces', 'co_await f({.a = 1});'),
    ('braces', 'co_await f(Agg{1, s});'),
    ('braces', 'Agg v{a, (co_await x).m};'),
    ('braces', 'auto r = f(Agg{1,s}, co_await g());'),
    ('braces', 'f({1,s}, co_await g());'),
    ('braces', 'std::vector<int> v = {1, co_await g()};'),
    ('braces', 'co_return Agg{a,(co_await x()).m};'),
    ('braces', 'auto j = json{{"a", co_await f()}};'),
    ('several', 'auto x = g(co_await f(), co_await h());'),
    ('detached', 'asio::co_spawn(ex, f(), asio::detached);'),
    ('race', '#include <boost/asio/experimental/awaitable_operators.hpp>'),
    ('race', 'using namespace asio::experimental::awaitable_operators;'),
    ('race', 'auto both = asio::experimental::make_parallel_group(std::move(a), std::move(b));'),
    ('race', 'asio::experimental::ranged_parallel_group<op> all(std::move(ops));'),
    ('closure', 'asio::co_spawn(ex, [x]() -> asio::awaitable<void> { co_await g(x); }(), token);'),
    ('closure', 'asio::co_spawn(ex, [&, x = f({1})](int a) mutable -> task<void> { co_return; }(1), token);'),
    ('closure', 'tasks.spawn("x", [this]() -> task<void> { co_await g(); }());'),
    ('closure', 'tasks.spawn("x", ([this]() -> task<void> { co_await g(); })());'),
]


def self_test():
    for text in GOOD:
        found = check('task<void> t() {\n' + text + '\n}')
        assert not found, (text, found)
    for rule, text in BAD:
        found = check('task<void> t() {\n' + text + '\n}')
        assert rule in [r for _, r, _ in found], (rule, text, found)


def main(arguments):
    if not arguments or arguments[0] in ('-h', '--help'):
        print(__doc__)
        return 0 if arguments else 2
    if arguments == ['--self-test']:
        self_test()
        return 0
    failed = False
    for path in arguments:
        with open(path, encoding='utf-8') as file:
            for line, rule, message in check(file.read()):
                print(f'{path}:{line}: [{rule}] {message}')
                failed = True
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
