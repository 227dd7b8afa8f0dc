"""Who is notified: added by people, or named by the files of projects; their secrets, opened."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path

from templedb_nb.app.environment import Environment
from templedb_nb.app.notifications.outbox import Outbox
from templedb_nb.app.project.configs import Configs
from templedb_nb.app.project.projects import Projects
from templedb_nb.core.config import project_file
from templedb_nb.core.config.environ import is_reference
from templedb_nb.core.notifications import filters, parts
from templedb_nb.core.notifications.signing import PREFIX
from templedb_nb.core.secrets import masking
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.errors import SecretError, TempleError, UnknownName, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Project, Slug
from templedb_nb.model.receiver import (
    DeliveryState,
    Receiver,
    ReceiverFilter,
    ReceiverKind,
    ReceiverList,
    ReceiverRow,
    ReceiverState,
)
from templedb_nb.model.secret import Secret
from templedb_nb.model.variable import Keeping, Variable
from templedb_nb.ports.notifications import NotificationStore
from templedb_nb.ports.store import ContentStore
from templedb_nb.secrets.references import read_reference
from templedb_nb.secrets.sealing import Seal

NEW_KEY = "new"
"""Asks for a signing key that is made here."""
_KEY_BYTES = 32
LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverWish:
    """A receiver as somebody asks for it: texts are values or references."""

    name: str
    kind: ReceiverKind
    address: str
    keys: tuple[str, ...] = ()
    settings: parts.Settings = ()
    filter: ReceiverFilter = ReceiverFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivers:
    """Use cases around receivers."""

    store: NotificationStore
    outbox: Outbox
    projects: Projects
    configs: Configs
    content: ContentStore
    seal: Seal
    system: Environment
    masker: Masker = field(default_factory=Masker)
    """Knows the secrets of receivers alone: what runs write is masked by another, built before."""

    def add(self, wish: ReceiverWish) -> tuple[Receiver, tuple[str, ...]]:
        """Add a receiver, or replace one; return it with the signing keys that were made."""
        self._refuse_unfit(wish)
        made = tuple(_new_key() for each in wish.keys if each == NEW_KEY)
        fresh = iter(made)
        keys = [next(fresh) if each == NEW_KEY else each for each in wish.keys]
        texts = {"address": wish.address}
        texts |= {f"key{number}": each for number, each in enumerate(keys, start=1)}
        before = next((each for each in self.store.receivers() if each.name == wish.name), None)
        receiver = Receiver(
            name=wish.name,
            kind=wish.kind,
            secrets=tuple(
                self._secret(wish.name, part, text, shown=text in made)
                for part, text in texts.items()
            ),
            since=self.system.clock.now(),
            added_by=self.system.user(),
            settings=wish.settings,
            filter=wish.filter,
        )
        self._keep(receiver, before)
        return receiver, made

    def _keep(self, receiver: Receiver, before: Receiver | None) -> None:
        """Add a receiver or replace it; one that wants the same as before goes on in its place."""
        if before is None or before.filter != receiver.filter:
            self.outbox.begin_at(receiver.since)
        else:
            receiver = replace(receiver, since=before.since)
        self.store.keep_receiver(receiver)

    def _refuse_unfit(self, wish: ReceiverWish) -> None:
        if not wish.name.replace("-", "a").replace("_", "a").replace(".", "a").isalnum():
            message = "a receiver's name may hold only letters, digits, _ . -"
            raise UsageProblem(message, hint="templedb notify add NAME KIND")
        problems = [*parts.shape_problems(wish.kind, wish.settings, keys=len(wish.keys))]
        if not is_reference(wish.address):
            problems += parts.address_problems(wish.kind, wish.address, wish.settings)
        plain = (each for each in wish.keys if each != NEW_KEY and not is_reference(each))
        problems += filter(None, map(parts.key_problem, plain))
        problems += [f"{e!r} is not a kind of event" for e in filters.misspelt(wish.filter.events)]
        if problems:
            hint = "templedb notify add --help"
            message = f"receiver {wish.name} cannot be added"
            raise UsageProblem(message, hint=hint, problems=problems)

    def _secret(self, name: str, part: str, text: str, *, shown: bool) -> Variable:
        """Return a secret as it is kept; one that is about to be *shown* is not masked yet."""
        bare = Variable(
            project=Slug(""),
            target=None,
            name=f"{name}.{part}",
            keeping=Keeping.REFERENCE if is_reference(text) else Keeping.SEALED,
            text=text,
            set_at=self.system.clock.now(),
            set_by=self.system.user(),
        )
        if bare.keeping is Keeping.REFERENCE:
            return bare
        if not shown:
            self._learn(bare.name, text)
        return replace(bare, text=self.seal.seal(bare, text))

    def named(self, name: str) -> Receiver:
        """Return the receiver of that name, or raise with those that there are."""
        found = self.all()
        for each in found:
            if each.name == name:
                return each
        raise UnknownName(
            f"there is no receiver {name!r}",
            hint="templedb notify list",
            problems=[each.name for each in found],
        )

    def remove(self, name: str) -> Receiver:
        """Forget a receiver and what it is owed."""
        receiver = self.named(name)
        if receiver.origin:
            message = f"{name} stands in {project_file.PATH} of {receiver.origin}"
            hint = f"remove it there, or: templedb notify pause {name}"
            raise UsageProblem(message, hint=hint)
        self.store.remove_receiver(name)
        return receiver

    def pause(self, name: str, *, resume: bool) -> Receiver:
        """Keep everything back that a receiver is owed, or send it again from now on."""
        receiver = self.named(name)
        state = ReceiverState.ACTIVE if resume else ReceiverState.PAUSED
        self.store.set_state(name, state, "" if resume else f"paused by {self.system.user()}")
        return replace(receiver, state=state)

    def all(self) -> tuple[Receiver, ...]:
        """Return every receiver, with those that projects' files name by now."""
        with self.outbox.state.transaction():
            unread = self.store.unread_projects(project_file.PATH)
            found = self.store.receivers()
        if not unread:
            return found
        self.sync()
        return self.store.receivers()

    def list(self) -> ReceiverList:
        """Return everybody who is notified, what waits for them, and the newest dead letters."""
        notes = self.sync()
        counts, times = self.store.delivery_counts(), self.store.last_and_next()
        rows = []
        for each in self.store.receivers():
            own = counts.get(each.name, {})
            last, due = times.get(each.name, (None, None))
            rows.append(
                ReceiverRow(
                    name=each.name,
                    kind=each.kind,
                    state=each.state,
                    events=each.filter.events or ("default",),
                    projects=each.filter.projects,
                    targets=each.filter.targets,
                    urgency=each.filter.urgency,
                    origin=each.origin,
                    since=each.since,
                    waiting=own.get(DeliveryState.WAITING, 0),
                    dead=own.get(DeliveryState.DEAD, 0),
                    delivered=own.get(DeliveryState.DELIVERED, 0),
                    last_at=last,
                    next_at=due,
                    note=each.why,
                )
            )
        return ReceiverList(rows=tuple(rows), dead=self.store.dead_letters(LISTED), notes=notes)

    # --- what files of projects name ----------------------------------------------------------

    def sync(self) -> tuple[str, ...]:
        """Bring the receivers up to what projects' files name; return what could not be read."""
        notes: list[str] = []
        for slug, number, tree, blob in self.store.unread_projects(project_file.PATH):
            try:
                self._sync(slug, number, blob)
                self.store.keep_file_read(slug, tree, blob)
            except TempleError as error:
                notes.append(f"{slug}: {error.message}")
        return tuple(notes)

    def _sync(self, slug: Slug, number: int, blob: str) -> None:
        """Read a file that is not the one that was read last; no file names nobody."""
        before = self.store.file_read(slug)
        if (before[1] if before else "") == blob:
            return
        project = self.projects.pick(slug)
        release = self.content.release(slug, number)
        file = self.configs.file(project, release) if blob else None
        fresh = {each.name: each for each in self._from_file(project, file, release.made_at)}
        known = {each.name: each for each in self.store.receivers() if each.origin == slug}
        for name in known.keys() - fresh.keys():
            self.store.remove_receiver(name)
        for name, each in fresh.items():
            old = known.get(name)
            self._keep(replace(each, state=old.state, why=old.why) if old else each, old)

    def _from_file(
        self, project: Project, file: project_file.ProjectFile | None, since: datetime
    ) -> Iterator[Receiver]:
        if file is None:
            return
        for name, kind, secrets, settings, wanted in file.receivers:
            if secrets:
                yield Receiver(
                    name=f"{project.slug}/{name}",
                    kind=kind,
                    secrets=secrets,
                    since=since,
                    added_by=project_file.PATH,
                    settings=settings,
                    filter=wanted,
                    origin=project.slug,
                )

    # --- secrets --------------------------------------------------------------------------------

    def opened(self, receiver: Receiver) -> Mapping[str, Secret]:
        """Return a receiver's address and keys, known to the masker; raise what is wrong."""
        root = self._root(receiver)
        found: dict[str, Secret] = {}
        for each in receiver.secrets:
            part = each.name.rpartition(".")[2]
            if each.keeping is Keeping.SEALED:
                text = self.seal.open(each)
            else:
                text = read_reference(each.text, self.system.environ, root).strip()
            self._learn(each.name, text)
            found[part] = Secret(each.name, text)
        wrong = [*parts.address_problems(
            receiver.kind, found["address"].reveal(), receiver.settings
        )] if "address" in found else ["it has no address"]  # fmt: skip
        if wrong:
            raise SecretError("; ".join(wrong))
        return found

    def _root(self, receiver: Receiver) -> Path | None:
        """Return where relative paths of a receiver's references begin."""
        if not receiver.origin:
            return self.system.folder
        with suppress(TempleError):
            root = self.projects.pick(receiver.origin).root
            return Path(root) if root else None
        return None

    def masked(self, text: str) -> str:
        """Return *text* without the addresses and keys of receivers that were opened."""
        return self.masker.mask(text) if text else text

    def _learn(self, name: str, text: str) -> None:
        """Mask a secret, and what of an address a receiver may say again."""
        for each in (text, *parts.telling(text)):
            if not masking.too_short(each):
                self.masker.add(name, each)


def _new_key() -> str:
    """Return a signing key that nobody has."""
    return PREFIX + base64.b64encode(os.urandom(_KEY_BYTES)).decode()
