"""Where an address leads once its service and the environment had their say, by libpq's rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote

from templedb_nb.core.address.libpq import KEYWORDS, READ, SECRET, SESSION, VARIABLES, WORDS
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.route import Route, RouteParameter, Surroundings
from templedb_nb.model.secret import Secret

PLACE = ("host", "hostaddr", "port", "dbname", "user")
"""The parameters that say where a session ends up, and as whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a service file says of one service, and which file that is."""

    name: str
    file: str
    says: Mapping[str, str]

    @property
    def plain(self) -> bool:
        """Return whether all of it is known; what is not is left for libpq to read."""
        return not self.says.keys() - KEYWORDS


def service_name(given: Mapping[str, str], around: Surroundings) -> str:
    """Return the name of the service that an address or its surroundings ask for, or nothing."""
    return given.get("service", around.values.get(VARIABLES["service"], ""))


def routed(
    name: str, given: Mapping[str, str], around: Surroundings, service: Service | None = None
) -> Route:
    """Return where the address of variable *name*, which says *given*, leads."""
    found = {key: value for key, value in given.items() if key != "service" or service is None}
    decided: list[RouteParameter] = []
    if service is not None:
        if VARIABLES["service"] in around.values:
            found["service"] = service.name  # else libpq takes the environment's in its place
        source = f"service {service.name} of {service.file}"
        _fill(found, decided, {key: (value, source) for key, value in service.says.items()})
    if service is not None or "service" not in found:
        _fill(found, decided, _environment(around, bool(service)))
    if settings := _settings(around):
        found["options"] = f"{settings} {found.get('options', '')}".strip()
    secrets = {key: Secret(name, found[key]) for key in SECRET & found.keys()}
    parameters = {key: value for key, value in found.items() if key not in SECRET}
    return Route(
        name=name,
        parameters=parameters,
        secrets=secrets,
        decided=tuple(decided),
        address=address(parameters),
    )


def _settings(around: Surroundings) -> str:
    """Return as options what commands get in variables of the target; psycopg reads our own."""
    found = {SESSION[name]: around.values[name] for name in around.kept if name in SESSION}
    escaped = {name: re.sub(r"([\\\s])", r"\\\1", value) for name, value in found.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


def _environment(around: Surroundings, served: bool) -> dict[str, tuple[str, str]]:  # noqa: FBT001 - of this module alone
    values = around.values
    found = {
        keyword: (values[name], around.origin(name))
        for keyword, name in VARIABLES.items()
        if name in values and not (keyword == "service" and served)
    }
    if values.get("PGREQUIRESSL", "").startswith("1"):
        found.setdefault("sslmode", ("require", around.origin("PGREQUIRESSL")))
    return found


def _fill(
    found: dict[str, str], decided: list[RouteParameter], more: Mapping[str, tuple[str, str]]
) -> None:
    for keyword, (value, source) in more.items():
        if keyword not in found:
            found[keyword] = value
            if keyword in WORDS and value:
                decided.append(RouteParameter(keyword=keyword, by=source))


def address(parameters: Mapping[str, str]) -> str:
    """Return where the parameters lead, as people read it: user@host:port/database."""
    named = parameters.get("hostaddr") or parameters.get("host") or "local socket"
    hosts = named.split(",")
    ports = (parameters.get("port") or "5432").split(",")
    ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    places = ",".join(
        f"{_bracketed(host)}:{port or '5432'}" for host, port in zip(hosts, ports, strict=True)
    )
    user = parameters.get("user", "")
    database = parameters.get("dbname") or user
    return f"{user}@{places}/{database}" if user else f"{places}/{database}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def arrived(route: Route, *, host: str, hostaddr: str, port: str, user: str, dbname: str) -> Route:
    """Return the one place that a session on *route* has reached, as a route to it alone."""
    there = {"host": host, "hostaddr": hostaddr, "port": port, "user": user, "dbname": dbname}
    asked = {"host": host, "port": port, "user": user, "dbname": dbname}
    if route.parameters.get("hostaddr"):
        asked["hostaddr"] = hostaddr
    kept = {key: value for key, value in route.parameters.items() if key not in there}
    return replace(
        route,
        parameters={**kept, **{key: value for key, value in there.items() if value}},
        address=address(asked),
        one_of=route.address if route.several else "",
    )


def alone(route: Route, here: Route) -> tuple[Route, ...]:
    """Return *here* and then each host of *route*, by itself: one may be a stranger."""
    parts = {
        key: (route.parameters.get(key) or "").split(",") for key in ("host", "hostaddr", "port")
    }
    count = max(len(each) for each in parts.values())
    found = [here]
    for number in range(count):
        own = {key: each[number] if len(each) == count else each[0] for key, each in parts.items()}
        parameters = {**route.parameters, **{key: value for key, value in own.items() if value}}
        found.append(replace(route, parameters=parameters, address=address(parameters)))
    return tuple(found)


def variables(route: Route) -> dict[str, str]:
    """Return the variables by which a program of PostgreSQL takes *route*, without passwords."""
    found = route.parameters.items()
    return {VARIABLES[k]: value for k, value in found if k in VARIABLES and k != "service"}


def passed_on(process: Mapping[str, str]) -> dict[str, str]:
    """Return what commands get of the environment, so that libpq decides there as it did here."""
    return {name: value for name, value in process.items() if name in READ}


def local(there: Route, here: Route) -> dict[str, str]:
    """Return the variable that says which folder of sockets is meant, where nobody says a host.

    Programs of PostgreSQL are built with different ones.
    """
    if there.parameters.get("host") or there.parameters.get("hostaddr"):
        return {}
    return {VARIABLES["host"]: here.parameters["host"]}


def astray(there: Route, here: Route) -> bool:
    """Return whether a command, for which the address leads *there*, may end up elsewhere."""
    said, meant = there.parameters, here.parameters
    user = said.get("user") or meant["user"]
    address = said.get("hostaddr") or meant.get("hostaddr")
    ends = {
        "host": said.get("host") or said.get("hostaddr"),
        "hostaddr": address,
        "port": said.get("port") or "5432",
        "user": user,
        "dbname": said.get("dbname") or user,
    }
    return any(meant.get(key) != value for key, value in ends.items())


def spelled(given: Mapping[str, str], here: Route, around: Surroundings) -> str:
    """Return an address that says where *here* is, whatever the surroundings say.

    What else the address in *given* says stays: it is what somebody wrote.
    """
    said = {**given, **{key: here.parameters.get(key, "") for key in PLACE if key != "hostaddr"}}
    if given.get("hostaddr") or around.values.get(VARIABLES["hostaddr"]):
        said["hostaddr"] = here.parameters.get("hostaddr", "")
    if here.password and around.values.get(VARIABLES["password"], here.password) != here.password:
        said["password"] = here.password
    return url({key: value for key, value in said.items() if value})


def url(parameters: Mapping[str, str]) -> str:
    """Return the parameters as a URL."""
    left = dict(parameters)
    user, password = (quote(left.pop(key, ""), safe="") for key in ("user", "password"))
    host, port = left.pop("host", ""), left.pop("port", "")
    place = _bracketed(host) if ":" in host else quote(host, safe="")
    who = f"{user}:{password}@" if password else f"{user}@" if user else ""
    where = f"{place}:{port}" if port else place
    database = quote(left.pop("dbname", ""), safe="")
    rest = "&".join(f"{key}={quote(value, safe='')}" for key, value in left.items())
    return f"postgresql://{who}{where}/{database}" + (f"?{rest}" if rest else "")


def told(route: Route) -> Iterator[str]:
    """Yield who decided what the address leaves open, a sentence for each."""
    sources = dict.fromkeys(each.by for each in route.decided)
    for source in sources:
        what = [WORDS[each.keyword] for each in route.decided if each.by == source]
        yield f"{source} decides {' and '.join(filter(None, (', '.join(what[:-1]), what[-1])))}"


def on_routes(routes: Mapping[str, Route], target: str) -> Iterator[Finding]:
    """Yield a note for each part of an address that something else decided."""
    for name, route in sorted(routes.items()):
        where = f"target {target} ({name})"
        if route.one_of:
            message = f"of {route.one_of}, {route.address} is reached; commands get only that one"
            yield Finding(
                severity=Severity.NOTE, topic=Topic.VARIABLE, message=message, where=where
            )
        for sentence in told(route):
            yield Finding(
                severity=Severity.NOTE,
                topic=Topic.VARIABLE,
                message=f"{sentence}: {route.address} is reached",
                where=where,
                mend=f"write it into {name}, so that nothing else decides",
            )
