"""Programs that print values in their own ways, each run for many values at once.

An `Encoder` gives, for each value, what a program prints of it, and decodes such a text again, so that
a test can search for the value in what is left of it.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import quopri
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, unquote_plus

MARK = "=====8f1d====="


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """One program: *text* tells it what to do; it prints MARK after each value."""

    name: str
    run: Callable[[Sequence[str], Path], list[str]]
    decode: Callable[[str], str]
    needs: str

    @property
    def here(self) -> bool:
        return shutil.which(self.needs) is not None


def parted(out: bytes, count: int) -> list[str]:
    parts = out.decode("utf-8", "replace").split(MARK + "\n")
    assert len(parts) == count + 1, (len(parts), count, out[-300:])
    return parts[:-1]


def shell(
    program: str, body: str, *, locale: str = "C.UTF-8"
) -> Callable[[Sequence[str], Path], list[str]]:
    """Run *body* once for each value, which is in $V."""

    def run(values: Sequence[str], place: Path) -> list[str]:
        script = f'for V in "$@"; do\n{body}\nprintf "{MARK}\\n"\ndone'
        done = subprocess.run(
            [program, "-c", script, "x", *values], capture_output=True, cwd=place, check=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": locale},
        )  # fmt: skip
        return parted(done.stdout, len(values))

    return run


def fed(words: Sequence[str]) -> Callable[[Sequence[str], Path], list[str]]:
    """Give a program the values as JSON on its standard input."""

    def run(values: Sequence[str], place: Path) -> list[str]:
        done = subprocess.run(
            words,
            input=json.dumps(list(values)).encode(),
            capture_output=True,
            cwd=place,
            check=True,
        )
        return parted(done.stdout, len(values))

    return run


def node(expression: str) -> Callable[[Sequence[str], Path], list[str]]:
    script = (
        "const util = require('util');"
        "for (const v of JSON.parse(require('fs').readFileSync(0)))"
        f" process.stdout.write({expression} + '\\n' + '{MARK}\\n')"
    )
    return fed(["node", "-e", script])


def python(expression: str) -> Callable[[Sequence[str], Path], list[str]]:
    script = (
        "import base64, html, json, quopri, shlex, sys, urllib.parse as u\n"
        "for v in json.load(sys.stdin):\n"
        f"    sys.stdout.write(str({expression}) + '\\n{MARK}\\n')"
    )
    return fed(["python3", "-X", "utf8", "-c", script])


def jq(program: str) -> Callable[[Sequence[str], Path], list[str]]:
    return fed(["jq", "-r", f'.[] | ({program}), "{MARK}"'])


def perl(expression: str, before: str = "") -> Callable[[Sequence[str], Path], list[str]]:
    script = (
        f"use JSON::PP; use Data::Dumper; $Data::Dumper::Indent = 1; {before} local $/;"
        ' my $in = <STDIN>; binmode STDOUT, ":utf8";'
        f' for my $v (@{{decode_json($in)}}) {{ print {expression}, "\\n{MARK}\\n"; }}'
    )
    return fed(["perl", "-e", script])


def library(expression: str) -> Callable[[Sequence[str], Path], list[str]]:
    """Let a library for Python write each value."""
    script = (
        "import email.header, json, plistlib, pprint, quopri, sys, yaml, xml.sax.saxutils as sax\n"
        "for v in json.load(sys.stdin):\n"
        f"    sys.stdout.write({expression} + '\\n{MARK}\\n')"
    )
    return fed([sys.executable, "-X", "utf8", "-c", script])


def fish(body: str) -> Callable[[Sequence[str], Path], list[str]]:
    each = "for j in (jq -c '.[]'); set -l V (printf %s $j | jq -r . | string collect)"
    return fed(["fish", "-c", f'{each}; {body}; printf "{MARK}\\n"; end'])


def psql(expression: str) -> Callable[[Sequence[str], Path], list[str]]:
    """Let a server write each value; the connection is in the environment."""

    def run(values: Sequence[str], place: Path) -> list[str]:
        lines = []
        for value in values:
            raw = value.encode().hex()
            lines.append(f"SELECT convert_from('\\x{raw}', 'UTF8') AS v \\gset")
            lines.append(f"{expression}\n\\echo '{MARK}'")
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
            input="\n".join(lines).encode(), capture_output=True, cwd=place, check=True,
        )  # fmt: skip
        return parted(done.stdout, len(values))

    return run


# --- decoders ----------------------------------------------------------------------------------------

PLAIN = str
SLASHED = re.compile(
    r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{3})|(.))", re.DOTALL
)
LETTERS = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "a": "\a",
    "E": "\x1b",
    "e": "\x1b",
}


def unslashed(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        for group, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
            if found[group]:
                return chr(int(found[group], base))
        return LETTERS.get(found[5], found[5])

    plain = SLASHED.sub(one, text)
    try:
        plain = plain.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return plain
    return plain


def bytes_too(text: str) -> str:
    """Read escapes of bytes: octal numbers of UTF-8."""
    plain = unslashed(text)
    try:
        return plain.encode("latin-1").decode()
    except UnicodeError:
        return plain


def unquoted_shell(text: str) -> str:
    for quote in ("'\\''", "'\"'\"'", "'\\\\''"):
        text = text.replace(quote, "'")
    return text


def of_perl(text: str) -> str:
    return unslashed(re.sub(r"\\x\{([0-9a-f]+)\}", lambda found: chr(int(found[1], 16)), text))


def named(text: str) -> str:
    return re.sub(r"\\N\{([A-Z0-9 -]+)\}", lambda found: unicodedata.lookup(found[1]), text)


def folded(text: str) -> str:
    """Read YAML over its line ends, both as a space and as nothing."""
    plain = re.sub(r"\n\s*", " ", text).replace("''", "'")
    joined = unslashed(re.sub(r"\\\n\s*", "", text))
    return f"{plain}\n{joined}"


def put_together(text: str) -> str:
    """Read strings of Python that follow one another as one."""
    return bytes_too(re.sub(r"""['"]\n\s*b?['"]""", "", text))


