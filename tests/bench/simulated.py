"""The operator against a simulated cluster (bench_cluster) in a process of its own: what each spends, and what is asked.

Both are real programs that talk over loopback. The operator is started as in a cluster, but for its limit of requests a second.
Standard library only.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TICKS = os.sysconf('SC_CLK_TCK')


class Cluster:
    """bench_cluster, obeying one command after another."""

    def __init__(self, programs, folder, tls=False, paged=False):
        self.kubeconfig = os.path.join(folder, 'kubeconfig')
        self.programs = programs
        self.process = subprocess.Popen(
            [os.path.join(programs, 'bench_cluster'), '--kubeconfig', self.kubeconfig]
            + ['--tls'] * tls + ['--paged-lists'] * paged,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit('bench: the simulated cluster has ended')
        return json.loads(line)

    def do(self, what, **how):
        self.process.stdin.write(json.dumps({'do': what, **how}) + '\n')
        self.process.stdin.flush()
        got = self.answer()
        if 'error' in got:
            sys.exit(f'bench: {what}: {got["error"]}')
        return got

    def run(self, **how):
        got = self.do('run', **how)
        if got['finished'] != got['count'] and not how.get('until_running'):
            sys.exit(f'bench: only {got["finished"]} of {got["count"]} executions have a result')
        return got

    def probe(self, method, count=2000, rate=0):
        """Milliseconds that a plain request takes, with the operator's own client in a third process. Without a rate one
        follows the other, and nobody ever sleeps; with one, client and server are woken for each."""
        got = subprocess.run([os.path.join(self.programs, 'bench_cluster'), '--kubeconfig', self.kubeconfig, '--probe', str(count),
                              '--probe-rate', str(rate), '--method', method], check=True, capture_output=True, text=True)
        return json.loads(got.stdout)

    def end(self):
        self.process.stdin.close()
        if self.process.wait(60) != 0:
            sys.exit('bench: the simulated cluster has failed')


class Operator:
    """codeexec-controller, ready."""

    def __init__(self, programs, folder, cluster, extra=(), wrapper=()):
        self.ready_file = os.path.join(folder, 'ready')
        self.log = os.path.join(folder, 'operator.log')
        with open(self.log, 'a', encoding='utf-8') as log:
            self.started = time.monotonic()
            self.process = subprocess.Popen(
                [*wrapper, os.path.join(programs, 'codeexec-controller'), '--kubeconfig', cluster.kubeconfig,
                 '--kube-api-qps', '0', '--log-level', 'warn', '--ready-file', self.ready_file, *extra],
                stderr=log, env={**os.environ, 'HTTPS_PROXY': '', 'HTTP_PROXY': ''})

    def wait_ready(self, patience=120):
        while not os.path.exists(self.ready_file):
            if self.process.poll() is not None or time.monotonic() - self.started > patience:
                self.complain('the operator did not become ready')
            time.sleep(0.002)
        return time.monotonic() - self.started

    def complain(self, what):
        with open(self.log, encoding='utf-8') as log:
            sys.exit(f'bench: {what}; its log ends:\n' + ''.join(log.readlines()[-10:]))

    def memory(self):
        """MiB: resident, its own share of that, and the most there ever was."""
        values = {}
        for name in ('smaps_rollup', 'status'):
            with open(f'/proc/{self.process.pid}/{name}', encoding='ascii', errors='replace') as file:
                for line in file:
                    word, _, rest = line.partition(':')
                    if word in ('Rss', 'Pss', 'VmHWM'):
                        values[word] = int(rest.split()[0]) / 1024
        return values

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(90)
        if code != 0:
            self.complain(f'the operator ended with {code}')


def cpu_seconds(process):
    """Of all its threads, user and system, to a hundredth."""
    with open(f'/proc/{process.pid}/stat', encoding='ascii', errors='replace') as file:
        fields = file.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Stage:
    """A folder, a cluster and an operator, and their end."""

    def __init__(self, programs, tls=False, paged=False, fill=None, extra=(), wrapper=()):
        self.folder = tempfile.mkdtemp(prefix='codeexec-bench.')
        self.cluster = Cluster(programs, self.folder, tls, paged)
        if fill:
            self.cluster.do('fill', **fill)
        self.operator = Operator(programs, self.folder, self.cluster, extra, wrapper)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        for process in (self.operator.process, self.cluster.process):
            if kind is not None:
                process.kill()
        try:
            if kind is None:
                self.operator.end()
                self.cluster.end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def measured(self, **load):
        """A load, with the processor time that each side spent on it."""
        before = cpu_seconds(self.operator.process), cpu_seconds(self.cluster.process)
        self.cluster.do('reset')
        got = self.cluster.run(**load)
        got['operator_cpu'] = cpu_seconds(self.operator.process) - before[0]
        got['cluster_cpu'] = cpu_seconds(self.cluster.process) - before[1]
        got['traffic'] = self.cluster.do('traffic')
        return got


def machine():
    """One line that says what the figures were taken on, and how busy it was."""
    model = 'unknown processor'
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        for line in file:
            if line.startswith('model name'):
                model = line.split(':', 1)[1].strip()
                break
    load = ' '.join(f'{value:.1f}' for value in os.getloadavg())
    return f'{os.cpu_count()} x {model}; load average before: {load}'


def share(programs, options):
    """The operator's own share: from the creation to the Job, from the Pod's end to the status."""
    print(machine())
    print(f'{options.runs or 300} executions, 20 a second, each of 20 ms, 100 bytes of output. Milliseconds; in brackets: round trips')
    print('of a PATCH that comes as seldom, and of one of many that follow each other at once')
    print(f'{"":<34}{"p50":>9}{"p99":>9}')
    for tls in (False, True):
        with Stage(programs, tls=tls) as on:
            on.operator.wait_ready()
            on.cluster.run(count=20, rate=20)  # caches, connections, the namespaces' own objects
            trip = on.cluster.probe('get')
            write = on.cluster.probe('patch')
            seldom = on.cluster.probe('patch', 200, 20)
            got = on.cluster.run(count=options.runs or 300, rate=20, runs_for_ms=20)
        print('over TLS' if tls else 'plain HTTP')
        for name, one in (('  plain GET, one after another', trip), ('  plain PATCH, one after another', write),
                          ('  plain PATCH, 20 a second', seldom),
                          ('  creation to Job', got['create_to_job_ms']), ('  Pod\'s end to status', got['end_to_status_ms'])):
            trips = '' if 'plain' in name else f'   ({one["p50"] / seldom["p50"]:.1f}, {one["p50"] / write["p50"]:.1f})'
            print(f'{name:<34}{one["p50"]:9.3f}{one["p99"]:9.3f}{trips}')


def requests(programs, options):
    """What the operator asks of the API server for one execution, and the bytes of it."""
    print(machine())
    count = options.runs or 200
    for title, load in (('each runs for 300 ms, 100 B of output', {'runs_for_ms': 300}),
                        ('each runs for 3 s, 100 B of output (its running is written too)', {'runs_for_ms': 3000}),
                        ('each ends at once, 100 B of output', {}),
                        ('each runs for 300 ms, 200 KiB of output', {'runs_for_ms': 300, 'output': 200 * 1024})):
        with Stage(programs) as on:
            on.operator.wait_ready()
            on.cluster.run(count=20, rate=50)
            got = on.measured(count=count, rate=50, **load)
        traffic = got['traffic']
        print(f'\n{count} executions, 50 a second, {title}')
        print(f'{"  per execution":<34}{"requests":>10}{"bytes out":>12}{"bytes in":>12}')
        total = [0.0, 0.0, 0.0]
        for name, call in sorted(traffic['calls'].items()):
            if name.startswith('WATCH') or not call['calls']:
                continue
            row = [call['calls'] / count, call['bytes_in'] / count, call['bytes_out'] / count]
            total = [sum(pair) for pair in zip(total, row)]
            print(f'  {name:<32}{row[0]:10.2f}{row[1]:12.0f}{row[2]:12.0f}')
        print(f'  {"all (aim: at most 6)":<32}{total[0]:10.2f}{total[1]:12.0f}{total[2]:12.0f}')
        print(f'  {"watch events, beside them":<32}{traffic["watch_events"] / count:10.2f}{"":>12}{traffic["watch_bytes"] / count:12.0f}')


def throughput(programs, options):
    """How many a second, what each costs, and how long they wait, at several sizes and rates."""
    print(machine())
    flood = options.objects or 3000
    print('create to result in ms; processor ms per execution; who works all the time limits\n')
    print(f'{"":<38}{"a second":>9}{"p50":>9}{"p99":>9}{"operator":>10}{"cluster":>9}   quarters done after s, longest pause')

    def row(title, got):
        seconds = got['seconds']
        operator, cluster = got['operator_cpu'], got['cluster_cpu']
        quarters = ' '.join(f'{value:.2f}' for value in got['quarters_s'])
        print(f'{title:<38}{got["count"] / seconds:9.0f}{got["create_to_result_ms"]["p50"]:9.1f}'
              f'{got["create_to_result_ms"]["p99"]:9.1f}{operator / got["count"] * 1000:10.2f}'
              f'{cluster / got["count"] * 1000:9.2f}   {quarters}; {got["longest_pause_ms"]:.0f} ms; busy: operator '
              f'{operator / seconds:.0%}, cluster {cluster / seconds:.0%}')
    for tls in (False, True):
        print('over TLS' if tls else 'plain HTTP')
        for output, count in ((100, flood), (10 * 1024, flood // 2), (200 * 1024, flood // 10)):
            with Stage(programs, tls=tls) as on:
                on.operator.wait_ready()
                on.cluster.run(count=100)
                row(f'  {count} at once, {size_text(output)} each', on.measured(count=count, output=output))
        with Stage(programs, tls=tls) as on:
            on.operator.wait_ready()
            on.cluster.run(count=100)
            for rate, count in ((5, 50), (50, 500)):
                row(f'  {rate} a second, 100 B', on.measured(count=count, rate=rate))
                row(f'  {rate} a second, 100 B, runs 200 ms', on.measured(count=count, rate=rate, runs_for_ms=200))


def size_text(size):
    return f'{size} B' if size < 1024 else f'{size // 1024} KiB'


def memory(programs, options):
    """Resident memory, idle and full, and after many executions: with --runs so many, else what two minutes bring."""
    print(machine())
    print(f'{"operator, MiB":<50}{"RSS":>8}{"PSS":>8}{"most":>8}')

    def row(title, on):
        time.sleep(1.5)  # what was done late is done
        now = on.operator.memory()
        print(f'{title:<50}{now["Rss"]:8.1f}{now["Pss"]:8.1f}{now["VmHWM"]:8.1f}', flush=True)
    with Stage(programs) as on:
        on.operator.wait_ready()
        row('idle (aim 12)', on)
        on.cluster.run(count=1000, runs_for_ms=15000, until_running=True)
        row('1,000 running', on)
    with Stage(programs) as on:
        on.operator.wait_ready()
        on.cluster.run(count=3000)
        row('3,000 finished, run by this operator (aim 24)', on)
    for count, aim in ((1000, ''), (3000, ''), (10000, ''), (options.objects or 100000, ' (aim 256 at 100,000)')):
        with Stage(programs, fill={'count': count}) as on:
            on.operator.wait_ready()
            row(f'{count:,} finished, found at the start{aim}', on)
    many = options.runs or 1000000
    with Stage(programs) as on:
        on.operator.wait_ready()
        begin = time.monotonic()
        done, said = 0, 0
        while done < many and (options.runs or time.monotonic() - begin < 120):
            on.cluster.run(count=500, keep=500)
            done += 500
            if done >= 2 * said or done >= many:
                row(f'after {done:,}, 500 at once, of which 500 stay', on)
                said = done
        row(f'after {done:,}' + (' (cut short after 120 s)' if done < many else ''), on)


def leaks(programs, options):
    """valgrind's word on an operator that has run a few executions and was stopped."""
    if shutil.which('valgrind') is None:
        sys.exit('bench: the leak check needs valgrind (Debian package valgrind)')
    folder = tempfile.mkdtemp(prefix='codeexec-bench.')
    report = os.path.join(folder, 'valgrind')
    try:
        # The operator's malloc is mimalloc's: without the synonym valgrind would watch another, and its delete is its free.
        with Stage(programs, wrapper=['valgrind', '--quiet', '--soname-synonyms=somalloc=*mimalloc*',
                                      '--show-mismatched-frees=no',
                                      '--leak-check=full', '--show-leak-kinds=definite,indirect',
                                      '--errors-for-leak-kinds=definite', '--error-exitcode=9',
                                      f'--log-file={report}']) as on:
            on.operator.wait_ready()
            on.cluster.run(count=options.runs or 300, keep=100)
    except SystemExit:
        if os.path.exists(report):
            with open(report, encoding='utf-8') as file:
                sys.stderr.write(file.read())
        raise
    else:
        with open(report, encoding='utf-8') as file:
            said = file.read()
        print(said or f'{options.runs or 300} executions, 100 of which stayed: valgrind found no error and nothing lost')
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def restart(programs, options):
    """How long until an operator that starts is ready, and what it asks for."""
    print(machine())
    largest = options.objects or 100000
    print(f'{"finished CodeExecutions":<34}{"ready s":>9}{"cpu s":>9}{"RSS MiB":>9}{"requests":>10}{"MiB read":>10}{"  settled, cpu s":>16}')
    for paged in (False, True):
        print('in pages of 500, as before Kubernetes 1.32' if paged else 'streaming lists')
        for count in sorted({1000, 10000, largest}):
            with Stage(programs, paged=paged, fill={'count': count}) as on:
                ready = on.operator.wait_ready()
                spent = cpu_seconds(on.operator.process)
                resident = on.operator.memory()['Rss']
                traffic = on.cluster.do('traffic')
                time.sleep(2 if count < 50000 else 6)
                settled = cpu_seconds(on.operator.process)
                later = on.cluster.do('traffic')
            calls = sum(call['calls'] for call in traffic['calls'].values())
            after = sum(call['calls'] for call in later['calls'].values()) - calls
            read = traffic['watch_bytes'] + sum(call['bytes_out'] for call in traffic['calls'].values())
            print(f'  {count:<32,}{ready:9.2f}{spent:9.2f}{resident:9.0f}{calls:10}{read / 1048576:10.0f}{settled:12.2f}  and {after} requests more')


BENCHMARKS = {'share': share, 'requests': requests, 'throughput': throughput, 'memory': memory, 'leaks': leaks,
              'restart': restart}
