"""Values of variables: sealed, opened, and known to the masker before anything uses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from templedb_nb.app.environment import Environment
from templedb_nb.core.address.libpq import passwords, reads
from templedb_nb.core.address.route import passed_on
from templedb_nb.core.config.environ import (
    NOTHING,
    KnownNames,
    effective,
    is_reference,
)
from templedb_nb.core.fleet.url_template import filled, is_template, url_template
from templedb_nb.core.secrets import masking
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.core.secrets.sql_passwords import learn
from templedb_nb.core.secrets.weak_values import weakness
from templedb_nb.errors import SecretError, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Project
from templedb_nb.model.route import Route, Surroundings
from templedb_nb.model.secret import Secret
from templedb_nb.model.target import TargetName
from templedb_nb.model.variable import Keeping, Scope, Variable
from templedb_nb.ports.store import VariableStore
from templedb_nb.secrets.references import read_reference
from templedb_nb.secrets.sealing import Seal

NAME_HINT = "a name may hold only letters, digits and _, and must not begin with a digit"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenValues:
    """Values that came with the words of one command; they are kept nowhere."""

    options: Mapping[str, Secret]

    @classmethod
    def parsed(cls, texts: Iterable[str], process: Mapping[str, str]) -> GivenValues:
        """Read ``NAME=VALUE``, or ``NAME`` for a value of this process's environment."""
        found = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals and name not in process:
                raise UsageProblem(f"--env {name}: the environment has no variable {name}")
            found[name] = Secret(name, value if equals else process[name])
        return cls(options=found)


NOTHING_GIVEN = GivenValues(options={})