def from_quoted_printable(text: str) -> str:
    plain = quopri.decodestring(text.encode()).decode("utf-8", "replace")
    return f"{plain}\n{plain.replace('_', ' ')}"


def from_base64(text: str) -> str:
    """Decode every run of base64 in a text, at each of four offsets."""
    found = []
    for run in re.findall(r"[A-Za-z0-9+/_=-]{4,}", text):
        digits = run.replace("-", "+").replace("_", "/").rstrip("=")
        for offset in range(4):
            piece = digits[offset:]
            piece = piece[: len(piece) - (len(piece) % 4 == 1)]
            try:
                raw = base64.b64decode(piece + "=" * (-len(piece) % 4))
            except binascii.Error:
                continue
            found.append(raw.decode("utf-8", "replace"))
    return "\n\n".join(found)


TWICE = lambda decode: lambda text: decode(decode(text))  # noqa: E731

ENCODERS = [
    Encoder(name="bash declare -p", needs="bash", run=shell("bash", "declare -p V"), decode=unslashed),
    Encoder(name="bash export -p", needs="bash", run=shell("bash", "export V; export -p"), decode=unslashed),
    Encoder(name="bash printf %q", needs="bash", run=shell("bash", "printf '%q\\n' \"$V\""), decode=unslashed),
    Encoder(name="bash printf %q in C", needs="bash", run=shell("bash", "printf '%q\\n' \"$V\"", locale="C"), decode=bytes_too),
    Encoder(name="bash @Q", needs="bash", run=shell("bash", 'echo "${V@Q}"'), decode=lambda t: unquoted_shell(unslashed(t) if "$'" in t else t)),
    Encoder(name="bash set -x", needs="bash", run=shell("bash", '{ set -x; : "$V"; set +x; } 2>&1'), decode=lambda t: unquoted_shell(unslashed(t) if "$'" in t else t)),
    Encoder(name="bash set", needs="bash", run=shell("bash", "set | grep -a -A99 ^V= | sed '/^[_A-UW-Z]/,$d'"), decode=lambda t: unquoted_shell(unslashed(t) if "$'" in t else t)),
    Encoder(name="dash export -p", needs="dash", run=shell("dash", "export V; export -p"), decode=unquoted_shell),
    Encoder(name="dash set -x", needs="dash", run=shell("dash", '{ set -x; : "$V"; set +x; } 2>&1'), decode=unquoted_shell),
    Encoder(name="base64", needs="base64", run=shell("bash", 'printf %s "$V" | base64'), decode=from_base64),
    Encoder(name="base64 user:V", needs="base64", run=shell("bash", 'printf %s "admin:$V" | base64'), decode=from_base64),
    Encoder(name="base64 -w 20", needs="base64", run=shell("bash", 'printf %s "ab$V/ya" | base64 -w 20'), decode=from_base64),
    Encoder(name="openssl base64", needs="openssl", run=shell("bash", 'printf %s "$V" | openssl base64'), decode=from_base64),
    Encoder(name="env", needs="env", run=shell("bash", 'env -i V="$V" /usr/bin/env'), decode=PLAIN),
    Encoder(name="fold", needs="fold", run=shell("bash", 'printf "%s\\n" "$V" | fold -w 9'), decode=PLAIN),
    Encoder(name="colours", needs="sed", run=shell("bash", "printf '%s\\n' \"$V\" | sed 's/.../&\\x1b[31m/g'"), decode=PLAIN),
    Encoder(name="carriage returns", needs="sed", run=shell("bash", "printf '%s\\n' \"$V\" | sed 's/..../&\\r/g'"), decode=PLAIN),
    Encoder(name="node JSON", needs="node", run=node("JSON.stringify(v)"), decode=unslashed),
    Encoder(name="node JSON twice", needs="node", run=node("JSON.stringify(JSON.stringify({v}))"), decode=TWICE(unslashed)),
    Encoder(name="node JSON thrice", needs="node", run=node("JSON.stringify(JSON.stringify(JSON.stringify([v])))"), decode=TWICE(TWICE(unslashed))),
    Encoder(name="node inspect", needs="node", run=node("util.inspect({v}, {compact: true, breakLength: Infinity, maxStringLength: null})"), decode=unslashed),
    Encoder(name="node encodeURIComponent", needs="node", run=node("encodeURIComponent(v)"), decode=unquote),
    Encoder(name="node encodeURI", needs="node", run=node("encodeURI(v)"), decode=unquote),
    Encoder(name="node URLSearchParams", needs="node", run=node("new URLSearchParams({v}).toString()"), decode=unquote_plus),
    Encoder(name="node URL twice", needs="node", run=node("encodeURIComponent(encodeURIComponent(v))"), decode=TWICE(unquote)),
    Encoder(name="node escape", needs="node", run=node("escape(v)"), decode=lambda t: unquote(re.sub(r"%u([0-9A-Fa-f]{4})", lambda m: chr(int(m[1], 16)), t), "latin-1")),
    Encoder(name="node base64url", needs="node", run=node("Buffer.from('x' + v).toString('base64url')"), decode=from_base64),
    Encoder(name="python repr", needs="python3", run=python("repr(v)"), decode=unslashed),
    Encoder(name="python ascii", needs="python3", run=python("ascii(v)"), decode=unslashed),
    Encoder(name="python bytes", needs="python3", run=python("v.encode()"), decode=bytes_too),
    Encoder(name="python json", needs="python3", run=python("json.dumps({'k': v})"), decode=unslashed),
    Encoder(name="python json utf8", needs="python3", run=python("json.dumps(v, ensure_ascii=False)"), decode=unslashed),
    Encoder(name="python json slashed", needs="python3", run=python("json.dumps(v).replace('/', '\\\\/')"), decode=unslashed),
    Encoder(name="python html", needs="python3", run=python("html.escape(v)"), decode=html.unescape),
    Encoder(name="python html of json", needs="python3", run=python("html.escape(json.dumps(v))"), decode=lambda t: unslashed(html.unescape(t))),
    Encoder(name="python quote lower", needs="python3", run=python("u.quote(v, safe='').replace('%2F', '%2f').replace('%3A', '%3a').replace('%2B', '%2b')"), decode=unquote),
    Encoder(name="python quote_plus", needs="python3", run=python("u.quote_plus(v)"), decode=unquote_plus),
    Encoder(name="python encodebytes", needs="python3", run=python("base64.encodebytes(('user:' + v).encode()).decode()"), decode=from_base64),
    Encoder(name="python urlsafe", needs="python3", run=python("base64.urlsafe_b64encode(('??' + v).encode()).decode()"), decode=from_base64),
    Encoder(name="python shlex", needs="python3", run=python("shlex.quote(v)"), decode=unquoted_shell),
    Encoder(name="python sql", needs="python3", run=python("\"'\" + v.replace(\"'\", \"''\") + \"'\""), decode=lambda t: t.replace("''", "'")),
    Encoder(name="jq @json", needs="jq", run=jq("@json"), decode=unslashed),
    Encoder(name="jq @uri", needs="jq", run=jq("@uri"), decode=unquote),
    Encoder(name="jq @sh", needs="jq", run=jq("@sh"), decode=unquoted_shell),
    Encoder(name="jq @html", needs="jq", run=jq("@html"), decode=html.unescape),
    Encoder(name="jq @base64", needs="jq", run=jq("@base64"), decode=from_base64),
    Encoder(name="jq @csv", needs="jq", run=jq("[.] | @csv"), decode=lambda t: t.replace('""', '"')),
    Encoder(name="jq @tsv", needs="jq", run=jq("[.] | @tsv"), decode=unslashed),
    Encoder(name="jq in strings", needs="jq", run=jq('@json "x \\(.)", @uri "?a=\\(.)", @sh "echo \\(.)", @html "<a>\\(.)"'), decode=lambda t: f"{unslashed(t)} {unquote(t)} {html.unescape(t)} {unquoted_shell(t)}"),
    Encoder(name="jq @sh of json", needs="jq", run=jq("tojson | @sh"), decode=lambda t: unslashed(unquoted_shell(t))),
    Encoder(name="perl Dumper", needs="perl", run=perl("Dumper($v)"), decode=of_perl),
    Encoder(name="perl Dumper Useqq", needs="perl", run=perl("Dumper($v)", "$Data::Dumper::Useqq = 1;"), decode=of_perl),
    Encoder(name="perl quotemeta", needs="perl", run=perl("quotemeta($v)"), decode=unslashed),
    Encoder(name="perl JSON", needs="perl", run=perl("JSON::PP->new->ascii->pretty->escape_slash->encode([$v])"), decode=unslashed),
    Encoder(name="yaml", needs="python3", run=library("yaml.safe_dump({'password': v})"), decode=folded),
    Encoder(name="yaml narrow", needs="python3", run=library("yaml.safe_dump({'password': v}, width=20, allow_unicode=True)"), decode=folded),
    Encoder(name="yaml single", needs="python3", run=library("yaml.safe_dump([{'a': {'password': v}}], default_style=chr(39))"), decode=folded),
    Encoder(name="yaml double", needs="python3", run=library("yaml.safe_dump([{'a': {'password': v}}], default_style=chr(34))"), decode=folded),
    Encoder(name="yaml folded", needs="python3", run=library("yaml.safe_dump([{'a': {'password': v}}], default_style='>')"), decode=folded),
    Encoder(name="yaml literal", needs="python3", run=library("yaml.safe_dump([{'a': {'password': v}}], default_style='|')"), decode=folded),
    Encoder(name="pprint", needs="python3", run=library("pprint.pformat({'password': v, 'more': [v]})"), decode=put_together),
    Encoder(name="pprint narrow", needs="python3", run=library("pprint.pformat({'password': v}, width=30)"), decode=put_together),
    Encoder(name="pprint bytes", needs="python3", run=library("pprint.pformat({'password': v.encode()}, width=40)"), decode=put_together),
    Encoder(name="quoted-printable", needs="python3", run=library("quopri.encodestring(('password is ' + v).encode(), quotetabs=True).decode()"), decode=from_quoted_printable),
    Encoder(name="quoted-printable header", needs="python3", run=library("quopri.encodestring(v.encode(), header=True).decode()"), decode=from_quoted_printable),
    Encoder(name="plist", needs="python3", run=library("plistlib.dumps({'a': v}).decode()"), decode=html.unescape),
    Encoder(name="xml attribute", needs="python3", run=library("sax.quoteattr(v)"), decode=html.unescape),
    Encoder(name="xml decimal", needs="python3", run=library("v.encode('ascii', 'xmlcharrefreplace').decode()"), decode=html.unescape),
    Encoder(name="xml hexadecimal", needs="python3", run=library("''.join(c if c.isalnum() and c.isascii() else f'&#x{ord(c):04X};' for c in v)"), decode=html.unescape),
    Encoder(name="python names", needs="python3", run=library("v.encode('ascii', 'namereplace').decode()"), decode=named),
    Encoder(name="python repr twice", needs="python3", run=library("repr(repr(v))"), decode=TWICE(unslashed)),
    Encoder(name="env -0", needs="env", run=shell("bash", 'env -i V="$V" W=1 /usr/bin/env -0'), decode=PLAIN),
    Encoder(name="dash set", needs="dash", run=shell("dash", "set | grep -a -A99 ^V="), decode=unquoted_shell),
    Encoder(name="bash arrays", needs="bash", run=shell("bash", 'declare -A A; A[k]="$V"; B=("$V" x); declare -p A B; echo "${B[@]@A}"'), decode=unslashed),
    Encoder(name="bash alias", needs="bash", run=shell("bash", 'alias x="$V"; alias; echo "${V@A}"'), decode=lambda t: unquoted_shell(unslashed(t) if "$'" in t else t)),
    Encoder(name="zsh", needs="zsh", run=shell("zsh", "typeset -p V; print -r -- ${(q)V} ${(qq)V} ${(qqq)V} ${(qqqq)V}"), decode=lambda t: f"{unquoted_shell(t)} {unslashed(t)}"),
    Encoder(name="zsh set -x", needs="zsh", run=shell("zsh", '{ set -x; : "$V"; set +x; } 2>&1'), decode=lambda t: unquoted_shell(unslashed(t) if "$'" in t else t)),
    Encoder(name="fish", needs="fish", run=fish("string escape -- $V; string escape --style=url -- $V; set --show V"), decode=lambda t: f"{unquoted_shell(bytes_too(t))} {unquote(t)}"),
    Encoder(name="xargs -t", needs="xargs", run=shell("bash", 'printf %s "$V" | xargs -0 -t true 2>&1'), decode=lambda t: bytes_too(unquoted_shell(t.replace("'$'", "").replace("''", "")))),
    Encoder(name="git config", needs="git", run=shell("bash", 'git config --file g a.b "$V"; cat g; git config --file g --list; git config --file g --list -z'), decode=unslashed),
    Encoder(name="git trace", needs="git", run=shell("bash", 'GIT_TRACE=1 git --version "$V" 2>&1; git rev-parse --sq-quote "$V"'), decode=lambda t: unquoted_shell(t.replace("'\\!'", "!"))),
    Encoder(name="systemd-escape", needs="systemd-escape", run=shell("bash", 'systemd-escape -- "$V"'), decode=lambda t: bytes_too(t.replace("-", "/"))),
    Encoder(name="sed l", needs="sed", run=shell("bash", 'printf "%s\\n" "$V" | sed -n l'), decode=lambda t: bytes_too(t.replace("\\\n", ""))),
    Encoder(name="cat -A", needs="cat", run=shell("bash", 'printf "%s\\n" "$V" | cat -A'), decode=PLAIN),
    Encoder(name="node querystring", needs="node", run=node("require('querystring').stringify({v})"), decode=unquote_plus),
    Encoder(name="node URL parts", needs="node", run=node("(() => { const u = new URL('http://h/'); u.password = v; u.hash = v; u.search = v; u.pathname = v; return u.href + ' ' })()"), decode=unquote),
    Encoder(name="jq tojson twice", needs="jq", run=jq("tojson | tojson"), decode=TWICE(unslashed)),
]  # fmt: skip
SERVED = [
    Encoder(name="psql echo", needs="psql", run=psql("\\echo :'v'"), decode=lambda t: t.replace("''", "'")),
    Encoder(name="psql quote_literal", needs="psql", run=psql("SELECT quote_literal(:'v');"), decode=lambda t: unslashed(t).replace("''", "'")),
    Encoder(name="psql to_json", needs="psql", run=psql("SELECT to_json(:'v'::text);"), decode=unslashed),
    Encoder(name="psql base64", needs="psql", run=psql("SELECT encode(convert_to('u:' || :'v', 'UTF8'), 'base64');"), decode=from_base64),
    Encoder(name="psql quote_ident", needs="psql", run=psql("SELECT quote_ident(:'v');"), decode=lambda t: t.replace('""', '"')),
    Encoder(name="psql xml", needs="psql", run=psql("SELECT xmlelement(name a, :'v'::text);"), decode=html.unescape),
]  # fmt: skip
