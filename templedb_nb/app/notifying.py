"""The wiring of who is notified; nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from templedb_nb.app.foundation import Foundation
from templedb_nb.app.notifications.beginnings import Beginnings
from templedb_nb.app.notifications.known_secrets import KnownSecrets
from templedb_nb.app.notifications.ledger_watch import LedgerWatch
from templedb_nb.app.notifications.notifications import Notifications
from templedb_nb.app.notifications.outbox import Outbox
from templedb_nb.app.notifications.parcels import Wrapping
from templedb_nb.app.notifications.receivers import Receivers
from templedb_nb.app.notifications.sender import Sender
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.status import StatusTable


@dataclass
class Notifying(Foundation):
    """Use cases around receivers and what they are sent."""

    @cached_property
    def outbox(self) -> Outbox:
        """Return what reads from the records what people are owed."""
        return Outbox(
            state=self.state,
            store=self.notices,
            system=self.system,
            link=self.system.environ.get("TEMPLEDB_REPORT_URL", ""),
        )

    @cached_property
    def receivers(self) -> Receivers:
        """Return the use cases around receivers of notifications."""
        return Receivers(
            store=self.notices,
            outbox=self.outbox,
            projects=self.projects,
            configs=self.configs,
            content=self.content,
            seal=self.seal,
            system=self.system,
        )

    @cached_property
    def ledger_watch(self) -> LedgerWatch:
        """Return what is shown every target that is opened."""
        journals = self.state.folder / "journal"
        return LedgerWatch(
            store=self.notices, runs=self.records, journals=journals, system=self.system
        )

    @cached_property
    def known_secrets(self) -> KnownSecrets:
        """Return what makes the values of all variables known to a masker."""
        return KnownSecrets(
            settings=self.settings,
            projects=self.projects,
            variables=self.variables,
            masker=self.masker,
        )

    @cached_property
    def wrapping(self) -> Wrapping:
        """Return what puts notifications into the forms of receivers."""
        return Wrapping(
            mask=self.masker.mask,
            store=self.notices,
            cards=self.records,
            facts=self.outbox.named,
            system=self.system,
        )

    @cached_property
    def beginnings(self) -> Beginnings:
        """Return what tells people that a run began."""
        return Beginnings(
            patient=self.state.patient,
            store=self.notices,
            receivers=self.receivers,
            outbox=self.outbox,
            wrapping=self.wrapping,
            learn=self.known_secrets.teach,
            system=self.system,
        )

    def notifying(
        self, catch_up: Callable[[], None], look: Callable[[], Iterable[StatusTable]]
    ) -> Notifications:
        """Return the use cases around notifications.

        *catch_up* takes in what runs have written, *look* asks the targets.
        """
        sender = Sender(
            state=self.state,
            store=self.notices,
            outbox=self.outbox,
            receivers=self.receivers,
            wrapping=self.wrapping,
            beginnings=self.beginnings,
            masker=self.masker,
            learn=self.known_secrets.learn,
            system=self.system,
        )
        return Notifications(
            patient=self.state.patient,
            path=self.state.path,
            folder=self.state.folder,
            store=self.notices,
            receivers=self.receivers,
            outbox=self.outbox,
            sender=sender,
            catch_up=catch_up,
            look=look,
            system=self.system,
        )