class Variables:
    """The variables of projects and targets."""

    def __init__(
        self, settings: VariableStore, seal: Seal, masker: Masker, system: Environment
    ) -> None:
        """Open sealed values with *seal*, and register each with *masker*."""
        self._settings = settings
        self._seal = seal
        self._masker = masker
        self._system = system

    def set(
        self,
        project: Project,
        target: TargetName | None,
        pairs: Mapping[str, str],
        keeping: Keeping,
    ) -> tuple[Variable, ...]:
        """Keep values, all or none; a reference stays one."""
        kept = [
            self._variable(project, target, name, text, keeping) for name, text in pairs.items()
        ]
        self._settings.keep_variables(kept)
        return tuple(kept)

    def _variable(
        self, project: Project, target: TargetName | None, name: str, text: str, keeping: Keeping
    ) -> Variable:
        if not name.isidentifier() or not name.isascii():
            raise UsageProblem(f"{name!r} is not a variable name", hint=NAME_HINT)
        if "\0" in text:
            raise UsageProblem(f"the value of {name} contains a NUL character")
        if is_template(text):
            url_template(text)
        by_name = is_reference(text) or is_template(text)
        chosen = Keeping.REFERENCE if by_name else keeping
        bare = Variable(
            project=project.slug,
            target=target,
            name=name,
            keeping=chosen,
            text=text,
            set_at=self._system.clock.now(),
            set_by=self._system.user(),
        )
        if chosen is not Keeping.SEALED:
            return bare
        if masking.too_short(text):
            message = f"the value of {name} is too short to be masked in output"
            hint = f"use {masking.MINIMUM} characters or more, or --plain if it is not a secret"
            raise SecretError(message, hint=hint)
        self._masker.add(name, text)
        return replace(bare, text=self._seal.seal(bare, text))

    def kept(
        self, project: Project, target: TargetName | None, from_file: Iterable[Variable]
    ) -> tuple[Variable, ...]:
        """Return what a target's commands get: the store's word before the project file's."""
        own = self._settings.variables(project.slug, target)
        named = {(each.target, each.name) for each in own}
        fits = (each for each in from_file if each.target in (None, target))
        return (*own, *(each for each in fits if (each.target, each.name) not in named))

    def known(
        self,
        kept: tuple[Variable, ...],
        given: GivenValues,
        root: Path | None,
        labels: Mapping[str, str] = NOTHING,
    ) -> KnownNames:
        """Return which names have a value, and which of them cannot be read."""
        known = KnownNames(
            kept=kept,
            options=frozenset(given.options),
            process=frozenset(self._system.environ),
            labels=labels,
        )
        unreadable = {}
        for name, variable in effective(kept).items():
            if name in given.options:
                continue
            if why := self._trouble(variable, known, given, root):
                unreadable[name] = why
        return replace(known, unreadable=unreadable)

    def _trouble(
        self, variable: Variable, known: KnownNames, given: GivenValues, root: Path | None
    ) -> str:
        match variable.keeping:
            case Keeping.SEALED:
                return self._seal.trouble(variable)
            case Keeping.REFERENCE:
                try:
                    self._referred(variable, known, given, root)
                except SecretError as error:
                    return "; ".join([error.message, *error.problems])
                return ""
            case Keeping.PLAIN:
                return ""

    def reveal(
        self,
        name: str,
        known: KnownNames,
        given: GivenValues,
        root: Path | None,
        own: Mapping[str, str] = NOTHING,
    ) -> Secret | None:
        """Return the value of *name*, registered with the masker; None if it has none.

        Of a value from a template, each variable in it is registered, not the whole: thousands of
        targets have one template.
        """
        source = known.source(name, own)
        if source is None:
            return None
        value = self._value(name, source.scope, known, given, root, own)
        kept = effective(known.kept).get(name) if source.scope in _KEPT else None
        parts = kept is not None and is_template(kept.text)
        if source.keeping is not Keeping.PLAIN and not parts:
            self._mask(name, value, source.scope)
        return Secret(name, value)

    def around(self, known: KnownNames, given: GivenValues, root: Path | None) -> Surroundings:
        """Return the variables that libpq reads: this process's under those of the target."""
        values = passed_on(self._system.environ)
        for name in passwords(values):
            self._mask(name, values[name], Scope.ENVIRONMENT)
        kept = {name for name in known.names if reads(name) and name not in known.unreadable}
        for name in kept:
            if (value := self.reveal(name, known, given, root)) is not None:
                values[name] = value.reveal()
        return Surroundings(values=values, kept=frozenset(kept))

    def learn(self, route: Route) -> None:
        """Mask the passwords by which a server was reached, wherever they came from."""
        for secret in route.secrets.values():
            self._mask(route.name, secret.reveal(), Scope.ENVIRONMENT)

    def secret(self, variable: Variable, root: Path | None) -> str | None:
        """Return the value of one variable that is kept, or None if it is not a secret."""
        match variable.keeping:
            case Keeping.PLAIN:
                return None
            case Keeping.SEALED:
                return self._seal.open(variable)
            case Keeping.REFERENCE:
                return None if is_template(variable.text) else self._text(variable.text, root)

    def weak(
        self, project: Project, target: TargetName | None, root: Path | None
    ) -> tuple[list[str], int]:
        """Return what is wrong with values that are to be masked, and how many there are."""
        kept = self._settings.variables(project.slug, target)
        shown = {project.slug, *(each.target for each in kept if each.target)}
        shown |= {each.text for each in kept if each.keeping is Keeping.PLAIN}
        told, count = [], 0
        for each in kept:
            where = f"{each.name} of {each.target or 'all targets'}"
            try:
                value = self.secret(each, root)
            except SecretError as error:
                told.append(f"{where} cannot be read: {error.message}")
                continue
            if value is not None:
                count += 1
                told += [f"{where} {why}" for why in [weakness(value, shown)] if why]
        return told, count

    def sealed(self) -> dict[str, list[str]]:
        """Return every sealed value of the state that can be opened here, by its name.

        No reference is read for that, and no key is made.
        """
        found: dict[str, list[str]] = {}
        for each in self._settings.sealed():
            with suppress(SecretError):
                found.setdefault(each.name, []).append(self._seal.open(each))
        return found

    def read_in(self, text: str) -> None:
        """Mask the passwords that stand in SQL from now on."""
        learn(self._masker, text)

    def masked(self, text: str) -> str:
        """Return *text* without the secrets that this process knows."""
        return self._masker.mask(text)

    def told_by(self, text: str) -> bool:
        """Return whether *text* holds a secret that this process knows."""
        return self.masked(text) != text

    def _mask(self, name: str, value: str, scope: Scope) -> None:
        if not masking.too_short(value):
            self._masker.add(name, value)
        elif scope not in {Scope.ENVIRONMENT, Scope.OPTION}:
            message = f"the value of {name} is too short to be masked in output"
            raise SecretError(
                message, hint=f"templedb env set --plain {name}, if it is not a secret"
            )

    def _value(
        self,
        name: str,
        scope: Scope,
        known: KnownNames,
        given: GivenValues,
        root: Path | None,
        own: Mapping[str, str],
    ) -> str:
        match scope:
            case Scope.OPTION:
                return given.options[name].reveal()
            case Scope.GROUP:
                return self._text(own[name], root)
            case Scope.ENVIRONMENT:
                return self._system.environ[name]
            case Scope.TARGET | Scope.PROJECT:
                variable = effective(known.kept)[name]
                match variable.keeping:
                    case Keeping.SEALED:
                        return self._seal.open(variable)
                    case Keeping.REFERENCE:
                        return self._referred(variable, known, given, root)
                    case Keeping.PLAIN:
                        return self._text(variable.text, root)

    def _referred(
        self, variable: Variable, known: KnownNames, given: GivenValues, root: Path | None
    ) -> str:
        if not is_template(variable.text):
            return read_reference(variable.text, self._system.environ, root)
        template, values = url_template(variable.text), dict[str, str]()
        for name in template.variables:
            inner = effective(known.kept).get(name)
            if inner is not None and inner.keeping is Keeping.REFERENCE and is_template(inner.text):
                raise SecretError(f"the template of {variable.name} names another one, {name}")
            value = self.reveal(name, known, given, root)
            if value is None:
                hint = f"templedb env set {name}"
                message = f"the template of {variable.name} needs {name}, which has no value"
                raise SecretError(message, hint=hint)
            values[name] = value.reveal()
        return filled(template, known.labels, values)

    def _text(self, text: str, root: Path | None) -> str:
        if is_reference(text):
            return read_reference(text, self._system.environ, root)
        return text


_KEPT = frozenset({Scope.TARGET, Scope.PROJECT})
